"""A run: opens state, nodes and threads of a plan, supervises them, and ends in a report.

::

    start -> running --sources end / time is up / drain--> draining --all threads ended--> finishing
                |                                |                                              |
                |                                |              done (completed | time-up | drained)
                |                                |
                +--- first failure, cancel ------+--> cancelled, all joined --> done (cancelled | failed)

Library code: it installs no signal handler and never exits the process.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from afterbay.clock import Clock, SystemClock
from afterbay.compile.placed import placed
from afterbay.compile.plan import Plan
from afterbay.errors import Cancelled, RunFailed
from afterbay.node import Until
from afterbay.positions import ResumePoint
from afterbay.runtime.assembly import Assembly, assemble
from afterbay.runtime.barrier import BarrierStatus
from afterbay.runtime.events import Endings, RunEvent, events, events_async
from afterbay.runtime.outlet import StopSwitch
from afterbay.runtime.report import Outcome, RunReport
from afterbay.runtime.scope import Scope, stack_of
from afterbay.schema import Json
from afterbay.state.lock import Patience
from afterbay.state.store import State
from afterbay.telemetry import Telemetry

if TYPE_CHECKING:
    from afterbay.live.listener import Listener

log = logging.getLogger("afterbay.run")

CANCEL_SECONDS = 10.0
"""How long a cancelled run may take to end before it says what is stuck."""


def start(
    plan: Plan,
    *,
    until: Until | float | None = None,
    adopt: bool = False,
    telemetry: Telemetry | None = None,
    clock: Clock | None = None,
    patience: Patience | None = None,
) -> Run:
    """Starts `plan` and returns at once; with `patience` as soon as no other run has its state.

    `until`: when it ends by itself, or seconds, for which it follows its sources as with `forever`; None: `end` if
    every source ends by itself, else `forever`.
    `adopt`: a fresh state may take over a sink root that is not empty.
    Raises PipelineInvalid or EnvironmentRefused before anything is done.
    """
    clock = clock if clock is not None else SystemClock()
    mode, seconds = _until(plan, until)
    telemetry = telemetry if telemetry is not None else Telemetry(plan.name)
    for item in plan.warnings:
        log.warning("%s", item)
    scope = Scope(clock)
    switch = StopSwitch(clock, seconds)
    with placed(plan.locator), ExitStack() as undo:
        state = State.open(
            plan.state_dir,
            pipeline=plan.name,
            identity=plan.identity(),
            clock=clock,
            recognises=plan.recognises,
            patience=patience,
        )
        undo.callback(state.close)
        assembly = assemble(
            plan, state=state, until=mode, adopt=adopt, telemetry=telemetry, clock=clock, scope=scope, switch=switch
        )
        run = Run(plan, state, assembly, scope, switch, telemetry, clock)
        undo.pop_all()
    run._start()
    return run


def _until(plan: Plan, until: Until | float | None) -> tuple[Until, float | None]:
    if until is None:
        return Until.END if all(source.ends for _, source in plan.sources) else Until.FOREVER, None
    if isinstance(until, Until):
        return until, None
    return Until.FOREVER, float(until)


class Run:
    """A pipeline at work. Every method may be called from any thread. Owns the supervisor thread."""

    def __init__(
        self,
        plan: Plan,
        state: State,
        assembly: Assembly,
        scope: Scope,
        switch: StopSwitch,
        telemetry: Telemetry,
        clock: Clock,
    ) -> None:
        self.plan = plan
        self.telemetry = telemetry
        self._state = state
        self._assembly = assembly
        self._scope = scope
        self._switch = switch
        self._clock = clock
        self._started = clock.monotonic()
        self._started_at = clock.now().isoformat(timespec="seconds")
        self._listener: Listener | None = None
        self._rows_before = _rows_stored(plan, state)
        self._done = threading.Event()
        self._endings = Endings()
        self._ladder: float | None = None  # when the stop ladder ends, monotonic
        self._ladder_cancel: float | None = None
        self._drained = False
        self._outcome: Outcome = "completed"
        self._failure: BaseException | None = None
        self._report: RunReport | None = None
        self._at_close: Mapping[str, ResumePoint] | None = None
        self._supervisor = threading.Thread(target=self._supervise, name=f"{plan.name}/supervisor", daemon=False)
        telemetry.watch_lag(self.lag)

    def drain(self, timeout: float | None = None) -> None:
        """Asks the sources to stop; what is under way is stored. After 3/4 of `timeout` seconds the rest is cancelled,
        at the end of it threads that still live are reported with their stacks. Returns at once.
        """
        self._drained = True
        if timeout is not None:
            now = self._clock.monotonic()
            self._ladder_cancel, self._ladder = now + 0.75 * timeout, now + timeout
        self._switch.stop()

    def pause(self) -> None:
        """Sources send nothing more until `resume`; what is under way is stored. A drain ends the pause."""
        self._switch.pause(True)

    def resume(self) -> None:
        """Sources go on."""
        self._switch.pause(False)

    def flush(self) -> None:
        """Asks for a drain without a stop: each source holds at its next promise until all before it is stored."""
        self._switch.request_flush()

    def cancel(self) -> None:
        """Stops at once. What is under way is not stored; the checkpoint stays where it is.

        Threads that have not ended after `CANCEL_SECONDS` are reported with their stacks.
        """
        ends = self._clock.monotonic() + CANCEL_SECONDS
        self._ladder = ends if self._ladder is None else min(self._ladder, ends)
        self._scope.cancel()

    def wait(self, timeout: float | None = None) -> RunReport | None:
        """The report, or None after `timeout` seconds. Raises what failed: one error, or an ExceptionGroup."""
        if not self._done.wait(timeout):
            return None
        if self._failure is not None:
            raise self._failure
        return self._report

    @property
    def ended(self) -> bool:
        """True when it is over, however it ended."""
        return self._done.is_set()

    def __await__(self) -> Generator[Any, None, RunReport]:
        """The report, for asyncio: holds no thread. Raises as `wait`. Cancelling the task leaves the run."""
        return self._ended().__await__()

    async def _ended(self) -> RunReport:
        await self._endings.wait()
        report = self.wait(0)
        assert report is not None, "an ended run has a report"
        return report

    def events(self, every: float = 1.0) -> Iterator[RunEvent]:
        """What happens, until the run has ended: a look every `every` seconds. See `RunEvent`."""
        return events(self, every)

    def aevents(self, every: float = 1.0) -> AsyncIterator[RunEvent]:
        """As `events`, for asyncio."""
        return events_async(self, self._endings, every)

    def checkpoints(self) -> dict[str, ResumePoint]:
        """The durable checkpoint per source partition."""
        found = {name: self._state.checkpoint_of(name) for name in self._assembly.ledgers}
        return {name: point for name, point in found.items() if point is not None}

    def received(self) -> dict[str, int]:
        """Rows received, per source node."""
        return {item.name: self.telemetry.node(item.name).totals.rows for item, _ in self.plan.sources}

    def barriers(self) -> tuple[BarrierStatus, ...]:
        """The open barriers, with age and whom they wait for."""
        return self._assembly.barriers.status()

    def lag(self) -> dict[str, float]:
        """Per source partition, the age in seconds of the oldest change received that its checkpoint does not cover.

        0 where the durable checkpoint covers all that was received.
        """
        now = self._clock.monotonic()
        out: dict[str, float] = {}
        for name, arrivals in self._assembly.arrivals.items():
            durable = self._state.checkpoint_of(name)
            came = arrivals.oldest(-1 if durable is None else durable.commit_ts)
            out[name] = 0.0 if came is None else now - came
        return out

    def age(self, since: float | None) -> float:
        """Seconds since a moment of the run's clock; 0 for None."""
        return 0.0 if since is None else round(self._clock.monotonic() - since, 3)

    def figures(self) -> dict[str, Json]:
        """Totals and levels now, as plain data (see `afterbay.live.figures`). One thread at a time."""
        from afterbay.live.figures import Figures

        found = Figures(self, self._state, self._assembly)
        return found.take(phase=self._phase(), started_at=self._started_at, seconds=self.age(self._started))

    def _phase(self) -> str:
        if self._scope.cancelled:
            return "cancelled"
        if self._drained or self._switch.time_up:
            return "draining"
        return "paused" if self._switch.paused else "running"

    def _listen(self) -> None:
        from afterbay.live.answers import RunAnswers
        from afterbay.live.figures import graph_of
        from afterbay.live.listener import Listener
        from afterbay.live.taps import Taps

        plan = self.plan
        taps = Taps(self.telemetry, [item.name for item in plan.nodes], plan.sensitive, self._clock)
        answers = RunAnswers(plan.name, self, lambda: graph_of(plan), self.figures, taps, self._clock)
        self._listener = Listener.open(plan.state_dir, plan.name, answers, self._clock)
        self._leave(None)

    def _leave_figures(self) -> None:
        try:
            figures = self.figures()
        except Exception:  # a defect of what is for eyes only: told, but no reason for a run to have failed
            log.exception("the last figures of the run are not kept")
            return
        self._leave(figures)

    def _leave(self, figures: dict[str, Json] | None) -> None:
        """For whoever looks at the state when the run has ended, and at its graph if it did not come to that."""
        from afterbay.live.figures import graph_of
        from afterbay.live.last import leave

        failed = "\n".join(str(error) for error in self._scope.errors) or None
        leave(self.plan.state_dir, {"graph": graph_of(self.plan), "figures": figures, "failure": failed})

    def _start(self) -> None:
        self._state.start(self._assembly.ledgers, self._on_checkpoint, self._scope.fail)
        self._switch.start()
        self._listen()
        self._scope.start()
        self._supervisor.start()

    def _on_checkpoint(self, partition: str, point: ResumePoint) -> None:
        """The third commit (I2): called by the state's owner thread after the checkpoint row is durable."""
        self._assembly.sources[partition].acknowledge(point)
        for name, sink in self._assembly.sinks.items():
            if partition in self._assembly.wiring.reach[name]:
                sink.checkpoint(partition, point.commit_ts)

    def _supervise(self) -> None:
        """Both parts of a run's end are on the ladder: a store that is silent can hold up the closing, too (I9)."""
        try:
            if self._climb(self._scope.join):
                closing = threading.Thread(target=self._close, name=f"{self.plan.name}/closing", daemon=False)
                closing.start()
                self._climb(lambda seconds: _ended(closing, seconds))
            self._conclude(self.checkpoints() if self._at_close is None else self._at_close)
        finally:
            self._done.set()
            self._endings.ended()

    def _climb(self, join: Callable[[float], bool]) -> bool:
        """Waits for an end; at 3/4 of the ladder cancels what is left, at its top reports what is stuck: False."""
        while not join(0.25):
            now = self._clock.monotonic()
            if self._ladder_cancel is not None and now >= self._ladder_cancel:
                log.warning("draining took 3/4 of its time: cancelling what is left")
                self._ladder_cancel = None
                self._scope.cancel()
            if self._ladder is not None and now >= self._ladder:
                self._scope.fail(RunFailed("run.stuck", self._stuck(), hint="the state stays valid: run it again"))
                return False
        return True

    def _stuck(self) -> str:
        """The threads of this run that still live, with their stacks; the pools that nodes own are known by name.

        The state's is among them: a disk, or a source that is told what is stored, may hang there (I9).
        """
        names = (f"{self.plan.name}/closing", *(f"{node.name}/" for node in self.plan.nodes))
        frames = sys._current_frames()
        own = [thread for thread in threading.enumerate() if thread.name.startswith(names) and thread.ident in frames]
        own.append(self._state.thread)
        told = [self._scope.stuck(), *(stack_of(thread, frames) for thread in own)]
        return "\n".join(dict.fromkeys(text for text in told if text))

    def _close(self) -> None:
        if not self._scope.cancelled:
            self._attempt(self._state.flush)
            for sink in self._assembly.sinks.values():
                if not self._scope.cancelled:
                    self._attempt(sink.finish)
        self._at_close = self.checkpoints()
        for close in self._assembly.closers:
            self._attempt(close)
        self._leave_figures()
        if self._listener is not None:
            self._attempt(self._listener.close)  # before the next run may have the state, and a socket in it
        self._attempt(self._state.close)

    def _attempt(self, step: Any) -> None:
        """One closing step: its failure fails the run, but does not keep the others from closing."""
        try:
            step()
        except Cancelled:
            self._scope.cancel()  # something failed meanwhile, and has told so itself
        except Exception as error:
            self._scope.fail(error)

    def _conclude(self, checkpoints: Mapping[str, ResumePoint]) -> None:
        errors = self._scope.errors
        if len(errors) == 1:
            self._failure = errors[0]
        elif errors:
            self._failure = ExceptionGroup(f"pipeline '{self.plan.name}' failed", errors)
        if self._scope.cancelled:
            self._outcome = "cancelled"
        elif self._drained:
            self._outcome = "drained"
        elif self._switch.time_up:
            self._outcome = "time-up"
        self._report = RunReport.of(
            self.plan,
            self.telemetry,
            outcome=self._outcome,
            checkpoints=checkpoints,
            seconds=self._clock.monotonic() - self._started,
            rows_before=self._rows_before,
        )


def _rows_stored(plan: Plan, state: State) -> int | None:
    """What earlier runs have stored; None if there is a sink that keeps no count in the state."""
    totals = state.restart.totals
    sinks = [item.name for item, _ in plan.sinks]
    return sum(totals[name].rows for name in sinks) if all(name in totals for name in sinks) else None


def _ended(thread: threading.Thread, seconds: float) -> bool:
    thread.join(seconds)
    return not thread.is_alive()
