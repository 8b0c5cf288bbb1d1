"""Time comes in through a protocol, so that tests and the simulator own it."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The three questions the framework asks about time."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back; only differences mean anything."""
        ...

    def now(self) -> datetime:
        """The wall time, with a time zone."""
        ...

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        """Waits on a held `condition` until it is notified or `timeout` seconds of this clock have passed."""
        ...


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        condition.wait(timeout)
