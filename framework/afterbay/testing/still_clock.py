"""A clock that stands still, so that two runs of a node have no moment to tell apart."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

_NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)


class StillClock:
    """A `Clock`: it is always the same moment."""

    def monotonic(self) -> float:
        """0."""
        return 0.0

    def now(self) -> datetime:
        """Always the same."""
        return _NOW

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        """Raises AssertionError: a transform does not wait."""
        raise AssertionError("a transform waits")
