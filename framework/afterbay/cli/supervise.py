"""Watching over a run: signals and the display.

::

    running --first signal--> draining --second signal, or the run's own stop ladder--> cancelled
                                 |
                                 +--all stored--> drained

The library installs no signal handler and never exits the process; the command line does. The stop ladder itself
(cancel at 3/4 of the timeout, report stuck threads at its end) is the run's.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Protocol, Self

from afterbay.cli.amounts import duration
from afterbay.cli.progress import Progress
from afterbay.cli.snapshot import Snapshot

if TYPE_CHECKING:
    from afterbay.compile.plan import Plan
    from afterbay.runtime.report import RunReport
    from afterbay.telemetry import Telemetry

TICK_SECONDS = 0.1
"""How often the display moves and signals are looked at."""

_Handler = Callable[[int, FrameType | None], object] | int | None


class Supervised(Protocol):
    """What this module needs of a run."""

    @property
    def plan(self) -> Plan: ...
    @property
    def telemetry(self) -> Telemetry: ...
    def drain(self, timeout: float | None = None) -> None: ...
    def cancel(self) -> None: ...
    def wait(self, timeout: float | None = None) -> RunReport | None: ...


@dataclass(frozen=True, slots=True)
class Ended:
    """How a supervised run ended: its report, and what the process is to return."""

    report: RunReport
    exit_code: int


class StopSignals:
    """Counts SIGINT and SIGTERM while it is entered. Owns both handlers; puts the earlier ones back.

    The handler only counts: it runs between two instructions of the main thread, which may hold any lock.
    """

    def __init__(self) -> None:
        self.received: list[signal.Signals] = []
        self._starting = True
        self._before: dict[signal.Signals, _Handler] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._arrived)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def started(self) -> None:
        """The run exists: from now on `supervise` acts on what arrives."""
        self._starting = False

    def stop_waiting(self) -> None:
        """For a start that waits for another run: nothing was begun, so the first signal ends it. Raises SystemExit."""
        if self.received:
            raise SystemExit(128 + self.received[0])

    def _arrived(self, number: int, _: FrameType | None) -> None:
        self.received.append(signal.Signals(number))
        if self._starting and len(self.received) > 1:
            # Nothing can be drained yet, and the start may be waiting for a store: the second signal unwinds it.
            raise SystemExit(128 + number)


def supervise(
    run: Supervised, signals: StopSignals, progress: Progress, *, stop_timeout: float, monotonic: Callable[[], float]
) -> Ended:
    """Shows the run until it has ended. The first signal drains it within `stop_timeout` seconds, a second cancels it.

    The exit code is 0 if all that was under way is stored, 128 + n after a second signal n, 1 if the drain did not
    make it in time. Raises what `run.wait` raises.
    """
    try:
        report, cancelled_by = _watch(run, signals, progress, stop_timeout, monotonic)
    except BaseException:
        run.cancel()  # whatever failed here must not leave a run behind that nobody watches
        raise
    if report.outcome != "cancelled":
        return Ended(report, 0)
    return Ended(report, 1 if cancelled_by is None else 128 + cancelled_by)


def _watch(
    run: Supervised, signals: StopSignals, progress: Progress, stop_timeout: float, monotonic: Callable[[], float]
) -> tuple[RunReport, signal.Signals | None]:
    """The report, and the signal that cancelled the run, if one did."""
    began = monotonic()
    draining = False
    cancelled_by: signal.Signals | None = None
    while True:
        report = run.wait(TICK_SECONDS)
        progress.show(Snapshot.take(run.plan, run.telemetry, monotonic() - began))
        if report is not None:
            return report, cancelled_by
        if signals.received and not draining:
            draining = True
            progress.say(
                f"{signals.received[0].name}: storing what is under way, then stopping (within "
                f"{duration(stop_timeout)}; a second signal stops at once)"
            )
            run.drain(stop_timeout)
        elif len(signals.received) > 1 and cancelled_by is None:
            cancelled_by = signals.received[1]
            progress.say(f"{cancelled_by.name}: stopping at once; what is under way comes again next time")
            run.cancel()
