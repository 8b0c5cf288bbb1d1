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
"""


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")] = Path("pipeline.yaml"),
    source: Annotated[starter.Source, typer.Option(help="Where the changes come from.")] = starter.Source.DEMO,
    as_json: AsJson = False,
) -> int:
    """Write a commented pipeline to start from.

    It is valid as it stands. A file that exists is never overwritten.
    """
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
