"""Parquet files -> rows: a row group at a time, in batches, its pages checked against their checksums.

Texts come as Arrow's dictionaries and are written out in pieces that are bounded: a file of another writer may have one
long value, once, in a million rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.errors import RunFailed
from afterbay.schema import TableSchema
from afterbay_nodes.decoders.described_check import NotAsDescribed, check_before, check_whole, ops_of
from afterbay_nodes.decoders.parquet_pages import TooLarge, unpacked_groups
from afterbay_nodes.decoders.parquet_values import ParquetWay
from afterbay_nodes.decoders.stored_form import StoredForm
from afterbay_nodes.decoders.stored_rows import CHUNK_BYTES, StoredRows, bad_row, one_line
from afterbay_nodes.decoders.text_values import BadText
from afterbay_nodes.encoders.described import COMMIT_TS, ORDINAL

if TYPE_CHECKING:
    import pyarrow.parquet as pq

T = TypeVar("T")

_ROWS = 65536
"""The most rows of a chunk."""

_WRITTEN_OUT = 4 * CHUNK_BYTES
"""Bytes of texts that a chunk has written out at most, unless a single row has more."""

# Whatever bytes Arrow stumbles over, it says so by one of these; OSError is a checksum or an end that came too early.
_DAMAGED = (pa.ArrowException, OSError, ValueError, OverflowError)


@dataclass(frozen=True, slots=True)
class DecodeParquet:
    """A `Decoder`. `before` is there if the file has `_before`."""

    form: StoredForm

    def __call__(self, data: pa.Buffer, schema: TableSchema, key: str) -> Iterator[StoredRows]:
        """See `Decoder`."""
        return _ParquetFile(data, schema, key).rows()


class _ParquetFile:
    """One file on its way. Used by one thread."""

    def __init__(self, data: pa.Buffer, schema: TableSchema, key: str) -> None:
        self._data = data
        self._schema = schema
        self._key = key
        self._row = 1  # the number of the next row

    def rows(self) -> Iterator[StoredRows]:
        try:
            sizes = self._sound(lambda: unpacked_groups(self._data))
            footer, columns = self._sound(self._footer)
            way = ParquetWay.of(columns, self._schema)
        except TooLarge as error:
            hint = "if it is right, let its writer make smaller row groups"
            raise self._bad("parquet.large", str(error), 0, hint) from None
        except NotAsDescribed as error:
            raise bad_row("parquet.columns", str(error), schema=self._schema, key=self._key) from None
        self._sound(lambda: _check_counts(footer, sizes))
        file = self._sound(lambda: self._open(footer))
        for number, size in enumerate(sizes):
            yield from self._group(file, number, size, way)

    def _footer(self) -> tuple[pq.FileMetaData, pa.Schema]:
        import pyarrow.parquet as pq  # who reads no such file does not load it

        file = pq.ParquetFile(pa.BufferReader(self._data))
        return file.metadata, file.schema_arrow

    def _open(self, footer: pq.FileMetaData) -> pq.ParquetFile:
        import pyarrow.parquet as pq

        columns = (footer.schema.column(number) for number in range(footer.num_columns))
        texts = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
        source = pa.BufferReader(self._data)
        return pq.ParquetFile(source, metadata=footer, read_dictionary=texts, page_checksum_verification=True)

    def _group(self, file: pq.ParquetFile, number: int, unpacked: int, way: ParquetWay) -> Iterator[StoredRows]:
        group = file.metadata.row_group(number)
        size = max(1, min(_ROWS, group.num_rows * CHUNK_BYTES // max(1, unpacked)))
        batches = self._sound(lambda: file.iter_batches(size, row_groups=[number], use_threads=False))
        last = self._row + group.num_rows
        while (batch := self._sound(lambda: _next(batches))) is not None:
            if batch.num_rows:
                self._check(batch)
                for part in _parts(batch):
                    yield self._chunk(part, way)
        if self._row != last:
            raise self._bad("parquet.damaged", f"row group {number + 1} says that it has {group.num_rows} rows", 0)

    def _check(self, batch: pa.RecordBatch) -> None:
        self._sound(lambda: batch.validate(full=True))

    def _chunk(self, batch: pa.RecordBatch, way: ParquetWay) -> StoredRows:
        letters, commit_ts, ordinals, *columns = map(_written_out, batch.columns)
        old = columns.pop() if way.before else None
        try:
            ops = ops_of(letters)
            check_whole(COMMIT_TS, commit_ts)
            check_whole(ORDINAL, ordinals)
            before = None
            if old is not None:
                check_before(old.is_valid(), ops)
                if old.null_count < len(old):
                    before = self._image([_written_out(column) for column in old.flatten()], way)
            rows = self._image(columns, way)
        except NotAsDescribed as error:
            raise self._bad("parquet.row", str(error), error.row or 0) from None
        except BadText as error:
            raise self._bad("parquet.value", str(error), error.row) from None
        first, self._row = self._row, self._row + batch.num_rows
        return StoredRows(ops, commit_ts, ordinals, rows, before, None, first)

    def _image(self, columns: Sequence[pa.Array], way: ParquetWay) -> pa.RecordBatch:
        values = [of(column) for of, column in zip(way.values, columns, strict=True)]
        return pa.RecordBatch.from_arrays(values, schema=self._schema.arrow_schema)

    def _sound(self, read: Callable[[], T]) -> T:
        """What `read` gives; what Arrow cannot read is a damaged file."""
        try:
            return read()
        except TooLarge:
            raise
        except _DAMAGED as error:
            raise self._bad("parquet.damaged", f"the file cannot be read on from here: {one_line(error)}", 0) from None

    def _bad(self, code: str, message: str, at: int, hint: str | None = None) -> RunFailed:
        return bad_row(code, message, schema=self._schema, key=self._key, row=self._row + at, hint=hint)


def _check_counts(footer: pq.FileMetaData, groups: Sequence[int]) -> None:
    """Raises ValueError where the footer, of which there is no checksum, contradicts itself: rows would be missed.

    Its column chunks are not asked: PyArrow aborts the process over some that are damaged.
    """
    if footer.num_row_groups != len(groups):
        raise ValueError(f"it has {footer.num_row_groups} row groups, and {len(groups)} have pages")
    found = sum(footer.row_group(number).num_rows for number in range(footer.num_row_groups))
    if found != footer.num_rows:
        raise ValueError(f"its row groups have {found} rows, and the file says {footer.num_rows}")


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in halves of halves, until none has more than `_WRITTEN_OUT` bytes of text, or has one row."""
    if batch.num_rows == 1 or sum(map(_text_bytes, batch.columns)) <= _WRITTEN_OUT:
        yield batch
    else:
        half = batch.num_rows // 2
        yield from _parts(batch.slice(0, half))
        yield from _parts(batch.slice(half))


def _text_bytes(column: pa.Array) -> int:
    """Bytes that a column's texts have when written out."""
    if pa.types.is_struct(column.type):
        return sum(map(_text_bytes, column.flatten()))
    if not pa.types.is_dictionary(column.type):
        return 0
    lengths = pc.binary_length(column.dictionary)
    longest = pc.max(lengths).as_py() or 0
    if longest * len(column) <= CHUNK_BYTES:
        return longest * len(column)
    return pc.sum(pc.take(lengths.cast(pa.int64()), column.indices)).as_py() or 0


def _written_out(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _next(batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
    return next(batches, None)
