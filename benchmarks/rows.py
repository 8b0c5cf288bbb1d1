"""The benchmarks' input: sysbench-like rows, made once with Arrow kernels, then mapped from files.

Two files. `content.arrow` holds what rows say, in batches of 4 000: `op`, the after-images, and the before-images of
updates (null elsewhere). `order-….arrow` holds where they stand for one :class:`Shape`: `commit_ts` and `ordinal`.
A shape cuts the content into table batches without a copy, so that every benchmark reads the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.schema import Column, TableName, TableSchema

CONTENT_BATCH = 4000
FIRST_TS = 1000  # the version of every table; commits are above it
SCHEMA = "bench"
COLUMNS = (
    Column("id", "int", nullable=False, primary_key=True),
    Column("k", "int", nullable=False),
    Column("c", "varchar", length=120, nullable=False),
    Column("pad", "varchar", length=60, nullable=False),
)
ROW_SCHEMA = pa.schema([pa.field(column.name, column.arrow_type) for column in COLUMNS])
CONTENT_SCHEMA = pa.schema(
    [pa.field("op", pa.uint8()), *ROW_SCHEMA, *(pa.field(f"before_{field.name}", field.type) for field in ROW_SCHEMA)]
)
ORDER_SCHEMA = pa.schema([pa.field("commit_ts", pa.uint64()), pa.field("ordinal", pa.uint32())])


@dataclass(frozen=True, slots=True)
class Shape:
    """How `rows` rows are spread: round-robin over `tables`, `batch` rows at a time, `transaction` rows a commit.

    Commits interleave: in one round each table's n-th transaction has a commit-ts next to the others' n-th.
    `batch` divides 4 000, `transaction` divides `batch`.
    """

    rows: int
    tables: int = 8
    batch: int = 4000
    transaction: int = 100

    @property
    def name(self) -> str:
        return f"{self.rows}-{self.tables}-{self.batch}-{self.transaction}"

    @property
    def batches(self) -> int:
        return -(-self.rows // self.batch)

    def last_ts(self, batch: int) -> int:
        """The highest commit-ts of the round that `batch` is in."""
        return FIRST_TS + (batch // self.tables + 1) * (self.batch // self.transaction) * self.tables


@dataclass(frozen=True, slots=True)
class TableBatch:
    """One batch as a source would give it. `before` has a value where `ops` is UPDATE."""

    number: int
    table: int
    ops: pa.Array
    rows: pa.RecordBatch
    before: pa.RecordBatch
    commit_ts: pa.Array
    ordinals: pa.Array


@dataclass(frozen=True)
class Mapped:
    """The two files, mapped. Owns the maps; batches borrow from them."""

    content: Path
    order: Path
    shape: Shape

    @cached_property
    def _readers(self) -> tuple[pa.RecordBatchFileReader, pa.RecordBatchFileReader]:
        return pa.ipc.open_file(pa.memory_map(str(self.content))), pa.ipc.open_file(pa.memory_map(str(self.order)))

    def batches(self, start: int = 0) -> Iterator[TableBatch]:
        """The table batches from number `start` on."""
        content, order = self._readers
        a_batch, held, number_held = self.shape.batch, pa.record_batch([], []), -1
        for number in range(start, self.shape.batches):
            row = number * a_batch
            if row // CONTENT_BATCH != number_held:
                number_held = row // CONTENT_BATCH
                held, stamps = content.get_batch(number_held), order.get_batch(number_held)
            part = held.slice(row % CONTENT_BATCH, a_batch)
            stamp = stamps.slice(row % CONTENT_BATCH, a_batch)
            width = len(ROW_SCHEMA)
            yield TableBatch(
                number,
                number % self.shape.tables,
                part.column(0),
                pa.RecordBatch.from_arrays(part.columns[1 : 1 + width], schema=ROW_SCHEMA),
                pa.RecordBatch.from_arrays(part.columns[1 + width :], schema=ROW_SCHEMA),
                stamp.column(0),
                stamp.column(1),
            )


def table_schema(number: int) -> TableSchema:
    """Table `number` of the benchmark."""
    return TableSchema(TableName(SCHEMA, f"t{number:05d}"), FIRST_TS, COLUMNS)


def prepare(folder: Path, shape: Shape) -> Mapped:
    """The mapped input for `shape`, made in `folder` on the first call."""
    folder.mkdir(parents=True, exist_ok=True)
    content = folder / f"content-{-(-shape.rows // CONTENT_BATCH) * CONTENT_BATCH}.arrow"
    order = folder / f"order-{shape.name}.arrow"
    if not content.exists():
        _write(content, CONTENT_SCHEMA, _content(shape.rows))
    if not order.exists():
        _write(order, ORDER_SCHEMA, _order(shape))
    return Mapped(content, order, shape)


def _write(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    unfinished = path.with_suffix(".tmp")
    with pa.OSFile(str(unfinished), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    unfinished.rename(path)


def _content(rows: int) -> Iterator[pa.RecordBatch]:
    for start in range(0, rows, CONTENT_BATCH):
        n, seed = CONTENT_BATCH, start * 40
        dice = pc.random(n, initializer=seed)
        op = pc.if_else(pc.less(dice, 0.5), 0, pc.if_else(pc.less(dice, 0.85), 1, 2)).cast(pa.uint8())
        image = [
            pc.add(_count(n), start).cast(pa.int32()),
            _number(n, seed + 1, 2_000_000).cast(pa.int32()),
            _digits(n, seed + 2, 10),
            _digits(n, seed + 12, 5),
        ]
        updated = pc.equal(op, 1)
        before = [
            pc.if_else(updated, column, pa.scalar(None, column.type))
            for column in (image[0], pc.add(image[1], 1), image[2], image[3])
        ]
        yield pa.RecordBatch.from_arrays([op, *image, *before], schema=CONTENT_SCHEMA)


def _order(shape: Shape) -> Iterator[pa.RecordBatch]:
    commits = shape.batch // shape.transaction
    for start in range(0, shape.rows, CONTENT_BATCH):
        row = pc.add(_count(CONTENT_BATCH), start)
        batch, in_batch = pc.divide(row, shape.batch), _modulo(row, shape.batch)
        commit = pc.add(pc.multiply(pc.divide(batch, shape.tables), commits), pc.divide(in_batch, shape.transaction))
        commit_ts = pc.add(pc.add(pc.multiply(commit, shape.tables), _modulo(batch, shape.tables)), FIRST_TS + 1)
        ordinal = _modulo(in_batch, shape.transaction)
        yield pa.RecordBatch.from_arrays([commit_ts.cast(pa.uint64()), ordinal.cast(pa.uint32())], schema=ORDER_SCHEMA)


def _count(n: int) -> pa.Array:
    return pa.array(range(n), pa.int64())


def _modulo(values: pa.Array, by: int) -> pa.Array:
    return pc.subtract(values, pc.multiply(pc.divide(values, by), by))


def _number(n: int, seed: int, below: int) -> pa.Array:
    return pc.floor(pc.multiply(pc.random(n, initializer=seed), float(below))).cast(pa.int64())


def _digits(n: int, seed: int, groups: int) -> pa.Array:
    """`groups` groups of eleven digits, joined by dashes: sysbench's `c` (10) and `pad` (5)."""
    parts = [
        pc.utf8_lpad(_number(n, seed + index, 10**11).cast(pa.string()), 11, padding="0") for index in range(groups)
    ]
    return pc.binary_join_element_wise(*parts, "-")
