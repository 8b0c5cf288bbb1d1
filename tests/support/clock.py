"""Clocks that a test turns by hand."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta


class ManualClock:
    """Stands still until `advance`. Waits end when they are notified or when the time they wait for has come."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now
        self._elapsed = 0.0
        self._waiting: set[threading.Condition] = set()
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        return self._elapsed

    def now(self) -> datetime:
        return self._now + timedelta(seconds=self._elapsed)

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        if timeout is not None and timeout <= 0:
            return
        with self._lock:
            self._waiting.add(condition)
        condition.wait()

    def step(self, seconds: float) -> None:
        """Somebody corrects the wall clock, forwards or back: time goes on as before."""
        self._now += timedelta(seconds=seconds)

    def advance(self, seconds: float) -> None:
        """Turns the clock and wakes everybody who waits, to look at it."""
        self._elapsed += seconds
        with self._lock:
            waiting, self._waiting = self._waiting, set()
        for condition in waiting:
            with condition:
                condition.notify_all()


class SleepersClock(ManualClock):
    """For one thread that waits: `turn` waits until it does, so that it cannot miss the new time."""

    def __init__(self, now: datetime) -> None:
        super().__init__(now)
        self._asleep = threading.Condition(self._lock)

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        with self._asleep:
            self._waiting.add(condition)
            self._asleep.notify_all()
        condition.wait()
        with self._asleep:
            self._waiting.discard(condition)

    def turn(self, seconds: float, *, wall: float | None = None) -> None:
        """Turns the clock once the thread waits; `wall`: what the wall clock alone jumps by."""
        with self._asleep:
            assert self._asleep.wait_for(lambda: bool(self._waiting), 60), "nobody waits for the clock"
        self._now += timedelta(seconds=wall or 0)
        self.advance(seconds)


class LeapClock:
    """Real time, whose wall clock a test moves ahead. Waits are short, so that everybody soon sees it."""

    def __init__(self, now: datetime) -> None:
        self._ahead = now - datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        condition.wait(0.01 if timeout is None else min(timeout, 0.01))

    def leap(self, by: timedelta) -> None:
        """Moves the wall clock."""
        self._ahead += by
