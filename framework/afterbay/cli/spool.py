"""`afterbay spool stat`, `fsck`, `purge`: what lies in a pipeline's spools, whether it is whole, and away with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from afterbay.cli import console
from afterbay.cli.amounts import count, plural, size
from afterbay.cli.options import AsJson, StateDir
from afterbay.cli.which_state import MaybePipeline, state_directory
from afterbay.errors import EnvironmentRefused

if TYPE_CHECKING:
    from afterbay.spool.inspection import SpoolStat

EXAMPLES = """\b
Examples:
  afterbay spool stat orders.yaml         what lies in its segments, also while it runs
  afterbay spool fsck orders.yaml         whether every byte is as it was written; exit code 1: damage
  afterbay spool purge orders.yaml        remove what a run that died has left
  afterbay spool stat --state ./state/orders

\b
A spool is a cache: the next start discards it and goes on from the checkpoint. Nothing here is ever needed to mend a
pipeline; purge frees the disk of one that is not to run again.
"""

Dir = Annotated[
    Path | None, typer.Option("--dir", metavar="DIR", help="The spool's own folder (its `dir`).", show_default=False)
]


def stat(pipeline: MaybePipeline = None, state: StateDir = None, directory: Dir = None, as_json: AsJson = False) -> int:
    """Show what lies in a pipeline's spools.

    Segments and what waits in them, by table. What is in memory only the run itself knows (its progress line).
    """
    from afterbay.spool.inspection import stat as seen

    found = [seen(folder) for folder in _folders(pipeline, state, directory, "spool stat")]
    if as_json:
        console.data([spool.to_dict() for spool in found])
    else:
        console.result("\n\n".join(_text(spool) for spool in found))
    return 0


def fsck(pipeline: MaybePipeline = None, state: StateDir = None, directory: Dir = None, as_json: AsJson = False) -> int:
    """Hold a spool's catalog against its segments.

    Reads every entry and its CRC-32. Only reads; also while a run goes on. Exit code 1: something is damaged.
    """
    from afterbay.spool.inspection import fsck as damage

    found = {str(folder): damage(folder) for folder in _folders(pipeline, state, directory, "spool fsck")}
    if as_json:
        console.data({folder: [item.to_dict() for item in items] for folder, items in found.items()})
    else:
        for folder, items in found.items():
            console.result(f"{folder}: {plural(len(items), 'fault') if items else 'whole'}")
            for item in items:
                console.note(str(item))
    return 1 if any(found.values()) else 0


def purge(
    pipeline: MaybePipeline = None, state: StateDir = None, directory: Dir = None, as_json: AsJson = False
) -> int:
    """Remove what a run that died has left in its spools.

    Refused while a run goes on. The next run does the same when it starts.
    """
    from afterbay.spool.inspection import purge as removed

    found = {str(folder): removed(folder) for folder in _folders(pipeline, state, directory, "spool purge")}
    if as_json:
        console.data({folder: {"files": files, "bytes": nbytes} for folder, (files, nbytes) in found.items()})
    else:
        for folder, (files, nbytes) in found.items():
            console.result(f"{folder}: removed {plural(files, 'file')}, {size(nbytes)}")
    return 0


def _folders(pipeline: Path | None, state: Path | None, directory: Path | None, verb: str) -> list[Path]:
    """The folders that a call is about. Raises EnvironmentRefused `spool.absent` if there is none."""
    from afterbay.pipeline import Pipeline
    from afterbay.spool.inspection import KeepsSpool, folders_under

    if directory is not None:
        return [directory]
    known = None if pipeline is None else Pipeline.from_yaml(pipeline, state=state)
    place = state_directory(known, state, verb)
    found = list(folders_under(place))
    for name, node in () if known is None else known.nodes.items():
        if isinstance(node, KeepsSpool):
            found.append(node.spool_folder(place / "nodes" / name))
    there = sorted({folder.absolute() for folder in found if folder.is_dir()})
    if not there:
        raise EnvironmentRefused(
            "spool.absent",
            f"there is no spool in {place}",
            hint="run the pipeline once; a spool with a `dir` of its own is found by the pipeline's file, or --dir",
        )
    return there


def _text(spool: SpoolStat) -> str:
    lines = [
        f"{spool.folder}   {f'in use by process {spool.holder}' if spool.holder else 'not in use'}",
        "",
        f"  segments      {count(spool.segments)}, {size(spool.disk)}  ({size(spool.free)} free on this disk)",
    ]
    if spool.damage:
        return "\n".join([*lines, f"  catalog       damaged: {spool.damage}  (the next start makes it anew)"])
    waits = "waits for the store" if spool.holder else "left by a run that died; the next start discards it"
    lines.append(
        f"  on disk       {plural(spool.entries, 'batch', 'batches')}, {plural(spool.rows, 'row')}, {size(spool.live)}"
        + (f"  ({waits})" if spool.entries else "")
    )
    if spool.entries:
        lines.append(f"  commit-ts     {spool.first_commit_ts} … {spool.last_commit_ts}")
        rows = [[item.dispatcher, count(item.entries), count(item.rows), size(item.bytes)] for item in spool.tables]
        lines += [
            "",
            *(f"  {line}" for line in console.table(("TABLE", "BATCHES", "ROWS", "BYTES"), rows).splitlines()),
        ]
    return "\n".join(lines)
