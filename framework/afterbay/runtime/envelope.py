"""What a channel carries: a message with its claims. User code sees the message only, so it cannot lose a token (I5).

`sequence` is the mint number: it rises along every edge for each source partition, whatever was filtered out, so
that a merge can put branches together in mint order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from afterbay.credit import Credit
from afterbay.messages import ChangeBatch, DrainMarker, EncodedBatch, SchemaChange, SpoolEntry, Watermark
from afterbay.runtime.ledger import Token

Message = ChangeBatch | EncodedBatch | SpoolEntry | SchemaChange | DrainMarker | Watermark

CONTROL_BYTES = 256


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message under way. Data and in-band DDL have a token; data has a credit until it is at rest.

    `final` says that no further envelope with this sequence follows on this edge.
    """

    partition: str
    sequence: int
    message: Message
    token: Token | None = None
    credit: Credit | None = None
    nbytes: int = CONTROL_BYTES
    final: bool = True

    def branches(self, count: int) -> tuple[Envelope, ...]:
        """This envelope for `count` outputs: every claim is counted up before any branch is forwarded (I5)."""
        if count == 1:
            return (self,)
        if self.credit is not None:
            self.credit.share(count - 1)
        if not isinstance(self.message, ChangeBatch | EncodedBatch | SchemaChange | DrainMarker | Watermark):
            self.message.share(count - 1)
        if self.token is None:
            return (self,) * count
        return tuple(replace(self, token=token) for token in self.token.split(count))


def watermark(partition: str, sequence: int) -> Envelope:
    """What a message that ended here leaves behind."""
    return Envelope(partition, sequence, Watermark(partition))


def last_commit_ts(message: Message) -> int | None:
    """The commit-ts of a data message's last change; None for control."""
    if isinstance(message, ChangeBatch):
        return message.last.commit_ts
    if isinstance(message, SchemaChange | DrainMarker | Watermark):
        return None
    return message.head.last.commit_ts


def rows_of(message: Message) -> int:
    """How many changes a data message holds; 0 for control."""
    if isinstance(message, ChangeBatch):
        return message.num_rows
    if isinstance(message, SchemaChange | DrainMarker | Watermark):
        return 0
    return message.head.rows
