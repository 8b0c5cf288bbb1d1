"""Waiting for something that another process does."""

from __future__ import annotations

import time
from collections.abc import Callable

DEADLINE = 60


def until(holds: Callable[[], object], seconds: float = DEADLINE) -> None:
    """Looks again and again, with a deadline."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
