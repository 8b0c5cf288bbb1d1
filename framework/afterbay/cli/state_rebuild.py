"""`afterbay state rebuild`: a lost state made anew from what the pipeline has stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from afterbay.cli import console
from afterbay.cli.amounts import plural, size
from afterbay.cli.called_as import called_as
from afterbay.cli.options import AsJson, PipelineFile, StateDir
from afterbay.cli.state import Yes
from afterbay.errors import PipelineInvalid

if TYPE_CHECKING:
    from afterbay.state.rebuild import Rebuilt

EXAMPLES = """\b
Examples:
  afterbay state rebuild orders.yaml --from-store
  afterbay verify ./orders-files --state ./state/orders      the new state, held against the store

\b
Stop whatever still runs the pipeline first. The new state says what the store proves, and no more: the source may send
much of what is stored again, which is recognised.
"""


def rebuild(
    pipeline: PipelineFile,
    state: StateDir = None,
    from_store: Annotated[
        bool, typer.Option("--from-store", help="From what is in the stores of the pipeline's sinks.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary, only problems.")] = False,
) -> int:
    """Make a lost or damaged state anew.

    Reads every file of the pipeline's stores once. An old database is kept in a dated folder inside the state
    directory. What cannot be known any more is told.
    """
    from afterbay.clock import SystemClock
    from afterbay.pipeline import Pipeline
    from afterbay.state.database import DATABASE_FILE
    from afterbay.state.rebuild import rebuild as rebuilt

    if not from_store:
        raise PipelineInvalid("call.invalid", "a state is rebuilt from what?", hint="say --from-store")
    plan = Pipeline.from_yaml(pipeline, state=state).compile()
    if (plan.state_dir / DATABASE_FILE).exists() and not console.confirmed(
        f"There is a state in {plan.state_dir}. Put one in its place that is read back from the store?", yes=yes
    ):
        console.note("nothing was changed")
        return 1
    done = rebuilt(plan, SystemClock(), (lambda _: None) if quiet else console.note)
    if as_json:
        console.data(_data(done))
    elif not quiet:
        console.result("\n".join(_text(done)))
        console.note(f"\nNext:\n  {called_as()} run {pipeline}")
    return 0


def _text(done: Rebuilt) -> list[str]:
    lines = [f"made a new state in {done.directory}"]
    if done.backup is not None:
        lines.append(f"  the old one   {done.backup}")
    for partition, point in done.checkpoints.items():
        lines.append(f"  checkpoint    {'none: from the beginning' if point is None else point}  ({partition})")
    for name, told in done.sinks.items():
        lines.append(
            f"  stored        {name}: {plural(told.changes, 'row')} in {plural(told.files, 'file')} "
            f"({size(told.bytes)}), {plural(told.ddls, 'DDL')}, {plural(len(told.tables), 'table')}"
        )
    return [*lines, "", "not known any more:", *(f"  {text}" for text in done.unknown)]


def _data(done: Rebuilt) -> dict[str, object]:
    return {
        "state": str(done.directory),
        "backup": None if done.backup is None else str(done.backup),
        "checkpoints": dict(done.checkpoints),
        "sinks": {
            name: {
                "files": told.files,
                "rows": told.changes,
                "bytes": told.bytes,
                "ddls": told.ddls,
                "tables": len(told.tables),
            }
            for name, told in done.sinks.items()
        },
        "unknown": list(done.unknown),
    }
