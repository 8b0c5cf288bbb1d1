"""The scope of threads: the first failure cancels all, all are joined, and every error is told with its place.

::

    running --first failure / cancel()--> cancelling --all threads ended--> ended
    running --all threads ended--------------------------------------------> ended

Threads are named and non-daemon: none outlives the run unseen. A stuck one is named, with its stack, in a report (I9).
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from types import FrameType

from afterbay.clock import Clock
from afterbay.errors import AfterbayError, Cancelled, Place, RunFailed


class Scope:
    """Owns the threads of a run and the list of what to cancel."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._alive: set[str] = set()
        self._cancels: list[Callable[[], None]] = []
        self._errors: list[Exception] = []
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        """True once the scope is ending before its time."""
        return self._cancelled

    @property
    def errors(self) -> tuple[Exception, ...]:
        """What failed, first failure first."""
        with self._changed:
            return tuple(self._errors)

    def on_cancel(self, cancel: Callable[[], None]) -> None:
        """Registers what to call when the scope is cancelled: quick, idempotent, must not raise."""
        with self._changed:
            self._cancels.append(cancel)
            now = self._cancelled
        if now:
            cancel()

    def add(self, name: str, body: Callable[[], None], place: Place | None = None) -> None:
        """A thread that `start` will start. A failure of `body` ends the scope; `place` says where it was."""

        def run() -> None:
            try:
                body()
            except Cancelled:
                pass  # the scope is ending; whoever cancelled it knows why
            except (
                BaseException
            ) as error:  # a SystemExit, too: a thread that ends silently would leave the run hanging (I9)
                self.fail(located(error, place or Place(node=name)))
            finally:
                with self._changed:
                    self._alive.discard(name)
                    self._changed.notify_all()

        self._threads.append(threading.Thread(target=run, name=name, daemon=False))

    def start(self) -> None:
        """Starts all threads."""
        self._alive = {thread.name for thread in self._threads}
        for thread in self._threads:
            thread.start()

    def fail(self, error: BaseException) -> None:
        """Any thread: the run is over, with this error."""
        told = error if isinstance(error, Exception) else located(error, Place())
        with self._changed:
            self._errors.append(told)
        self.cancel()

    def cancel(self) -> None:
        """Ends every wait in the scope with `Cancelled`. Any thread, any number of times."""
        with self._changed:
            if self._cancelled:
                return
            self._cancelled = True
            cancels = list(self._cancels)
        for cancel in cancels:
            cancel()

    def join(self, timeout: float | None) -> bool:
        """Waits until every thread has ended; False after `timeout` seconds."""
        deadline = None if timeout is None else self._clock.monotonic() + timeout
        with self._changed:
            while self._alive:
                left = None if deadline is None else deadline - self._clock.monotonic()
                if left is not None and left <= 0:
                    return False
                # Bounded, so that the main thread keeps taking signals.
                self._clock.wait(self._changed, 0.5 if left is None else min(left, 0.5))
        for thread in self._threads:
            thread.join()
        return True

    def stuck(self) -> str:
        """The threads that still live, each with its stack."""
        with self._changed:
            alive = set(self._alive)
        frames = sys._current_frames()
        return "\n".join(stack_of(thread, frames) for thread in self._threads if thread.name in alive)


def stack_of(thread: threading.Thread, frames: Mapping[int, FrameType]) -> str:
    """What a thread that has not ended is doing; "" if it has ended meanwhile."""
    if thread.ident is None or thread.ident not in frames:
        return ""
    return f"thread {thread.name!r} has not ended:\n{''.join(traceback.format_stack(frames[thread.ident]))}"


def located(error: BaseException, place: Place) -> Exception:
    """An error that says where: ours gets the place it lacks, a stranger is wrapped and chained."""
    if isinstance(error, AfterbayError):
        if error.place is None or (error.place.node is None and error.place.file is None):
            error.add_note(f"in {place}")
        return error
    failed = RunFailed("node.failed", f"{type(error).__name__}: {error}", place=place)
    failed.__cause__ = error
    return failed
