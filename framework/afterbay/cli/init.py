"""`afterbay init`: a commented pipeline file to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from afterbay.cli import console, starter
from afterbay.cli.called_as import called_as
from afterbay.cli.options import AsJson
from afterbay.errors import EnvironmentRefused, PipelineInvalid

EXAMPLES = """\b
Examples:
  afterbay init                                  ./pipeline.yaml, with made-up data
  afterbay init orders.yaml --source change_log  reads canal-json lines
  afterbay init --node my-nodes                  ./my-nodes: a package of nodes of your own, with tests
"""


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")] = Path("pipeline.yaml"),
    source: Annotated[starter.Source, typer.Option(help="Where the changes come from.")] = starter.Source.DEMO,
    node: Annotated[
        str,
        typer.Option("--node", metavar="NAME", help="Write a package of nodes, into ./NAME.", show_default=False),
    ] = "",
    as_json: AsJson = False,
) -> int:
    """Write a commented pipeline to start from, or a package of nodes of your own.

    It is valid as it stands. A file or folder that exists is never overwritten.
    """
    if node:
        return _package(node, as_json=as_json)
    try:
        with file.open("x", encoding="utf-8", newline="\n") as out:
            out.write(starter.pipeline_text(starter.pipeline_name(file), source))
    except FileExistsError as error:
        raise PipelineInvalid(
            "init.exists", f"{file} exists already", hint="choose another name, or remove it first"
        ) from error
    except OSError as error:
        raise EnvironmentRefused(
            "init.unwritable", f"cannot write {file}: {error.strerror}", hint="choose a folder that can be written"
        ) from error
    if as_json:
        console.data({"file": str(file), "source": source.value})
    else:
        program = called_as()
        console.result(f"wrote {file}\n\nNext:\n  {program} validate {file}\n  {program} run {file}")
    return 0


def _package(name: str, *, as_json: bool) -> int:
    from afterbay.cli.node_starter import package_files

    found = package_files(name)
    folder = Path(name)
    try:
        folder.mkdir()
        for path, text in found.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            with (folder / path).open("x", encoding="utf-8", newline="\n") as out:
                out.write(text)
    except FileExistsError as error:
        raise PipelineInvalid(
            "init.exists", f"{folder} exists already", hint="choose another name, or remove it first"
        ) from error
    except OSError as error:
        raise EnvironmentRefused(
            "init.unwritable", f"cannot write {folder}: {error.strerror}", hint="choose a folder that can be written"
        ) from error
    if as_json:
        console.data({"folder": str(folder), "files": sorted(found)})
    else:
        console.result(
            f"wrote {folder}\n\n"
            f"Next, in an environment that has Afterbay:\n  cd {folder}\n  pip install -e . pytest\n  pytest"
        )
    return 0
