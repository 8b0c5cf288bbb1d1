"""A run that a test scripts tick by tick, and a clock that ticks with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from afterbay.compile.plan import Plan
from afterbay.positions import ResumePoint
from afterbay.runtime.report import Outcome, RunReport
from afterbay.telemetry import Telemetry
from tests.support.plans import chain

Tick = Callable[["FakeRun"], None]


class FakeRun:
    """Each `wait` is one tick of `tick_seconds`; the script's step for it is played. Ends when a step says so."""

    def __init__(self, script: Sequence[Tick], plan: Plan | None = None, tick_seconds: float = 1.0) -> None:
        self.plan = plan or chain()
        self.telemetry = Telemetry(self.plan.name)
        self.calls: list[str] = []
        self.now = 0.0
        self._script = list(script)
        self._tick_seconds = tick_seconds
        self._report: RunReport | None = None

    def monotonic(self) -> float:
        return self.now

    def drain(self, timeout: float | None = None) -> None:
        self.calls.append(f"drain {timeout}")

    def cancel(self) -> None:
        self.calls.append("cancel")

    def wait(self, timeout: float | None = None) -> RunReport | None:
        self.now += self._tick_seconds
        assert self._script, "the run was watched for longer than the test has a script for"
        self._script.pop(0)(self)
        return self._report

    def end(self, outcome: Outcome) -> None:
        """The run has ended."""
        self._report = RunReport.of(
            self.plan,
            self.telemetry,
            outcome=outcome,
            checkpoints={"changes": ResumePoint(42, {})},
            seconds=self.now,
        )


def goes_on(_: FakeRun) -> None:
    """A tick in which nothing happens."""


def ends(outcome: Outcome) -> Tick:
    """The tick in which the run ends."""
    return lambda run: run.end(outcome)
