"""What long work over a store shows: a line on stderr every few seconds, on a terminal as elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable

from afterbay.verbs import count, note

LINE_SECONDS = 2.0
"""How far lines are apart, as those of `afterbay run`."""


class ProgressLines:
    """Prints what is due. Used by one thread."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._began = self._shown = monotonic()
        self._rows = 0

    def show(self, rows: int, rest: str) -> None:
        """Work is at so many rows now (fewer than before: of other work). Called often; `rest` stands behind them."""
        now = self._monotonic()
        if rows < self._rows:
            self._rows = 0
        if now - self._shown < LINE_SECONDS:
            return
        rate = (rows - self._rows) / max(now - self._shown, 1e-9)
        minutes, seconds = divmod(int(now - self._began), 60)
        note(f"{minutes:02d}:{seconds:02d}  rows {count(rows)} ({count(round(rate))}/s)  {rest}")
        self._shown, self._rows = now, rows
