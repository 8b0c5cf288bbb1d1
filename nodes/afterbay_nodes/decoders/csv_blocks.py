"""CSV by Arrow's reader, block by block, each proven: written again, its rows give the bytes that were read.

Arrow's reader is quick and lenient (a quote inside a value, `0x1F` for a number, a row that ends with the file): what
it makes of damaged bytes is never trusted. The encoder's own kernels write the rows again; equal bytes prove every
value, the names of table and schema, and the terminators. The other blocks are for the exact reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from afterbay.messages import Op
from afterbay.schema import INTEGER_TYPES, TableSchema
from afterbay_nodes.decoders.csv_form import NAMES, CsvForm, Leading
from afterbay_nodes.decoders.stored_rows import CHUNK_BYTES
from afterbay_nodes.encoders.csv_lines import CsvRows, arrow_writer, joined_lines, written
from afterbay_nodes.encoders.csv_table import CsvMeta, csv_table
from afterbay_nodes.encoders.float_text import in_short_range

_WINDOW = 64 << 10
_LARGEST = 2**31 - 2  # what Arrow's reader counts a block with
_NO_OP = 255
_OPS = bytes({ord("I"): Op.INSERT, ord("U"): Op.UPDATE, ord("D"): Op.DELETE}.get(byte, _NO_OP) for byte in range(256))


class Block(NamedTuple):
    """Whole rows: bytes [start, stop) of a file."""

    start: int
    stop: int


def suits_blocks(form: CsvForm) -> bool:
    """True if Arrow's reader knows the dialect."""
    dialect = form.dialect
    return bool(dialect.quote) and len(dialect.delimiter.encode()) == 1 and dialect.terminator in ("\r\n", "\n")


def blocks(data: pa.Buffer, start: int, form: CsvForm) -> Iterator[Block]:
    """The file from `start` on in blocks that end where a row ends.

    A row starts behind a terminator with a quoted operation. Inside a value this cannot stand: its quotes are doubled.
    """
    dialect = form.dialect
    quote = re.escape(dialect.quote)
    begin = re.compile(
        (re.escape(dialect.terminator) + quote + "[IUD]" + quote + re.escape(dialect.delimiter)).encode()
    )
    skip = len(dialect.terminator.encode())
    while start < data.size:
        stop = _cut(data, start, min(start + CHUNK_BYTES, data.size), begin, skip)
        yield Block(start, stop)
        start = stop


def _cut(data: pa.Buffer, start: int, wanted: int, begin: re.Pattern[bytes], skip: int) -> int:
    """Where the last row before `wanted` ends, or the first one behind it, or the file."""
    if wanted == data.size:
        return wanted
    view = memoryview(data)
    low = max(start, wanted - _WINDOW)
    starts = [found.start() for found in begin.finditer(view[low:wanted])]
    if starts and low + starts[-1] + skip > start:
        return low + starts[-1] + skip
    first = begin.search(view, start + 1)
    return data.size if first is None else first.start() + skip


class BlockReader:
    """Reads the blocks of the files of one table version. Immutable; used by any thread."""

    def __init__(self, schema: TableSchema, form: CsvForm, leading: Leading) -> None:
        self._schema = schema
        self._dialect = form.dialect
        meta = CsvMeta(leading.commit_ts, leading.is_update, header=False, binary=form.binary)
        self._table = csv_table(schema, form.dialect, meta, "reader")
        self._writer = arrow_writer(form.dialect) if form.dialect.suits_arrow else None
        self._leading = leading
        own = {
            str(leading.count + at): _read_as(column.type, column.arrow_type)
            for at, column in enumerate(schema.stored_columns)
        }
        lead = {"0": pa.utf8()}
        if leading.commit_ts:
            lead[str(NAMES)] = pa.uint64()
        if leading.is_update:
            lead[str(leading.count - 1)] = pa.bool_()
        self._names = [str(at) for at in range(leading.count + len(own))]
        self._parse = arrow_csv.ParseOptions(
            delimiter=form.dialect.delimiter, quote_char=form.dialect.quote, ignore_empty_lines=False
        )
        self._convert = arrow_csv.ConvertOptions(
            column_types=lead | own,
            include_columns=[*lead, *own],
            null_values=[form.dialect.null],
            true_values=["true"],
            false_values=["false"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )

    def read(self, data: pa.Buffer) -> CsvRows | None:
        """The rows of one block, with text for what is not a number; None if that cannot be proven right."""
        if data.size > _LARGEST:
            return None
        options = arrow_csv.ReadOptions(use_threads=False, block_size=data.size + 1, column_names=self._names)
        try:
            table = arrow_csv.read_csv(pa.BufferReader(data), options, self._parse, self._convert)
        except pa.ArrowInvalid:
            return None
        letters, *columns = (column.combine_chunks() for column in table.columns)
        ops = _ops(letters)
        leading = [columns.pop(0) for _ in range(self._leading.count - NAMES)]
        if ops is None or any(column.null_count for column in leading):
            return None
        commit_ts = leading[0] if self._leading.commit_ts else None
        rows = CsvRows(ops, commit_ts, leading[-1] if self._leading.is_update else None, tuple(columns))
        return rows if self._again(rows).equals(data) else None

    def _again(self, rows: CsvRows) -> pa.Buffer:
        """The rows as the encoder writes them."""
        if self._writer is not None and all(in_short_range(rows.columns[index]) for index in self._table.floats):
            return written(rows, self._schema.name, self._writer)
        return joined_lines(rows, self._table, self._dialect)


def _read_as(kind: str, arrow_type: pa.DataType) -> pa.DataType:
    """Numbers are parsed; everything else is text at first."""
    return arrow_type if kind in INTEGER_TYPES or kind in ("year", "bit", "float", "double") else pa.utf8()


def _ops(letters: pa.Array) -> pa.Array | None:
    """The operations, None if a letter is none. One byte each, so the data buffer is all there is."""
    data = letters.buffers()[2]
    if letters.null_count or data is None or pc.sum(pc.binary_length(letters)).as_py() != len(letters):
        return None
    ops = data[: len(letters)].to_pybytes().translate(_OPS)
    if _NO_OP in ops or not ops:
        return None
    return pa.Array.from_buffers(pa.uint8(), len(ops), [None, pa.py_buffer(ops)])
