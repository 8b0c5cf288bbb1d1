"""A run inside somebody's job: as far as the job wants it, told now and then, drained when the job is interrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from afterbay.pipeline import STOP_SECONDS, Pipeline
from afterbay.units import parse_duration

if TYPE_CHECKING:
    from afterbay.runtime.events import RunEvent
    from afterbay.runtime.report import RunReport
    from afterbay.runtime.run import Run

TOLD_SECONDS = 10.0
"""How often a job's log hears how far it is."""


def pipeline_of(path: str | Path, *, state: str | Path | None = None, env: dict[str, str] | None = None) -> Pipeline:
    """The pipeline of a file. `env` adds to the environment's variables. Raises PipelineInvalid."""
    import os

    return Pipeline.from_yaml(path, state=state or None, env={**os.environ, **(env or {})})


def carry(
    pipeline: Pipeline,
    *,
    until: str | float = "caught-up",
    wait: bool | str | float = False,
    adopt: bool = False,
    stop_timeout: str | float = STOP_SECONDS,
    tell: Callable[[str], None] = lambda _: None,
    started: Callable[[Run], None] = lambda _: None,
    every: float = TOLD_SECONDS,
) -> RunReport:
    """Runs to the end that `until` names and gives the report; `tell` gets a line every `every` seconds.

    Whatever interrupts the caller (orchestrators raise errors of their own) drains the run within `stop_timeout` before
    it goes on: what was received is stored then. A second interrupt stops it at once. Raises as `Pipeline.run`.
    """
    limit = parse_duration(stop_timeout)
    run = pipeline.start(until=until, wait=wait, adopt=adopt)
    try:
        started(run)
        for event in run.events(every):
            if event.report is not None:
                tell(outcome(event.report))
                return event.report
            if event.kind != "checkpoint":
                tell(line(event))
        raise AssertionError("events end with a report")
    except BaseException:
        if not run.ended:
            run.drain(limit)
            try:
                run.wait()
            except BaseException:
                run.cancel()
                raise
        raise


def line(event: RunEvent) -> str:
    """How far it is, for a log."""
    if event.kind == "store-failing":
        return "store failing: " + "; ".join(f"{sink}: {reason}" for sink, reason in event.failing.items())
    if event.kind == "store-works":
        return "the store works again"
    counts = event.counts
    lag = max(event.lag.values(), default=0.0)
    return f"{counts.rows_in:,} rows in, {counts.rows_stored:,} stored in {counts.files:,} files, {lag:.1f} s behind"


def outcome(report: RunReport) -> str:
    """What came of it, for a log."""
    return (
        f"{report.pipeline}: {report.outcome}; {report.rows_stored:,} rows of {len(report.tables):,} tables stored in "
        f"{report.files:,} files ({report.bytes:,} bytes)"
    )
