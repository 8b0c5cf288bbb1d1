"""Threads that take turns as a seed says: the same seed gives the same interleaving, line by line.

The threads are real, and one of them runs at a time. Modules under test get a `threading` whose locks, conditions and
threads belong to the scheduler, so that it knows who can go on. Whoever runs hands over now and then: before a lock,
after it, at a wait or a notify, and at any line of these modules::

    with scheduled(ledger, barrier) as turns:
        turns.run(seed, main)      main may start threads: by the modules under test, or `turns.spawn`

If nobody can go on, the wait that ends first by its timeout ends, and the clock is then there. If none has a timeout,
`Stuck` tells who waits for what. An error of any thread ends the run, and is raised by it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from types import FrameType, ModuleType, TracebackType
from typing import Any

STEPS = 200_000
SECONDS = 60


class Stuck(AssertionError):
    """No thread can go on (I9)."""


class _Ended(BaseException):
    """The run is over for a thread that waits."""


@dataclass(eq=False)
class _Thread:
    name: str
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ready: Callable[[], bool] | None = None  # None: it can go on
    waits_for: str = ""
    until: float | None = None
    timed_out: bool = False
    done: bool = False
    real: threading.Thread | None = None


class Turns:
    """Who runs, and the time. Implements `afterbay.clock.Clock`. Owns every thread it starts."""

    def __init__(self, files: frozenset[str]) -> None:
        self._files = files
        self._mine = threading.local()
        self._now = 0.0
        self._begin(0)
        self.checks: list[Callable[[], None]] = []
        """Called whenever a thread hands over: must take no lock of a module under test."""

    def _begin(self, seed: int) -> None:
        self._random = Random(seed)
        # How often a thread hands over at a line: races want short turns, and long ones.
        self._restless = self._random.choice((0.02, 0.1, 0.5))
        self._threads: list[_Thread] = []
        self._finished = threading.Semaphore(0)
        self._error: BaseException | None = None
        self._ended = False
        self._steps = 0

    # -- for tests

    def run(self, seed: int, main: Callable[[], None]) -> None:
        """Runs `main` and every thread that it starts to their ends. Raises the first error of any."""
        self._begin(seed)
        self._start(_Thread("main"), main)
        self._threads[0].turn.release()
        assert self._finished.acquire(timeout=SECONDS), "the scheduler itself hangs"
        self._ended = True
        for thread in self._threads:
            thread.turn.release()
        for thread in list(self._threads):
            assert thread.real is not None
            thread.real.join(SECONDS)
        if self._error is not None:
            raise self._error

    def spawn(self, name: str, target: Callable[[], None]) -> ScheduledThread:
        """Starts a thread."""
        thread = ScheduledThread(self, target=target, name=name)
        thread.start()
        return thread

    def until(self, what: str, ready: Callable[[], bool]) -> None:
        """Waits for `ready`, which must take no lock."""
        self.hand_over(what, ready)

    # -- the clock

    def monotonic(self) -> float:
        return self._now

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._now)

    def wait(self, condition: Any, timeout: float | None) -> None:
        condition.wait(timeout)

    # -- for locks, conditions and threads

    def hand_over(
        self, waits_for: str = "", ready: Callable[[], bool] | None = None, until: float | None = None
    ) -> bool:
        """Lets another thread run, or this one. With `ready` this one waits for it; False if the time was up first."""
        me: _Thread | None = getattr(self._mine, "thread", None)
        if self._ended or me is None:
            self._give_up()
            return True
        me.ready, me.waits_for, me.until, me.timed_out = ready, waits_for, until, False
        self._look()
        self._pass_on(me)
        return not me.timed_out

    @property
    def current(self) -> _Thread | None:
        found: _Thread | None = getattr(self._mine, "thread", None)
        return found

    @property
    def ended(self) -> bool:
        return self._ended

    def _give_up(self) -> None:
        """Ends a thread of a run that is over, once: what it does on its way out is not in anybody's way."""
        if getattr(self._mine, "goes_on", False):
            self._mine.goes_on = False
            raise _Ended

    def _look(self) -> None:
        self._steps += 1
        try:
            assert self._steps < STEPS, "it goes on for ever"
            for check in self.checks:
                check()
        except BaseException as error:
            self._fail(error)

    def _pass_on(self, me: _Thread | None) -> None:
        following = self._choose()
        if following is None:
            return  # `_fail` has ended the run
        if following is not me:
            following.turn.release()
            if me is not None and not me.done:
                me.turn.acquire()
        if self._ended:
            self._give_up()

    def _choose(self) -> _Thread | None:
        left = [thread for thread in self._threads if not thread.done]
        able = [thread for thread in left if thread.ready is None or thread.ready()]
        timed = [thread for thread in left if thread.until is not None and thread not in able]
        if timed and (not able or self._random.random() < 0.02):
            first = min(timed, key=lambda thread: thread.until or 0.0)
            self._now = max(self._now, first.until or 0.0)
            first.timed_out = True
            able = [first]
        if able:
            chosen = self._random.choice(able)
            chosen.ready = chosen.until = None
            return chosen
        if left:
            self._fail(Stuck("; ".join(f"{thread.name} waits for {thread.waits_for}" for thread in left)))
        else:
            self._finished.release()
        return None

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        self._ended = True
        self._finished.release()
        for thread in self._threads:
            thread.turn.release()

    def _start(self, thread: _Thread, target: Callable[[], None]) -> None:
        def run() -> None:
            thread.turn.acquire()
            self._mine.thread, self._mine.goes_on = thread, True
            sys.settrace(self._trace)
            try:
                if not self._ended:
                    target()
            except _Ended:
                pass
            except BaseException as error:
                if not self._ended:
                    self._fail(error)
            finally:
                sys.settrace(None)
                thread.done = True
                if not self._ended:
                    self._pass_on(thread)

        self._threads.append(thread)
        thread.real = threading.Thread(target=run, name=thread.name, daemon=True)
        thread.real.start()

    def _trace(self, frame: FrameType, event: str, argument: object) -> Any:
        code = frame.f_code
        # A finalizer may run anywhere, in the midst of a handing over too.
        return self._at_line if code.co_filename in self._files and code.co_name != "__del__" else None

    def _at_line(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "line" and not self._ended and self._random.random() < self._restless:
            self.hand_over()
        return self._at_line


class ScheduledThread:
    """What a module under test takes for `threading.Thread`."""

    def __init__(
        self, turns: Turns, *, target: Callable[[], None], name: str = "thread", daemon: bool | None = None
    ) -> None:
        self._turns, self._target, self._thread = turns, target, _Thread(name)

    @property
    def name(self) -> str:
        return self._thread.name

    def start(self) -> None:
        self._turns._start(self._thread, self._target)
        self._turns.hand_over()

    def join(self, timeout: float | None = None) -> None:
        self._turns.hand_over(f"the end of {self.name}", lambda: self._thread.done)

    def is_alive(self) -> bool:
        return not self._thread.done


class ScheduledLock:
    """What a module under test takes for `threading.Lock`."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._owner: _Thread | None = None

    def acquire(self) -> bool:
        assert self._owner is None or self._owner is not self._turns.current or self._turns.ended, "it has it already"
        self._turns.hand_over("a lock", lambda: self._owner is None)
        self._owner = self._turns.current
        return True

    def release(self) -> None:
        assert self._owner is self._turns.current or self._turns.ended, "a lock is given back by another thread"
        self._owner = None
        self._turns.hand_over()

    def locked(self) -> bool:
        return self._owner is not None

    def __enter__(self) -> ScheduledLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class ScheduledCondition(ScheduledLock):
    """What a module under test takes for `threading.Condition`: a lock of its own, and those who wait."""

    def __init__(self, turns: Turns) -> None:
        super().__init__(turns)
        self._waiting: list[object] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert self._owner is self._turns.current or self._turns.ended, "it waits without the lock"
        ticket = object()
        self._waiting.append(ticket)
        self._owner = None
        until = None if timeout is None else self._turns.monotonic() + timeout
        told = self._turns.hand_over("a notification", lambda: ticket not in self._waiting, until)
        if ticket in self._waiting:
            self._waiting.remove(ticket)
        self._turns.hand_over("the lock of a notification", lambda: self._owner is None)
        self._owner = self._turns.current
        return told

    def notify(self, n: int = 1) -> None:
        assert self._owner is self._turns.current or self._turns.ended, "it notifies without the lock"
        del self._waiting[:n]
        self._turns.hand_over()

    def notify_all(self) -> None:
        self.notify(len(self._waiting))


class _Threading:
    """The `threading` of a module under test."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def Lock(self) -> ScheduledLock:
        return ScheduledLock(self._turns)

    def Condition(self) -> ScheduledCondition:
        return ScheduledCondition(self._turns)

    def Thread(self, **named: Any) -> ScheduledThread:
        return ScheduledThread(self._turns, **named)


@contextmanager
def scheduled(*modules: ModuleType) -> Iterator[Turns]:
    """For the length of the block `modules` make locks, conditions and threads that take turns."""
    turns = Turns(frozenset(str(module.__file__) for module in modules))
    plain = [(module, vars(module)["threading"]) for module in modules if "threading" in vars(module)]
    try:
        for module, _ in plain:
            setattr(module, "threading", _Threading(turns))  # noqa: B010
        yield turns
    finally:
        for module, threads in plain:
            setattr(module, "threading", threads)  # noqa: B010
