"""CSV files -> rows. Blocks that Arrow's reader gets provably right go by kernels, the others field by field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa

from afterbay.errors import RunFailed
from afterbay.messages import Op
from afterbay.schema import Column, TableSchema
from afterbay_nodes.decoders.csv_blocks import Block, BlockReader, blocks, suits_blocks
from afterbay_nodes.decoders.csv_fields import BadField, Field, lines
from afterbay_nodes.decoders.csv_form import NAMES, CsvForm, Leading, header_of, leading_of_header
from afterbay_nodes.decoders.csv_leading import BARE_TYPES, leading_of_rows
from afterbay_nodes.decoders.stored_form import StoredForm
from afterbay_nodes.decoders.stored_rows import StoredRows, bad_row
from afterbay_nodes.decoders.text_values import BadText, values_of

_ROWS = 8192
"""Rows that the exact reader puts into one chunk."""

_LETTERS: Mapping[bytes | None, Op] = {b"I": Op.INSERT, b"U": Op.UPDATE, b"D": Op.DELETE}
_FLAGS: Mapping[bytes | None, bool] = {b"true": True, b"false": False}
_COMMIT_TS = re.compile(rb"[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class DecodeCsv:
    """A `Decoder`. An update stored as delete and insert comes as such, `is_update` true for both."""

    form: StoredForm

    def __call__(self, data: pa.Buffer, schema: TableSchema, key: str) -> Iterator[StoredRows]:
        """See `Decoder`."""
        return _CsvFile(data, schema, key, self.form.csv).rows()


class _CsvFile:
    """One file on its way. Used by one thread."""

    def __init__(self, data: pa.Buffer, schema: TableSchema, key: str, form: CsvForm) -> None:
        self._data = data
        self._schema = schema
        self._columns = schema.stored_columns
        self._key = key
        self._form = form
        self._row = 1  # the number of the next row

    def rows(self) -> Iterator[StoredRows]:
        leading, start = self._begin()
        if not suits_blocks(self._form):
            yield from self._exactly(Block(start, self._data.size), leading)
            return
        reader = BlockReader(self._schema, self._form, leading)
        for block in blocks(self._data, start, self._form):
            read = reader.read(self._data[block.start : block.stop])
            if read is None:
                yield from self._exactly(block, leading)
                continue
            columns = [self._values(column, values) for column, values in zip(self._columns, read.columns, strict=True)]
            yield self._chunk(read.ops, read.commit_ts, read.is_update, columns)

    def _begin(self) -> tuple[Leading, int]:
        """(the leading columns, where the first row starts): told from the header, or else from the first rows."""
        header = header_of(self._data, self._form)
        if header is not None:
            return leading_of_header(header, self._schema, self._form, self._key), len(header)
        try:
            found = lines(self._data, 0, self._data.size, self._form.dialect)
            return leading_of_rows(found, self._schema, self._form, self._key), 0
        except BadField as error:
            raise self._bad("csv.torn", str(error), error.row) from None

    def _exactly(self, block: Block, leading: Leading) -> Iterator[StoredRows]:
        """The rows of a block, field by field. Those before a fault are right, and come before its error."""
        found = lines(self._data, block.start, block.stop, self._form.dialect)
        torn: BadField | None = None
        while torn is None:
            some: list[list[Field]] = []
            try:
                some.extend(islice(found, _ROWS))
            except BadField as error:
                torn = error
            if some:
                yield self._converted(some, leading)
            if torn is not None:
                raise self._bad("csv.torn", str(torn), 0)
            if len(some) < _ROWS:
                return

    def _converted(self, found: list[list[Field]], leading: Leading) -> StoredRows:
        for at, fields in enumerate(found):
            fault = self._fault(fields, leading)
            if fault is not None:
                raise self._bad(*fault, at)
        ops, _, _, *rest = (list(column) for column in zip(*found, strict=True))
        commit_ts = pa.array(map(_number, rest.pop(0)), pa.uint64()) if leading.commit_ts else None
        flags = pa.array([_FLAGS.get(field.text) for field in rest.pop(0)], pa.bool_()) if leading.is_update else None
        columns = [self._column(column, fields) for column, fields in zip(self._columns, rest, strict=True)]
        return self._chunk(pa.array([_LETTERS[op.text] for op in ops], pa.uint8()), commit_ts, flags, columns)

    def _fault(self, fields: list[Field], leading: Leading) -> tuple[str, str] | None:
        """(code, message) of what is wrong with a row, but for the values themselves."""
        width = leading.count + len(self._columns)
        if len(fields) != width:
            return "csv.columns", (
                f"the row has {len(fields)} fields; {leading.count} leading ones and the {len(self._columns)} columns "
                f"of its version make {width}"
            )
        op, table, database = (field.text for field in fields[:NAMES])
        name = self._schema.name
        if op not in _LETTERS:
            return "csv.operation", f"the operation is {op!r}, not I, U or D"
        if (table, database) != (name.table.encode(), name.schema.encode()):
            return "csv.names", f"the row is of table {table!r} in {database!r}, the file of {str(name)!r}"
        if leading.commit_ts and _number(fields[NAMES]) is None:
            return "csv.commit_ts", f"the commit-ts is {fields[NAMES].text!r}, not a 64-bit number"
        if leading.is_update and fields[leading.count - 1].text not in _FLAGS:
            return "csv.is_update", f"is-update is {fields[leading.count - 1].text!r}, not true or false"
        if self._form.dialect.quote:
            return self._misquoted(fields, leading)
        return None

    def _misquoted(self, fields: list[Field], leading: Leading) -> tuple[str, str] | None:
        """Text is quoted and a number bare: the other way round, something was lost or added."""
        strings = [True] * NAMES + [False] * (leading.count - NAMES)
        strings += [column.type not in BARE_TYPES for column in self._columns]
        for at, (field, quoted) in enumerate(zip(fields, strings, strict=True), 1):
            if field.text is not None and field.quoted != quoted:
                return "csv.quoting", f"field {at} is {field.text[:60]!r}: {'' if quoted else 'not '}to be quoted"
        return None

    def _column(self, column: Column, fields: list[Field]) -> pa.Array:
        text: list[str | None] = []
        for at, field in enumerate(fields):
            try:
                text.append(None if field.text is None else field.text.decode())
            except UnicodeDecodeError as error:
                raise self._bad("csv.text", f"column {column.name!r} is not UTF-8: {error}", at) from None
        return self._values(column, pa.array(text, pa.utf8()))

    def _values(self, column: Column, values: pa.Array) -> pa.Array:
        """A column in its type: numbers that were parsed already stay."""
        if not pa.types.is_string(values.type):
            return values
        try:
            return values_of(column, values, binary=self._form.binary, by_name=True)
        except BadText as error:
            raise self._bad("csv.value", str(error), error.row) from None

    def _chunk(
        self, ops: pa.Array, commit_ts: pa.Array | None, is_update: pa.Array | None, columns: list[pa.Array]
    ) -> StoredRows:
        rows = pa.RecordBatch.from_arrays(columns, schema=self._schema.arrow_schema)
        first, self._row = self._row, self._row + rows.num_rows
        return StoredRows(ops, commit_ts, None, rows, None, is_update, first)

    def _bad(self, code: str, message: str, at: int) -> RunFailed:
        """The error of the row that is `at` rows behind what was yielded."""
        return bad_row(code, message, schema=self._schema, key=self._key, row=self._row + at)


def _number(field: Field) -> int | None:
    text = field.text or b""
    return int(text) if _COMMIT_TS.fullmatch(text) and int(text) < 1 << 64 else None
