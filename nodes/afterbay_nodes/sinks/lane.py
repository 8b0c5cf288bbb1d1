"""A lane: one dispatcher's way through the sink, strictly first in, first out (I3, I4).

A lane is a queue of *stretches* (entries of one schema version) separated by DDLs. Only its head is worked on, one job
at a time, so a file that mixes two versions, a schema file ahead of its rows, or two files under way in one directory
cannot be written::

    idle --due--> queued (in the pool) --slot free--> busy --done--> idle or queued again
    [ stretch v1 | DDL at T | stretch v2 | ... ]   head: flush until empty, then the DDL, then the next stretch

What a flush takes is decided when a slot is free, not when it became due: under a slow store files grow instead of
queueing up. A lane owns its lock; the shard's thread appends, upload threads take.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

from afterbay.messages import BatchHead, SchemaChange, SpoolEntry
from afterbay.runtime.ledger import Token
from afterbay.telemetry import FlushReason


@dataclass(frozen=True, slots=True)
class Pending:
    """An entry that waits, with its claim and its time of arrival (monotonic seconds)."""

    entry: SpoolEntry
    token: Token
    since: float


@dataclass(slots=True)
class Stretch:
    """Entries of one schema version. `whole`, `whole_bytes`: the leading ones, up to the last transaction end."""

    version: int
    pending: deque[Pending] = field(default_factory=deque)
    nbytes: int = 0
    whole: int = 0
    whole_bytes: int = 0
    oversized: int = 0


@dataclass(frozen=True, slots=True)
class Ddl:
    """A DDL of this lane's table, behind the stretch before it."""

    change: SchemaChange
    token: Token
    since: float


@dataclass(frozen=True, slots=True)
class FlushJob:
    """Entries to become one file, with why and since when."""

    reason: FlushReason
    pending: tuple[Pending, ...]
    since: float

    @property
    def heads(self) -> tuple[BatchHead, ...]:
        """What is known of each entry."""
        return tuple(item.entry.head for item in self.pending)


@dataclass(frozen=True, slots=True)
class Due:
    """What a lane's head wants: a DDL (`reason` None) or a flush. `cuts`: only by cutting an unfinished transaction."""

    reason: FlushReason | None
    cuts: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """When a lane flushes. Bytes and seconds."""

    file_size: int
    interval: float
    transaction_limit: int


