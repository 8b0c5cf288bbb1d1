"""A clock that a test turns by hand."""

from __future__ import annotations

import threading
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

    def advance(self, seconds: float) -> None:
        """Turns the clock and wakes everybody who waits, to look at it."""
        self._elapsed += seconds
        with self._lock:
            waiting, self._waiting = self._waiting, set()
        for condition in waiting:
            with condition:
                condition.notify_all()
