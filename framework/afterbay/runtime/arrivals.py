"""When what the durable checkpoint does not cover was received: how old the oldest of it is, is the checkpoint's lag.

::

    came(t=12) came(t=9) came(t=14) ...            oldest(checkpoint=12): the first in arrival order that is above 12
        |          |         |
    [ (12, 0.00 s) (9: joins it, a moment later) (14, 0.31 s) ]   rising in time; commit-ts need not rise
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

RESOLUTION = 0.01
"""Seconds: what comes together within them counts as one arrival."""

MOST_ARRIVALS = 4096


@dataclass(slots=True)
class _Arrival:
    commit_ts: int  # the highest of what came together
    at: float  # when the first of it came, monotonic seconds


class Arrivals:
    """What one source partition sent and the checkpoint does not cover. Owns one lock; O(1) a batch, amortised.

    Bounded (I8): beyond `MOST_ARRIVALS` neighbours join, which keeps the oldest's time exact and only delays the moment
    from which the next one counts as the oldest.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[_Arrival] = deque()
        self._newest: int | None = None

    def came(self, commit_ts: int, now: float) -> None:
        """A batch whose last row is at `commit_ts`, or a DDL at it, was received at `now` (monotonic seconds)."""
        with self._lock:
            self._newest = commit_ts if self._newest is None else max(commit_ts, self._newest)
            newest = self._waiting[-1] if self._waiting else None
            if newest is not None and now - newest.at < RESOLUTION:
                newest.commit_ts = max(newest.commit_ts, commit_ts)
                return
            self._waiting.append(_Arrival(commit_ts, now))
            if len(self._waiting) > MOST_ARRIVALS:
                self._halve()

    def oldest(self, checkpoint: int) -> float | None:
        """When the oldest change above the durable `checkpoint` came; None if all that came is covered."""
        with self._lock:
            while self._waiting and self._waiting[0].commit_ts <= checkpoint:
                self._waiting.popleft()
            return self._waiting[0].at if self._waiting else None

    def newest(self) -> int | None:
        """The highest commit-ts that came, or None."""
        with self._lock:
            return self._newest

    def first_above(self, commit_ts: int) -> float | None:
        """As `oldest`, for a position that is not the checkpoint: forgets nothing. O(arrivals that wait)."""
        with self._lock:
            return next((item.at for item in self._waiting if item.commit_ts > commit_ts), None)

    def _halve(self) -> None:
        joined: deque[_Arrival] = deque()
        while self._waiting:
            first = self._waiting.popleft()
            if self._waiting:
                first.commit_ts = max(first.commit_ts, self._waiting.popleft().commit_ts)
            joined.append(first)
        self._waiting = joined
