"""`afterbay state show`, `export`, `reset`: what a pipeline remembers, for people, for programs, and taken away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from afterbay.cli import console
from afterbay.cli.amounts import count, plural, size
from afterbay.cli.options import AsJson, Output, StateDir
from afterbay.cli.which_state import MaybePipeline, declared, state_directory

EXAMPLES = """\b
Examples:
  afterbay state show orders.yaml                 all that the state knows
  afterbay state export orders.yaml -o state.json the same complete, as JSON
  afterbay state reset orders.yaml                start anew; keeps a dated backup
  afterbay state rebuild orders.yaml --from-store when checkpoint.db is lost or damaged
  afterbay state drop-slot orders.yaml            what the source's server keeps for it, when it is not to run again
"""

MOST_SHOWN = 20

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation (in scripts).")]
NoBackup = Annotated[bool, typer.Option("--no-backup", help="Keep no dated copy of the old state.")]


def show(
    pipeline: MaybePipeline = None,
    state: StateDir = None,
    everything: Annotated[bool, typer.Option("--all", help="Every row, not the first 20 of each table.")] = False,
    as_json: AsJson = False,
) -> int:
    """Show all that a state knows.

    Options that it was made with, checkpoints and cursors, and for each sink its positions, directories, files under
    way, DDLs and schemas. Only reads; disturbs no run.
    """
    found = _exported(pipeline, state, "state show")
    if as_json:
        console.data(found)
    else:
        console.result("\n".join(_text(found, None if everything else MOST_SHOWN)))
    return 0


def export(
    pipeline: MaybePipeline = None,
    state: StateDir = None,
    output: Output = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, which it is anyway.")] = True,
) -> int:
    """Write the whole state as JSON.

    The form is documented in docs/operations.md and has a version. Only reads; disturbs no run.
    """
    import json

    del as_json  # for who says it with every verb
    found = _exported(pipeline, state, "state export")
    console.document(json.dumps(found, indent=2), output)
    return 0


def reset(
    pipeline: MaybePipeline = None,
    state: StateDir = None,
    yes: Yes = False,
    no_backup: NoBackup = False,
    as_json: AsJson = False,
) -> int:
    """Remove a state: the next run starts from the beginning.

    Refused while a run has it. The old one is kept in a dated folder inside the state directory, unless --no-backup.
    The store is not touched.
    """
    from afterbay.clock import SystemClock
    from afterbay.state.reset import reset as removed

    directory = state_directory(declared(pipeline), state, "state reset")
    roots = _roots(directory)
    if not yes:
        for line in _consequences(roots):
            console.note(line)
    if not console.confirmed(f"Remove the state in {directory}?", yes=yes):
        console.note("nothing was changed")
        return 1
    kept = removed(directory, SystemClock(), backup=not no_backup)
    if as_json:
        console.data({"state": str(directory), "backup": None if kept is None else str(kept), "roots": roots})
    else:
        console.result(f"removed the state in {directory}" + ("" if kept is None else f"; the old one is in {kept}"))
        for line in _consequences(roots):
            console.note(line)
    return 0


def _exported(pipeline: Path | None, state: Path | None, verb: str) -> dict[str, Any]:
    from afterbay.clock import SystemClock
    from afterbay.state.export import export_state

    return export_state(state_directory(declared(pipeline), state, verb), SystemClock())


def _roots(directory: Path) -> list[str]:
    """Where the sinks wrote, as far as the state can be read: a damaged one is reset all the same."""
    from afterbay.errors import EnvironmentRefused
    from afterbay.state.stored import read_stored

    try:
        sinks = read_stored(directory).sinks.values()
    except EnvironmentRefused as refused:
        if refused.code != "state.corrupt":
            raise
        console.note(f"{refused}")
        return []
    return [str(sink.options["root"]) for sink in sinks if "root" in sink.options]


def _consequences(roots: list[str]) -> Iterator[str]:
    yield "the next run starts at the beginning of its sources, with an empty state"
    for root in roots or ["its root"]:
        yield (
            f"  {root} keeps what it holds: the run is refused there until it is empty, or with --adopt stores changes "
            "that it holds a second time (I6)"
        )
    yield "  to go on behind what is stored instead: afterbay state rebuild PIPELINE --from-store"


def _text(found: dict[str, Any], most: int | None) -> Iterator[str]:
    runs = f"running: {found['holder']}" if found["locked"] else "not running"
    yield f"{found['pipeline']}   {runs}"
    yield ""
    yield f"  state         {found['directory']}"
    yield f"  made          {found['created_at']}"
    yield f"  migrations    {', '.join(found['migrations'])}"
    for point in found["checkpoints"]:
        yield f"  checkpoint    {point['commit_ts']}  ({point['partition']}; committed {point['updated_at']})"
        yield f"  cursor        {_plain(point['cursor'])}"
    if not found["checkpoints"]:
        yield "  checkpoint    none yet"
    yield ""
    options = [
        (node, option, _plain(value))
        for node, own in found["identity"].items()
        for option, value in (own.items() if isinstance(own, dict) else [("", own)])
    ]
    yield from _table("made with", ("NODE", "OPTION", "VALUE"), options, None)
    for name, sink in found["sinks"].items():
        stored = sink["stored"]
        cleaned = f", files before {sink['cleaned_before']} removed" if sink.get("cleaned_before") else ""
        yield (
            f"sink {name}: {plural(stored['rows'], 'row')} in {plural(stored['files'], 'file')} "
            f"({size(stored['bytes'])}), {plural(stored['ddls'], 'DDL')}{cleaned}"
        )
        yield ""
        yield from _table("positions", *_columns(sink["positions"]), most)
        yield from _table("last numbers", *_columns(sink["directories"]), most)
        yield from _table("files under way", *_columns(sink["intents"]), most)
        yield from _table("DDLs above the checkpoint", *_columns(sink["ddls"]), most)
        yield from _table("out of reach", *_columns(sink["outages"]), most)
    schemas = [
        (row["partition"], row["dispatcher"], str(row["commit_ts"]), _columns_of(row["schema"]))
        for row in found["schemas"]
    ]
    yield from _table("schemas", ("PARTITION", "DISPATCHER", "FROM", "COLUMNS"), schemas, most)


def _columns(rows: list[dict[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    header = tuple(rows[0]) if rows else ()
    return tuple(name.upper() for name in header), [tuple(_plain(row[name]) for name in header) for row in rows]


def _table(title: str, header: tuple[str, ...], rows: Sequence[tuple[str, ...]], most: int | None) -> Iterator[str]:
    if not rows:
        return
    yield f"{title} ({count(len(rows))})"
    shown = rows if most is None else rows[:most]
    yield from (f"  {line}" for line in console.table(header, shown).splitlines())
    if len(shown) < len(rows):
        yield f"  and {count(len(rows) - len(shown))} more: --all"
    yield ""


def _columns_of(schema: dict[str, Any] | None) -> str:
    if schema is None:
        return "dropped"
    return ", ".join(str(column.get("name")) for column in schema.get("columns", ()))


def _plain(value: object) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
