"""How full a spool is, as a sink behind it asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Pressure(Protocol):
    """What a sink asks of the spool before it."""

    @property
    def quota(self) -> int:
        """Bytes that the spool may hold, memory and disk together."""
        ...

    def over(self) -> bool:
        """True from the high watermark on until the low one: pending batches should be flushed (reason quota)."""
        ...

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Calls `wake()` (quick, any thread) each time `over` turns true and each time an entry waits for room."""
        ...
