r"""Graph-wide barriers: the source holds at its ticket, the marker travels, the ledger proves, the gate opens.

::

    ticket -> marker sent -> arrivals ... all in -> ledger: nothing outstanding below T -> schema written -> through
                                                 \-> something outstanding: alarm, the run fails (I1, I3)

The marker makes it quick, the ledger is the proof; a disagreement is a defect and is never waited out. Flushing before
a marker is gated by nothing but the store, so a barrier cannot deadlock with a full spool (I9).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from afterbay.clock import Clock
from afterbay.errors import Cancelled, Place, RunFailed
from afterbay.messages import DrainMarker, DrainReason, SchemaChange
from afterbay.runtime.ledger import Ledger

Shard = tuple[str, int]


@dataclass(slots=True)
class _Open:
    """A barrier under way. `changes`: what became of its DDL on the way to each sink (None: filtered out)."""

    marker: DrainMarker
    since: float
    waits_for: set[Shard]
    changes: dict[str, SchemaChange | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BarrierStatus:
    """An open barrier as people see it: its age in seconds, and whom it waits for."""

    partition: str
    commit_ts: int
    reason: str
    age: float
    waits_for: tuple[Shard, ...]


class Barriers:
    """All barriers of a run. Owns one condition; `shards` are the arrivals that each barrier expects."""

    def __init__(self, shards: Callable[[str], Collection[Shard]], clock: Clock) -> None:
        """`shards(partition)`: the sink shards that the partition's data can reach."""
        self._shards = shards
        self._clock = clock
        self._changed = threading.Condition()
        self._open: dict[int, _Open] = {}
        self._numbers = 0
        self._ticket_taken = False
        self._cancelled = False

    @contextmanager
    def ticket(self) -> Iterator[None]:
        """One graph-wide barrier at a time: waits for its turn. Raises `Cancelled`."""
        with self._changed:
            while self._ticket_taken and not self._cancelled:
                self._clock.wait(self._changed, None)
            if self._cancelled:
                raise Cancelled
            self._ticket_taken = True
        try:
            yield
        finally:
            with self._changed:
                self._ticket_taken = False
                self._changed.notify_all()

    def open(
        self, partition: str, commit_ts: int, reason: DrainReason, change: SchemaChange | None = None
    ) -> DrainMarker:
        """A new barrier; the caller holds the ticket and sends the marker to every output."""
        with self._changed:
            self._numbers += 1
            marker = DrainMarker(partition, self._numbers, commit_ts, reason, change)
            self._open[marker.barrier] = _Open(marker, self._clock.monotonic(), set(self._shards(partition)))
        return marker

    def arrive(self, marker: DrainMarker, sink: str, shard: int) -> None:
        """A shard has stored everything before the marker. `marker` is as it came in, its DDL as transformed.

        Raises `Cancelled`.
        """
        with self._changed:
            if self._cancelled:
                raise Cancelled  # the source has left its barrier
            barrier = self._open[marker.barrier]
            barrier.waits_for.discard((sink, shard))
            barrier.changes[sink] = marker.change
            if not barrier.waits_for:
                self._changed.notify_all()

    def wait(self, marker: DrainMarker, ledger: Ledger) -> dict[str, SchemaChange | None]:
        """Waits for all arrivals, then asks the ledger for the proof. Returns each sink's form of the DDL.

        Raises `Cancelled`, or RunFailed if marker and ledger disagree.
        """
        try:
            with self._changed:
                barrier = self._open[marker.barrier]
                while barrier.waits_for and not self._cancelled:
                    self._clock.wait(self._changed, None)
                if self._cancelled:
                    raise Cancelled
        finally:
            with self._changed:
                del self._open[marker.barrier]
        ledger.check()
        if marker.reason is not DrainReason.CLOSE and not ledger.settled_below(marker.commit_ts):
            raise RunFailed(
                "barrier.disagree",
                f"all shards passed the barrier at {marker.commit_ts}, but the ledger still counts a change at "
                f"{ledger.oldest()} as not stored (I3)",
                place=Place(position=f"{marker.partition}@{marker.commit_ts}"),
                hint="this is a defect of a node: it forwarded the marker before the data",
            )
        return barrier.changes

    def cancel(self) -> None:
        """Ends every wait with `Cancelled`."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    def status(self) -> tuple[BarrierStatus, ...]:
        """The open barriers now."""
        with self._changed:
            now = self._clock.monotonic()
            return tuple(
                BarrierStatus(
                    item.marker.partition,
                    item.marker.commit_ts,
                    item.marker.reason.value,
                    now - item.since,
                    tuple(sorted(item.waits_for)),
                )
                for item in self._open.values()
            )
