"""What happens in a run, for who follows it from Python: a look now and then, and what is new since the last one.

One look gives at most one event of each kind, in the order of `Kind`; a run that has ended gives `ended` as its last.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from afterbay.runtime.report import Counts, RunReport

if TYPE_CHECKING:
    from afterbay.compile.plan import Plan
    from afterbay.positions import ResumePoint
    from afterbay.telemetry import Telemetry

Kind = Literal["checkpoint", "store-failing", "store-works", "progress", "ended"]


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One event, with how far the run is: `counts` so far, `checkpoints` (commit-ts) and `lag` (s) by partition.

    `checkpoint`: one moved. `store-failing`, `store-works`: the sinks in `failing` (with the reason) are others than
    before. `progress`: rows came or were stored. `ended`: with the `report`; a run that failed raises instead.
    """

    kind: Kind
    counts: Counts
    checkpoints: Mapping[str, int]
    lag: Mapping[str, float]
    failing: Mapping[str, str]
    report: RunReport | None = None


class Followed(Protocol):
    """What this module needs of a run."""

    @property
    def plan(self) -> Plan: ...
    @property
    def telemetry(self) -> Telemetry: ...
    def wait(self, timeout: float | None = None) -> RunReport | None: ...
    def checkpoints(self) -> dict[str, ResumePoint]: ...
    def lag(self) -> dict[str, float]: ...


class Endings:
    """Tells loops that a run has ended. Owns its lock and the list of those that wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._over = False
        self._waiting: dict[int, Callable[[], None]] = {}

    def ended(self) -> None:
        """The run has ended. Once; by the run's supervisor."""
        with self._lock:
            self._over = True
            waiting, self._waiting = self._waiting, {}
        for tell in waiting.values():
            tell()

    async def wait(self, seconds: float | None = None) -> bool:
        """True when the run has ended, False after `seconds`."""
        loop = asyncio.get_running_loop()
        over = asyncio.Event()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # a loop that was closed waits for nothing
                loop.call_soon_threadsafe(over.set)

        with self._lock:
            if self._over:
                return True
            self._waiting[id(over)] = tell
        try:
            await asyncio.wait_for(over.wait(), seconds)
        except TimeoutError:
            return False
        finally:
            with self._lock:
                self._waiting.pop(id(over), None)
        return True


class _Look:
    """What was seen last. Used by one caller."""

    def __init__(self, run: Followed) -> None:
        self._run = run
        self._checkpoints: dict[str, int] = {}
        self._failing: dict[str, str] = {}
        self._counts = Counts.of(run.plan, run.telemetry)

    def new(self, report: RunReport | None) -> Iterator[RunEvent]:
        """What is new, the end included."""
        run = self._run
        counts = Counts.of(run.plan, run.telemetry)
        points = run.checkpoints() if report is None else {}
        told = {name: point.commit_ts for name, point in points.items()} if report is None else report.checkpoints
        failing = {name: outage.reason for name, outage in run.telemetry.outages().items()} if report is None else {}
        lag = run.lag() if report is None else {}

        def event(kind: Kind, of: RunReport | None = None) -> RunEvent:
            return RunEvent(kind, counts, dict(told), lag, failing, of)

        if dict(told) != self._checkpoints:
            yield event("checkpoint")
        if failing.keys() - self._failing.keys():
            yield event("store-failing")
        if self._failing.keys() - failing.keys():
            yield event("store-works")
        if counts != self._counts:
            yield event("progress")
        self._checkpoints, self._failing, self._counts = dict(told), failing, counts
        if report is not None:
            yield event("ended", report)


def events(run: Followed, every: float) -> Iterator[RunEvent]:
    """The events of `run`. Raises what the run raises, at its end."""
    look = _Look(run)
    while True:
        report = run.wait(every)
        yield from look.new(report)
        if report is not None:
            return


async def events_async(run: Followed, endings: Endings, every: float) -> AsyncIterator[RunEvent]:
    """As `events`."""
    look = _Look(run)
    while True:
        over = await endings.wait(every)
        report = run.wait(0) if over else None
        for event in look.new(report):
            yield event
        if over:
            return
