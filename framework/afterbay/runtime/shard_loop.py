"""A sink shard's thread: feeds the shard operator, wakes it when something is due, and reports at barriers.

::

    loop: tick -> wait (message, due moment or wake) -> accept / schema change / drain -> arrive at gates that are due
    inbox ended and every drain done -> end
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from afterbay.messages import DrainMarker, DrainReason, SchemaChange, Watermark
from afterbay.node import ShardOperator
from afterbay.runtime.barrier import Barriers
from afterbay.runtime.channel import Channel, ChannelClosed
from afterbay.sight import Sight


@dataclass(frozen=True, slots=True)
class ShardLoop:
    """One shard of one sink."""

    sink: str
    shard: int
    channel: Channel
    operator: ShardOperator[Any]
    barriers: Barriers
    sight: Sight

    def run(self) -> None:
        """Until the inbox has ended. Raises `Cancelled`."""
        waiting: list[DrainMarker] = []
        try:
            while True:
                waiting = self._arrive(waiting)
                timeout = self.operator.tick()
                try:
                    envelopes = self.channel.get_many(timeout)
                except ChannelClosed:
                    # The source closes its outputs only after its last barrier, so nothing is waiting here any more.
                    assert not waiting, "the inbox ended under a barrier"
                    return
                for envelope in envelopes:
                    message = envelope.message
                    if isinstance(message, DrainMarker):
                        self.operator.drain(message.partition, close=message.reason is DrainReason.CLOSE)
                        waiting.append(message)
                    elif isinstance(message, SchemaChange):
                        assert envelope.token is not None
                        self.operator.schema_change(message, envelope.token)
                    elif not isinstance(message, Watermark):
                        assert envelope.token is not None
                        if (tap := self.sight.tap) is not None:
                            tap.passed(message)
                        self.operator.accept(message, envelope.token, envelope.credit)
        finally:
            self.operator.close()

    def _arrive(self, waiting: list[DrainMarker]) -> list[DrainMarker]:
        still: list[DrainMarker] = []
        for marker in waiting:
            if self.operator.drained(marker.partition):
                self.barriers.arrive(marker, self.sink, self.shard)
            else:
                still.append(marker)
        return still
