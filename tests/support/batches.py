"""Change batches from plain Python values, and the bytes that a node makes of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from afterbay.messages import ChangeBatch, EncodedBatch, Op
from afterbay.node import Transform, TransformContext, TransformOperator
from afterbay.schema import Column, TableName, TableSchema
from afterbay.telemetry import Telemetry

COMMIT_TS = 435661838416609281
NOW_MS = 1_772_366_400_123

Row = Sequence[Any] | None


@dataclass(frozen=True)
class FixedClock:
    """It is always `NOW_MS`."""

    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(NOW_MS / 1000, UTC)

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        raise AssertionError("an encoder does not wait")


def table(*columns: Column, name: str = "test.table1", version: int = 1) -> TableSchema:
    """A table of `columns`."""
    schema, _, bare = name.partition(".")
    return TableSchema(TableName(schema, bare), version, columns)


def image(schema: TableSchema, rows: Sequence[Row]) -> pa.RecordBatch:
    """`rows` as Arrow columns; None is a row of nulls."""
    columns = [
        pa.array([None if row is None else row[index] for row in rows], column.arrow_type)
        for index, column in enumerate(schema.stored_columns)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema.arrow_schema)


def batch(
    schema: TableSchema,
    rows: Sequence[Row],
    *,
    ops: Sequence[Op] | None = None,
    before: Sequence[Row] | None = None,
    commit_ts: Sequence[int] | None = None,
    commit_ms: Sequence[int] | None = None,
    dispatcher: str = "d1",
) -> ChangeBatch:
    """A batch of `rows`: inserts at one commit-ts unless said otherwise."""
    n = len(rows)
    return ChangeBatch.of(
        partition="log",
        dispatcher=dispatcher,
        schema=schema,
        rows=image(schema, rows),
        ops=pa.array([Op.INSERT] * n if ops is None else ops, pa.uint8()),
        commit_ts=pa.array([COMMIT_TS] * n if commit_ts is None else commit_ts, pa.uint64()),
        ordinals=pa.array(range(n), pa.uint32()),
        before=None if before is None else image(schema, before),
        commit_ms=None if commit_ms is None else pa.array(commit_ms, pa.int64()),
    )


def operator(node: Transform[Any, Any]) -> TransformOperator[Any, Any]:
    """`node`, opened under the name `under_test`."""
    meter = Telemetry("test").node("under_test")
    return node.open(TransformContext("under_test", 0, Path("unused"), FixedClock(), meter))


def encode(node: Transform[ChangeBatch, EncodedBatch], changes: ChangeBatch) -> bytes:
    """The body that `node` makes of `changes`."""
    made = operator(node).process(changes)
    assert isinstance(made, EncodedBatch)
    return b"".join(buffer.to_pybytes() for buffer in made.body)
