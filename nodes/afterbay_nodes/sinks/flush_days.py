"""The days that flushes write to, and the day below which nobody ever will again.

A flush asks which day it writes to when it begins, and says when it is done. `close` shuts what lies below a day. Its
answer is a day below which no file is being written, nor ever will be: a flush under way writes to the day that it was
told, or later (a directory's date never goes back), and whoever comes after `close` is told a day that is open. So
what is below may be removed without looking at who writes, and no number of a removed directory is used again.

A flush that fails is never done: its intent is open, and its directory stays.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Closed:
    """Nobody writes below `day`. `highest`: by source partition, the last commit-ts that was stored until now."""

    day: str
    highest: Mapping[str, int]


class FlushDays:
    """Owns its lock. Days are date levels of one separator: they order as text, "" where there are none."""

    def __init__(self, closed_before: str, highest: Mapping[str, int]) -> None:
        """`closed_before`: the day up to which an earlier run has closed them. `highest`: see `Closed`."""
        self._lock = threading.Lock()
        self._floor = closed_before
        self._highest = dict(highest)
        self._open: Counter[str] = Counter()

    def begin(self, today: str) -> str:
        """A flush begins on `today`; the day that it writes to. Each `begin` needs a `done`, unless it fails."""
        with self._lock:
            day = max(today, self._floor)
            self._open[day] += 1
            return day

    def done(self, day: str, partition: str, commit_ts: int) -> None:
        """The flush that began on `day` is over; what is stored of `partition` reaches up to `commit_ts`."""
        with self._lock:
            self._highest[partition] = max(self._highest.get(partition, -1), commit_ts)
            self._open[day] -= 1
            if not self._open[day]:
                del self._open[day]

    def close(self, before: str) -> Closed:
        """From now on nobody begins below `before`."""
        with self._lock:
            self._floor = max(self._floor, before)
            return Closed(min([before, *self._open]), dict(self._highest))
