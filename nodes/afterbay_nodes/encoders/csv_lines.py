"""Rows become CSV lines, in one of two ways that give the same bytes.

Arrow's own writer is three times as fast, and fits the usual options; the joiner writes every option by kernels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from afterbay.messages import ChangeBatch, Op
from afterbay.schema import TableName
from afterbay_nodes.encoders.csv_dialect import CsvDialect
from afterbay_nodes.encoders.csv_table import OP_LETTERS, CsvTable
from afterbay_nodes.encoders.float_text import go_text
from afterbay_nodes.encoders.joining import Piece, body_of, chosen, joined, text_of

# The writer cuts its input into blocks; fewer are quicker, but it counts rows times columns of a block in 32 bits.
_BLOCK_ROWS = 8192

_LETTERS = bytes.maketrans(bytes(sorted(Op)), "".join(OP_LETTERS.to_pylist()).encode())


@dataclass(frozen=True, slots=True)
class CsvRows:
    """The lines to write, in columns: `ops` uint8, the optional leading columns, and the table's own values."""

    ops: pa.Array
    commit_ts: pa.Array | None
    is_update: pa.Array | None
    columns: tuple[pa.Array, ...]


def op_letters(ops: pa.Array) -> pa.Array:
    """The operations' letters. By hand, not by a kernel: a kernel call hands the GIL over twice, and costs more."""
    n = len(ops)
    return _strings(ops.buffers()[1].slice(ops.offset, n).to_pybytes().translate(_LETTERS), 1, n)


def repeated(text: str, n: int) -> pa.Array:
    """`text` n times."""
    data = text.encode()
    return _strings(data * n, len(data), n)


def _strings(data: bytes, width: int, n: int) -> pa.Array:
    """`n` strings of `width` bytes each, which stand in `data`."""
    return pa.StringArray.from_buffers(n, _offsets(width, 1 << max(12, n.bit_length())), pa.py_buffer(data))


@lru_cache(maxsize=64)
def _offsets(width: int, n: int) -> pa.Buffer:
    """The offsets of up to `n` strings of `width` bytes each: kept, for they are the same for every batch."""
    return pc.multiply(pa.arange(0, n + 1), width).cast(pa.int32()).buffers()[1]


def arrow_writer(dialect: CsvDialect) -> arrow_csv.WriteOptions:
    """The writer's options for a dialect that suits it."""
    return arrow_csv.WriteOptions(
        include_header=False,
        batch_size=_BLOCK_ROWS,
        delimiter=dialect.delimiter,
        null_string=dialect.null,
        eol=dialect.terminator,
        quoting_style="needed",
    )


def written(rows: CsvRows, name: TableName, options: arrow_csv.WriteOptions) -> pa.Buffer:
    """The lines by Arrow's writer, which quotes all text."""
    n = len(rows.ops)
    arrays = [op_letters(rows.ops), repeated(name.table, n), repeated(name.schema, n)]
    arrays += [column for column in (rows.commit_ts, rows.is_update) if column is not None]
    arrays += rows.columns
    out = pa.BufferOutputStream()
    batch = pa.RecordBatch.from_arrays(arrays, names=[""] * len(arrays))
    arrow_csv.write_csv(batch, out, options)
    return out.getvalue()


def joined_lines(rows: CsvRows, table: CsvTable, dialect: CsvDialect) -> pa.Buffer:
    """The lines by kernels: any dialect, any float."""
    delimiter = dialect.delimiter.encode()
    pieces: list[Piece] = [table.prefixes.take(rows.ops)]
    if rows.commit_ts is not None:
        pieces += [delimiter, text_of(rows.commit_ts)]
    if rows.is_update is not None:
        pieces += [delimiter, chosen(rows.is_update, b"true", b"false")]
    for column in rows.columns:
        pieces += [delimiter, *_field(column, dialect)]
    return body_of(joined([*pieces, dialect.terminator.encode()], len(rows.ops)))


def _field(column: pa.Array, dialect: CsvDialect) -> list[Piece]:
    if pa.types.is_floating(column.type):
        return [dialect.or_null(text_of(go_text(column)))]
    if pa.types.is_integer(column.type):
        return [dialect.or_null(text_of(column))]
    return dialect.quoted(column)


def with_old_values(batch: ChangeBatch, before: pa.RecordBatch, after: pa.RecordBatch) -> tuple[pa.Array, ...]:
    """Each update as a delete of its before-image and an insert of its after-image, in place.

    Returns (ops, commit_ts, is_update, columns...) of the lines.
    """
    n = batch.num_rows
    update = pc.equal(batch.ops, pa.scalar(int(Op.UPDATE), pa.uint8()))
    # Line 2i would be row i's before-image and line 2i + 1 its after-image; before-images of no update drop out.
    line = pa.arange(0, 2 * n)
    row, is_after = pc.shift_right(line, 1), pc.equal(pc.bit_wise_and(line, 1), 1)
    kept = pc.or_(is_after, update.take(row))
    row, is_after = row.filter(kept), is_after.filter(kept)
    is_update = update.take(row)
    split = pc.if_else(is_after, pa.scalar(int(Op.INSERT), pa.uint8()), pa.scalar(int(Op.DELETE), pa.uint8()))
    ops = pc.if_else(is_update, split, batch.ops.take(row))
    source = pc.add(row, pc.multiply(is_after.cast(pa.int64()), n))
    columns = [
        pa.concat_arrays([old, new]).take(source) for old, new in zip(before.columns, after.columns, strict=True)
    ]
    return (ops, batch.commit_ts.take(row), is_update, *columns)
