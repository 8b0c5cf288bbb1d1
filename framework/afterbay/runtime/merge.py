"""The merge: several inputs become one, in mint order for each source partition.

Every edge carries a rising sequence per partition (a dropped message leaves a watermark), so the next envelope of a
partition is the one with the lowest sequence over all inputs that the partition reaches; equal sequences go in input
order. An input that has nothing to show yet holds the others back until its next sequence is known.

The inputs' channels are unbounded: they are bounded by the source's credit. With bounded ones two partitions could
block each other crosswise, each waiting behind the other's full channel (I9); so that cannot be written here.

A drain marker is forwarded once, when it has come in on every input its source reaches; an input that has ended
counts as arrived. The same DDL coming over two branches is forwarded once, its further tokens are settled.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from afterbay.clock import Clock
from afterbay.errors import Cancelled
from afterbay.messages import DrainMarker, SchemaChange
from afterbay.runtime.channel import Channel, ChannelClosed
from afterbay.runtime.envelope import Envelope

_FOREVER = 1 << 63


class MergeInbox:
    """Reads several channels under one condition, which it owns. Used by one thread."""

    def __init__(
        self,
        channels: Sequence[Channel],
        reach: Mapping[str, Sequence[int]],
        condition: threading.Condition,
        clock: Clock,
    ) -> None:
        """`reach`: partition -> the indices of the inputs that it reaches."""
        self._channels = channels
        self._reach = reach
        self._condition = condition
        self._clock = clock
        # What is known of the next sequence of (input, partition) once its queue shows none.
        self._floor: dict[tuple[int, str], int] = {}
        self._last_schema_change: dict[str, tuple[int, SchemaChange]] = {}

    def get_many(self, timeout: float | None = None, most: int = 64) -> list[Envelope]:
        """Up to `most` envelopes in order; an empty list after `timeout` seconds."""
        with self._condition:
            deadline = None if timeout is None else self._clock.monotonic() + timeout
            while True:
                if any(channel.cancelled for channel in self._channels):
                    raise Cancelled
                out: list[Envelope] = []
                while len(out) < most and (envelope := self._next()) is not None:
                    out.append(envelope)
                if out:
                    return out
                if all(channel.ended_held for channel in self._channels):
                    raise ChannelClosed
                left = None if deadline is None else deadline - self._clock.monotonic()
                if left is not None and left <= 0:
                    return []
                # Counted as a reader, so that `put` notifies.
                for channel in self._channels:
                    channel.expect_held(1)
                self._clock.wait(self._condition, left)
                for channel in self._channels:
                    channel.expect_held(-1)

    def waiting(self) -> int:
        """How many envelopes are in the inputs, whether their turn has come or not."""
        return sum(channel.waiting() for channel in self._channels)

    def _next(self) -> Envelope | None:
        for index, channel in enumerate(self._channels):
            queue = channel.held()
            while queue and self._is_lowest(index, queue[0]):
                head = channel.pop_held()
                self._floor[index, head.partition] = head.sequence + (1 if head.final else 0)
                if not self._is_copy(index, head):
                    return head
        return None

    def _is_lowest(self, index: int, head: Envelope) -> bool:
        mine = (head.sequence, index)
        return all(
            mine < (self._next_sequence(other, head.partition), other)
            for other in self._reach[head.partition]
            if other != index
        )

    def _next_sequence(self, index: int, partition: str) -> int:
        channel = self._channels[index]
        for envelope in channel.held():
            if envelope.partition == partition:
                return envelope.sequence
        if channel.ended_held:
            return _FOREVER
        return self._floor.get((index, partition), 0)

    def _is_copy(self, index: int, envelope: Envelope) -> bool:
        """True for a marker that is still to come on another input, and for a DDL that came already."""
        message = envelope.message
        if isinstance(message, DrainMarker):
            return any(
                other != index and self._next_sequence(other, envelope.partition) <= envelope.sequence
                for other in self._reach[envelope.partition]
            )
        if isinstance(message, SchemaChange):
            before = self._last_schema_change.get(envelope.partition)
            self._last_schema_change[envelope.partition] = (envelope.sequence, message)
            if before == (envelope.sequence, message):
                if envelope.token is not None:
                    envelope.token.settle()
                return True
        return False
