"""`afterbay status`: how far a pipeline is, from its state directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from afterbay.cli import console
from afterbay.cli.amounts import count, plural, size
from afterbay.cli.options import AsJson, StateDir
from afterbay.errors import PipelineInvalid

if TYPE_CHECKING:
    from afterbay.state.status import SinkStatus, StateStatus

EXAMPLES = """\b
Examples:
  afterbay status orders.yaml
  afterbay status --state ./state/orders --json | jq .checkpoints
"""


def status(
    pipeline: Annotated[
        Path | None, typer.Argument(metavar="[PIPELINE]", help="The pipeline file (YAML).", show_default=False)
    ] = None,
    state: StateDir = None,
    as_json: AsJson = False,
) -> int:
    """Show how far a pipeline is.

    Checkpoint, stored files and who runs it: while a run goes on, or without one. Give the pipeline file or its
    state directory. Only reads; disturbs no run.
    """
    from afterbay.state.status import read_status

    found = read_status(_directory(pipeline, state))
    if as_json:
        console.data(found.to_dict())
    else:
        console.result(_text(found))
    return 0


def _directory(pipeline: Path | None, state: Path | None) -> Path:
    if state is not None:
        return state
    if pipeline is None:
        raise PipelineInvalid(
            "call.invalid",
            "status of what? neither a pipeline nor a state directory is given",
            hint="afterbay status PIPELINE, or afterbay status --state DIR",
        )
    from afterbay.pipeline import Pipeline

    return Pipeline.from_yaml(pipeline).state_dir


def _text(found: StateStatus) -> str:
    runs = f"running: {found.holder}" if found.holder is not None else "running"
    lines = [f"{found.pipeline}   {runs if found.locked else 'not running'}", ""]
    facts = [("state", str(found.directory))]
    for partition, point in found.checkpoints.items():
        facts.append(("checkpoint", f"{point.commit_ts}  ({partition}, committed {point.updated_at})"))
    if not found.checkpoints:
        facts.append(("checkpoint", "none yet"))
    facts.extend(("stored", f"{name}: {_stored(sink)}") for name, sink in found.sinks.items())
    for name, outage in found.outages.items():
        text = f"{name}: {outage.operation} of '{outage.key}' since {outage.since}: {outage.reason}"
        facts.append(("failing", f"{text}  (tried again)"))
    if found.intents:
        rows = sum(intent.rows for intent in found.intents)
        fate = "being written" if found.locked else "begun by a run that died; the next run settles them"
        facts.append(("under way", f"{plural(len(found.intents), 'file')}, {plural(rows, 'row')}  ({fate})"))
    return "\n".join(lines + [f"  {label:<14}{value}" for label, value in facts])


def _stored(sink: SinkStatus) -> str:
    return (
        f"{plural(sink.rows, 'row')} in {plural(sink.files, 'file')} ({size(sink.bytes)}), "
        f"{plural(sink.ddls, 'DDL')}, {count(sink.positions)} {'table' if sink.positions == 1 else 'tables'}"
    )
