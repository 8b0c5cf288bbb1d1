"""`afterbay status`: how far a pipeline is, from its state directory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from afterbay.cli import console
from afterbay.cli.amounts import count, plural, size, wall_time
from afterbay.cli.options import AsJson, StateDir
from afterbay.cli.which_state import MaybePipeline, declared, state_directory
from afterbay.errors import AfterbayError

if TYPE_CHECKING:
    from afterbay.pipeline import Pipeline
    from afterbay.state.status import SinkStatus, StateStatus
    from afterbay.upstream import Upstream

EXAMPLES = """\b
Examples:
  afterbay status orders.yaml
  afterbay status --state ./state/orders --json | jq .checkpoints
"""


def status(
    pipeline: MaybePipeline = None,
    state: StateDir = None,
    as_json: AsJson = False,
) -> int:
    """Show how far a pipeline is.

    Checkpoint, stored files and who runs it: while a run goes on, or without one. Give the pipeline file or its
    state directory. Only reads; disturbs no run.
    """
    from afterbay.state.status import read_status

    known = declared(pipeline)
    found = read_status(state_directory(known, state, "status"))
    times = _times(known, found)
    upstreams = {} if known is None else known.upstreams()
    if as_json:
        told = {name: up.to_dict() for name, up in upstreams.items()}
        console.data({**found.to_dict(), "checkpoint_times": times, "upstreams": told})
    else:
        console.result(_text(found, times, upstreams))
    return 0


def _times(known: Pipeline | None, found: StateStatus) -> dict[str, str]:
    """The checkpoints' wall times, which only the sources that made them can tell."""
    from afterbay.positions import ResumePoint

    if known is None:
        return {}
    times = {
        partition: known.commit_time(partition, ResumePoint(point.commit_ts, point.cursor))
        for partition, point in found.checkpoints.items()
    }
    return {partition: time for partition, time in times.items() if time is not None}


def _text(found: StateStatus, times: Mapping[str, str], upstreams: Mapping[str, Upstream | AfterbayError]) -> str:
    runs = f"running: {found.holder}" if found.holder is not None else "running"
    lines = [f"{found.pipeline}   {runs if found.locked else 'not running'}", ""]
    facts = [("state", str(found.directory))]
    for partition, point in found.checkpoints.items():
        time = f", {wall_time(times[partition])}" if partition in times else ""
        facts.append(("checkpoint", f"{point.commit_ts}  ({partition}{time}; committed {point.updated_at})"))
    if not found.checkpoints:
        facts.append(("checkpoint", "none yet"))
    facts.extend(("stored", f"{name}: {_stored(sink)}") for name, sink in found.sinks.items())
    for name, outage in found.outages.items():
        text = f"{name}: {outage.operation} of '{outage.key}' since {outage.since}: {outage.reason}"
        facts.append(("failing", f"{text}  (tried again)"))
    facts.extend(("upstream", f"{name}: {_upstream(up)}") for name, up in upstreams.items())
    if found.intents:
        rows = sum(intent.rows for intent in found.intents)
        fate = "being written" if found.locked else "begun by a run that died; the next run settles them"
        facts.append(("under way", f"{plural(len(found.intents), 'file')}, {plural(rows, 'row')}  ({fate})"))
    return "\n".join(lines + [f"  {label:<14}{value}" for label, value in facts])


def _upstream(found: Upstream | AfterbayError) -> str:
    if isinstance(found, AfterbayError):
        return found.diagnostics[0].message
    return f"{found.name}, {found.state}" + ("" if found.behind is None else f", {size(found.behind)} behind")


def _stored(sink: SinkStatus) -> str:
    return (
        f"{plural(sink.rows, 'row')} in {plural(sink.files, 'file')} ({size(sink.bytes)}), "
        f"{plural(sink.ddls, 'DDL')}, {count(sink.positions)} {'table' if sink.positions == 1 else 'tables'}"
    )
