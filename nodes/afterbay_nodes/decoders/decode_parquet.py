"""Parquet files -> rows: a row group at a time, in batches, its pages checked against their checksums."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from afterbay.errors import RunFailed
from afterbay.schema import TableSchema
from afterbay_nodes.decoders.described_check import NotAsDescribed, check_before, check_whole, ops_of
from afterbay_nodes.decoders.parquet_values import ParquetWay
from afterbay_nodes.decoders.stored_form import StoredForm
from afterbay_nodes.decoders.stored_rows import CHUNK_BYTES, StoredRows, bad_row
from afterbay_nodes.decoders.text_values import BadText
from afterbay_nodes.encoders.described import COMMIT_TS, ORDINAL

if TYPE_CHECKING:
    import pyarrow.parquet as pq

T = TypeVar("T")

_ROWS = 65536
"""The most rows of a chunk: a dictionary may hide how large they are."""

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
        file = self._sound(self._open)
        try:
            way = ParquetWay.of(self._sound(lambda: file.schema_arrow), self._schema)
        except NotAsDescribed as error:
            raise bad_row("parquet.columns", str(error), schema=self._schema, key=self._key) from None
        self._sound(lambda: _check_counts(file.metadata))
        for number in range(file.metadata.num_row_groups):
            yield from self._group(file, number, way)

    def _open(self) -> pq.ParquetFile:
        import pyarrow.parquet as pq  # who reads no such file does not load it

        return pq.ParquetFile(pa.BufferReader(self._data), page_checksum_verification=True)

    def _group(self, file: pq.ParquetFile, number: int, way: ParquetWay) -> Iterator[StoredRows]:
        group = file.metadata.row_group(number)
        size = max(1, min(_ROWS, group.num_rows * CHUNK_BYTES // max(1, group.total_byte_size)))
        batches = self._sound(lambda: file.iter_batches(size, row_groups=[number], use_threads=False))
        last = self._row + group.num_rows
        while (batch := self._sound(lambda: _next(batches))) is not None:
            if batch.num_rows:
                yield self._chunk(batch, way)
        if self._row != last:
            raise self._bad("parquet.damaged", f"row group {number + 1} says that it has {group.num_rows} rows", 0)

    def _chunk(self, batch: pa.RecordBatch, way: ParquetWay) -> StoredRows:
        self._sound(lambda: batch.validate(full=True))
        letters, commit_ts, ordinals, *columns = batch.columns
        old = columns.pop() if way.before else None
        try:
            ops = ops_of(letters)
            check_whole(COMMIT_TS, commit_ts)
            check_whole(ORDINAL, ordinals)
            before = None
            if old is not None:
                check_before(old.is_valid(), ops)
                if old.null_count < len(old):
                    before = self._image(old.flatten(), way)
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
        except _DAMAGED as error:
            raise self._bad("parquet.damaged", f"the file cannot be read on from here: {error}", 0) from None

    def _bad(self, code: str, message: str, at: int) -> RunFailed:
        return bad_row(code, message, schema=self._schema, key=self._key, row=self._row + at)


def _check_counts(footer: pq.FileMetaData) -> None:
    """Raises ValueError where the footer, of which there is no checksum, contradicts itself: rows would be missed.

    Its column chunks are not asked: PyArrow aborts the process over some that are damaged.
    """
    found = sum(footer.row_group(number).num_rows for number in range(footer.num_row_groups))
    if found != footer.num_rows:
        raise ValueError(f"its row groups have {found} rows, and the file says {footer.num_rows}")


def _next(batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
    return next(batches, None)
