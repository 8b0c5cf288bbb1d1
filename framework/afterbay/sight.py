"""What can be seen of one node besides its totals, for whoever looks at the run (`afterbay top`, `ui`, `tap`).

It is written per batch, wait or file, never per row; what costs more than an addition is worked out by who looks.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from afterbay.clock import Clock

MOST_FLUSHES = 32
MOST_TABLES = 4096
"""Tables that are remembered: those that were written to last (I8)."""


class Waits:
    """How long threads have been in one place, summed over the threads, those that are there now included.

    Entered as a context, around a wait or a piece of work. Owns its lock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._inside = 0
        self._seconds = 0.0
        self._since = 0.0

    def __enter__(self) -> None:
        self._move(1)

    def __exit__(self, *_: object) -> None:
        self._move(-1)

    def seconds(self) -> float:
        """The sum until now."""
        with self._lock:
            return self._seconds + self._inside * (self._clock.monotonic() - self._since)

    def _move(self, by: int) -> None:
        with self._lock:
            now = self._clock.monotonic()
            self._seconds += self._inside * (now - self._since)
            self._inside += by
            self._since = now


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A flush that is durable. `commit_ts`, `ordinal`: its last change. `size` in bytes, `seconds` as a metric has it.

    `at` is when it became durable, `route` the table's route key.
    """

    at: datetime
    partition: str
    dispatcher: str
    table: str
    route: str
    version: int
    path: str
    reason: str
    rows: int
    size: int
    seconds: float
    commit_ts: int
    ordinal: int


@dataclass(slots=True)
class TableSeen:
    """What this run has stored of one table: the sums, and its last file."""

    rows: int
    files: int
    bytes: int
    last: StoredFile


@dataclass(frozen=True, slots=True)
class Failing:
    """An operation that failed and is tried again. `seconds`: for how long; `next_try`: seconds until then, or 0."""

    operation: str
    key: str
    reason: str
    seconds: float
    tries: int
    next_try: float


class Tap(Protocol):
    """Takes a look at what passes a node."""

    def passed(self, message: object) -> None:
        """A message passed. Quick; never raises; keeps no reference to it."""
        ...


class Sight:
    """The view of one node. Any thread; owns one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocked: list[Waits] = []
        self._at_work: tuple[int, Waits] | None = None
        self._reached: dict[str, int] = {}
        self._stored: dict[str, int] = {}
        self._flushes: deque[StoredFile] = deque(maxlen=MOST_FLUSHES)
        self._tables: OrderedDict[tuple[str, str], TableSeen] = OrderedDict()
        self._tables_seen = 0
        self._failing: Callable[[], Sequence[Failing]] = tuple
        self.tap: Tap | None = None  # set and cleared by who looks; read once a batch

    def blocks(self, waits: Waits) -> None:
        """The node's threads wait there for room downstream, for credit or at a barrier."""
        with self._lock:
            self._blocked.append(waits)

    def works(self, slots: int, at_work: Waits) -> None:
        """The node's work is done by up to `slots` threads of its own, which are then in `at_work`."""
        with self._lock:
            self._at_work = (slots, at_work)

    def watch_failing(self, failing: Callable[[], Sequence[Failing]]) -> None:
        """Registers what of the node's store is failing now."""
        with self._lock:
            self._failing = failing

    def reached(self, partition: str, commit_ts: int) -> None:
        """Messages of `partition` up to `commit_ts` came to rest here."""
        with self._lock:
            if commit_ts > self._reached.get(partition, -1):
                self._reached[partition] = commit_ts

    def stored(self, file: StoredFile) -> None:
        """A file is durable and committed."""
        key = (file.partition, file.dispatcher)
        with self._lock:
            self._flushes.append(file)
            self._stored[file.partition] = max(file.commit_ts, self._stored.get(file.partition, -1))
            seen = self._tables.get(key)
            if seen is None:
                self._tables_seen += 1
                seen = self._tables[key] = TableSeen(0, 0, 0, file)
            seen.rows += file.rows
            seen.files += 1
            seen.bytes += file.size
            seen.last = file
            self._tables.move_to_end(key)
            if len(self._tables) > MOST_TABLES:
                self._tables.popitem(last=False)

    def blocked_seconds(self) -> float:
        """How long the node's threads have been blocked, summed over the threads."""
        with self._lock:
            waits = list(self._blocked)
        return sum(item.seconds() for item in waits)

    def work(self) -> tuple[int, float] | None:
        """(slots, seconds at work summed over them), or None for a node whose work is in its own threads."""
        with self._lock:
            at_work = self._at_work
        return None if at_work is None else (at_work[0], at_work[1].seconds())

    def marks(self) -> dict[str, int]:
        """Per partition, the highest commit-ts that came to rest here."""
        with self._lock:
            return dict(self._reached)

    def stored_marks(self) -> dict[str, int]:
        """Per partition, the highest commit-ts that is in a durable file."""
        with self._lock:
            return dict(self._stored)

    def flushes(self) -> list[StoredFile]:
        """The last ones, oldest first."""
        with self._lock:
            return list(self._flushes)

    def tables(self, most: int) -> tuple[list[TableSeen], int]:
        """The `most` tables that were written to last, newest first, and how many there were in all."""
        with self._lock:
            found = [
                TableSeen(item.rows, item.files, item.bytes, item.last)
                for item, _ in zip(reversed(self._tables.values()), range(most), strict=False)
            ]
            return found, self._tables_seen

    def failing(self) -> Sequence[Failing]:
        """What of the node's store is failing now."""
        with self._lock:
            failing = self._failing
        return failing()