class Lane:
    """One dispatcher's queue. Owns its lock."""

    def __init__(self, partition: str, dispatcher: str, limits: Limits) -> None:
        self.partition = partition
        self.dispatcher = dispatcher
        self._limits = limits
        self._lock = threading.Lock()
        self._queue: deque[Stretch | Ddl] = deque()
        self._busy = False
        self._drain: FlushReason | None = None

    def append(self, entry: SpoolEntry, token: Token, now: float) -> None:
        """Takes an entry, behind everything before it."""
        head = entry.head
        with self._lock:
            last = self._queue[-1] if self._queue else None
            if not isinstance(last, Stretch) or last.version != head.schema.version:
                last = Stretch(head.schema.version)
                self._queue.append(last)
            last.pending.append(Pending(entry, token, now))
            last.nbytes += entry.nbytes
            last.oversized += entry.oversized
            if not head.open:
                last.whole, last.whole_bytes = len(last.pending), last.nbytes

    def append_ddl(self, change: SchemaChange, token: Token, now: float) -> None:
        """Takes a DDL, behind everything before it."""
        with self._lock:
            self._queue.append(Ddl(change, token, now))

    def drain(self, reason: FlushReason) -> None:
        """Everything that is here is to be flushed: `barrier`, or `close` (whole transactions only)."""
        with self._lock:
            if self._queue:
                self._drain = reason

    def due(self, now: float, pressed: bool) -> Due | None:
        """What should be done with the head now, if the lane is idle. `pressed`: the spool is over its high mark."""
        with self._lock:
            return None if self._busy else self._due(now, pressed)

    def deadline(self) -> float | None:
        """When the head's oldest entry reaches its longest residency (monotonic seconds); None: nothing waits."""
        with self._lock:
            head = self._queue[0] if self._queue else None
            if self._busy or not isinstance(head, Stretch) or not head.whole:
                return None
            return head.pending[0].since + self._limits.interval

    def weight(self) -> tuple[float, int]:
        """(arrival of the head's oldest entry, bytes in the head stretch), for the pool's order."""
        with self._lock:
            head = self._queue[0] if self._queue else None
            if isinstance(head, Ddl):
                return head.since, 0
            return (head.pending[0].since, head.nbytes) if head is not None and head.pending else (0.0, 0)

    def take(self, now: float, pressed: bool) -> FlushJob | Ddl | None:
        """Starts the job that is due now; the lane is busy until `done`. None: nothing is due any more."""
        with self._lock:
            due = None if self._busy else self._due(now, pressed)
            if due is None:
                return None
            self._busy = True
            head = self._queue[0]
            if isinstance(head, Ddl):
                self._queue.popleft()
                return head
            assert due.reason is not None
            taken = self._take(head, due)
            if not head.pending:
                self._queue.popleft()
            return FlushJob(due.reason, taken, now)

    def done(self) -> None:
        """The job is over: the lane is idle again."""
        with self._lock:
            self._busy = False
            if not self._queue:
                self._drain = None

    def empty(self) -> bool:
        """Nothing waits and nothing is under way; after a drain for close, what is left is unfinished."""
        with self._lock:
            if self._busy:
                return False
            if not self._queue:
                return True
            return self._drain is FlushReason.CLOSE and self._due(0.0, pressed=False) is None

    def forget_if_empty(self) -> bool:
        """True if nothing is left: its shard may forget the lane (only the shard's thread appends)."""
        with self._lock:
            return not self._busy and not self._queue

    def abandon(self) -> list[Pending | Ddl]:
        """Takes out what is left, for good (close)."""
        with self._lock:
            left: list[Pending | Ddl] = []
            for item in self._queue:
                left.extend([item] if isinstance(item, Ddl) else item.pending)
            self._queue.clear()
            return left

    def _due(self, now: float, pressed: bool) -> Due | None:
        if not self._queue:
            return None
        head = self._queue[0]
        if isinstance(head, Ddl):
            return Due(None)
        if len(self._queue) > 1 or self._drain is FlushReason.BARRIER:
            return Due(FlushReason.BARRIER)
        if head.oversized:
            return Due(FlushReason.OVERSIZED)
        if head.whole_bytes >= self._limits.file_size or head.nbytes >= self._limits.transaction_limit:
            return Due(FlushReason.SIZE)
        if self._drain is FlushReason.CLOSE:
            return Due(FlushReason.CLOSE) if head.whole else None
        if head.whole and now - head.pending[0].since >= self._limits.interval:
            return Due(FlushReason.INTERVAL)
        return Due(FlushReason.QUOTA, cuts=not head.whole) if pressed else None

    def _take(self, head: Stretch, due: Due) -> tuple[Pending, ...]:
        """The entries of one file: to the first transaction end at or past the file size, or to the last one here.

        Before a barrier and for an oversized entry everything goes: nothing of the old version can follow, and what
        cannot rest must leave. Else a transaction is cut only past the transaction limit, or if `due.cuts`.
        """
        everything = due.reason in (FlushReason.BARRIER, FlushReason.OVERSIZED)
        cuts = everything or due.cuts or head.nbytes - head.whole_bytes >= self._limits.transaction_limit
        most = len(head.pending) if cuts else head.whole
        taken: list[Pending] = []
        nbytes = 0
        while len(taken) < most:
            item = head.pending.popleft()
            taken.append(item)
            nbytes += item.entry.nbytes
            inside = item.entry.head.open and len(taken) < head.whole
            if nbytes >= self._limits.file_size and not inside:
                break
        head.nbytes -= nbytes
        head.whole = max(0, head.whole - len(taken))
        head.whole_bytes = max(0, head.whole_bytes - nbytes)
        head.oversized -= sum(item.entry.oversized for item in taken)
        return tuple(taken)
