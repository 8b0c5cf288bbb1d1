"""`blackhole`: takes everything and stores nothing. For measuring what is before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from afterbay.credit import Credit
from afterbay.messages import ChangeBatch, EncodedBatch, SchemaChange, SpoolEntry
from afterbay.node import Capabilities, ShardOperator, Sink, SinkContext, SinkOperator
from afterbay.runtime.ledger import Token
from afterbay.telemetry import NodeMeter


class Blackhole(Sink[Any]):
    """Takes changes, encoded batches or spool entries, counts them, and lets them go.

    What it has taken counts as stored, so the checkpoint moves on: never use it where the data is wanted.
    """

    type_name: ClassVar[str] = "blackhole"
    summary: ClassVar[str] = "takes everything and stores nothing"
    capabilities: ClassVar[Capabilities] = Capabilities(settles=True)

    def open(self, context: SinkContext) -> SinkOperator[Any]:
        return _Hole(context.meter)


class _Hole(SinkOperator[Any]):
    def __init__(self, meter: NodeMeter) -> None:
        self._meter = meter

    def open_shard(self, index: int, wake: Callable[[], None]) -> ShardOperator[Any]:
        return _HoleShard(self._meter)

    def write_schema(self, change: SchemaChange) -> None:
        """Nothing to make visible."""


class _HoleShard(ShardOperator[Any]):
    def __init__(self, meter: NodeMeter) -> None:
        self._meter = meter

    def accept(self, item: ChangeBatch | EncodedBatch | SpoolEntry, token: Token, credit: Credit | None) -> None:
        rows = item.num_rows if isinstance(item, ChangeBatch) else item.head.rows
        self._meter.passed(rows, item.nbytes)
        if not isinstance(item, ChangeBatch | EncodedBatch):
            item.release()
        if credit is not None:
            credit.give_back()
        token.settle()

    def schema_change(self, change: SchemaChange, token: Token) -> None:
        self._meter.drained("table", 0.0)
        token.settle()

    def drain(self, partition: str, close: bool) -> None:
        """Nothing waits here."""

    def drained(self, partition: str) -> bool:
        return True

    def tick(self) -> float | None:
        return None
