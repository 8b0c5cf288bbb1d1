"""A shard of the cloud storage sink: owns its lanes, knows when each is due, and never waits for the store (I9).

The residency of a table's oldest pending row is measured per table, by a heap of deadlines: no tick sweeps other
tables' fresh rows into small files.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Mapping

from afterbay.clock import Clock
from afterbay.credit import Credit
from afterbay.errors import Place, RunFailed
from afterbay.messages import SchemaChange, SpoolEntry
from afterbay.node import ShardOperator
from afterbay.positions import StoredPosition
from afterbay.runtime.ledger import Token
from afterbay.telemetry import FlushReason, NodeMeter
from afterbay_nodes.sinks.lane import Ddl, Lane, Limits
from afterbay_nodes.sinks.upload_pool import UploadPool

LaneKey = tuple[str, str]  # (partition, dispatcher)


class StorageShard(ShardOperator[SpoolEntry]):
    """All but `_touch` runs in the shard's own thread. Owns its lanes and its deadlines."""

    def __init__(
        self,
        *,
        limits: Limits,
        pool: UploadPool,
        positions: Mapping[LaneKey, StoredPosition],
        clock: Clock,
        meter: NodeMeter,
        pressed: Callable[[], bool],
        wake: Callable[[], None],
    ) -> None:
        self._limits = limits
        self._pool = pool
        self._positions = positions
        self._clock = clock
        self._meter = meter
        self._pressed = pressed
        self._wake = wake
        self._lanes: dict[LaneKey, Lane] = {}
        self._deadlines: list[tuple[float, int, Lane]] = []
        self._armed: set[Lane] = set()
        self._numbers = itertools.count()
        self._touched: deque[Lane] = deque()  # lanes whose job is over; filled by upload threads
        self._closing: set[str] = set()

    def accept(self, item: SpoolEntry, token: Token, credit: Credit | None) -> None:
        """Puts an entry at the end of its lane; what is stored already is released (I6)."""
        if credit is not None:
            credit.give_back()
        head = item.head
        key = (head.partition, head.dispatcher)
        stored = self._positions.get(key)
        if stored is not None and head.first <= stored.row:
            if head.last > stored.row:
                raise RunFailed(
                    "cloud_storage.straddle",
                    f"a batch from {head.first} to {head.last} reaches across the stored position {stored.row} (I6)",
                    place=Place(table=str(head.schema.name), position=str(head.first.commit_ts)),
                    hint="a transform before the sink joined batches: batches may be split or dropped, not joined",
                )
            item.release()
            token.settle()
            self._meter.repeated(head.rows)
            return
        now = self._clock.monotonic()
        lane = self._lane(key)
        lane.append(item, token, now)
        self._look(lane, now)

    def schema_change(self, change: SchemaChange, token: Token) -> None:
        """Puts a DDL at the end of its lane: it holds back that table's later batches, and nobody else's."""
        dispatcher = change.in_band_dispatcher
        assert dispatcher is not None, "graph-wide DDLs come inside a marker"
        now = self._clock.monotonic()
        lane = self._lane((change.partition, dispatcher))
        lane.append_ddl(change, token, now)
        self._look(lane, now)

    def drain(self, partition: str, close: bool) -> None:
        """See `ShardOperator.drain`."""
        if close:
            self._closing.add(partition)
        now = self._clock.monotonic()
        for key, lane in self._lanes.items():
            if key[0] == partition:
                lane.drain(FlushReason.CLOSE if close else FlushReason.BARRIER)
                self._look(lane, now)

    def drained(self, partition: str) -> bool:
        """See `ShardOperator.drained`."""
        return all(lane.empty() for key, lane in self._lanes.items() if key[0] == partition)

    def tick(self) -> float | None:
        """See `ShardOperator.tick`."""
        now = self._clock.monotonic()
        while self._touched:
            lane = self._touched.popleft()
            if lane.partition in self._closing:
                lane.drain(FlushReason.CLOSE)
            if not lane.forget_if_empty():
                self._look(lane, now)
            elif self._lanes.get((lane.partition, lane.dispatcher)) is lane:
                del self._lanes[lane.partition, lane.dispatcher]
        if self._pressed():
            for lane in self._lanes.values():
                self._look(lane, now)
        while self._deadlines and self._deadlines[0][0] <= now:
            lane = heapq.heappop(self._deadlines)[2]
            self._armed.discard(lane)
            self._look(lane, now)
        return max(0.0, self._deadlines[0][0] - now) if self._deadlines else None

    def close(self) -> None:
        """Unfinished transactions are dropped: their claims stay open, so they are replayed (I1)."""
        for lane in self._lanes.values():
            for left in lane.abandon():
                left.token.abandon()
                if not isinstance(left, Ddl):
                    left.entry.release()
        self._lanes.clear()

    def _lane(self, key: LaneKey) -> Lane:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(*key, self._limits)
        return lane

    def _look(self, lane: Lane, now: float) -> None:
        """Queues the lane if something is due, and arms its deadline."""
        due = lane.due(now, self._pressed())
        if due is not None:
            self._pool.enqueue(lane, due, self._touch)
        elif lane not in self._armed and (deadline := lane.deadline()) is not None:
            self._armed.add(lane)
            heapq.heappush(self._deadlines, (deadline, next(self._numbers), lane))

    def _touch(self, lane: Lane) -> None:
        """An upload thread is done with the lane."""
        self._touched.append(lane)
        self._wake()
