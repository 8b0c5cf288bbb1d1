"""Debezium JSON files -> rows: one change event a line, bare or inside `payload`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from afterbay.errors import RunFailed
from afterbay.messages import Op
from afterbay.schema import TableSchema
from afterbay_nodes.decoders.debezium_event import NO_EVENT, Event, Image, event_of, twice_in
from afterbay_nodes.decoders.debezium_values import column_of, decimal_mode_of
from afterbay_nodes.decoders.json_lines import TornLine, line_chunks
from afterbay_nodes.decoders.stored_form import StoredForm
from afterbay_nodes.decoders.stored_rows import StoredRows, bad_row
from afterbay_nodes.decoders.text_values import BadText
from afterbay_nodes.encoders.debezium_table import DecimalMode

_OPS = {"c": Op.INSERT, "u": Op.UPDATE, "d": Op.DELETE}
_BARE = b'{"before"'


@dataclass(frozen=True, slots=True)
class DecodeDebeziumJson:
    """A `Decoder`. `commit_ts` and `ordinals` are there if every event's `source` has them."""

    form: StoredForm

    def __call__(self, data: pa.Buffer, schema: TableSchema, key: str) -> Iterator[StoredRows]:
        """See `Decoder`."""
        return _DebeziumFile(data, schema, key, self.form).rows()


class _DebeziumFile:
    """One file on its way. Used by one thread."""

    def __init__(self, data: pa.Buffer, schema: TableSchema, key: str, form: StoredForm) -> None:
        self._data = data
        self._schema = schema
        self._key = key
        self._reading = form.debezium
        self._is_bare = bytes(memoryview(data)[: len(_BARE)]) == _BARE
        self._names = [column.name for column in schema.stored_columns]
        self._nulls: Image = dict.fromkeys(self._names)
        self._decimals = [column.name for column in schema.stored_columns if column.type == "decimal"]
        self._row = 1  # the number of the next row
        # Does every event carry it, or none? The first one says; for `before` the first update.
        self._carries: dict[str, bool] = {}

    def rows(self) -> Iterator[StoredRows]:
        try:
            for lines in line_chunks(self._data):
                yield self._chunk(lines)
        except TornLine as error:
            raise self._bad("debezium.torn", str(error), 0) from None

    def _chunk(self, lines: Sequence[bytes]) -> StoredRows:
        events = [self._event(line, at) for at, line in enumerate(lines)]
        ops = [_OPS[event.op] for event in events]
        images = [self._image(event, at) for at, event in enumerate(events)]
        olds = [event.before if event.op == "u" else None for event in events]
        has_olds = any(old is not None for old in olds)
        self._tell_decimals([*images, *(old for old in olds if old is not None)])
        commit_ts = self._numbers("commit_ts", [event.source.commit_ts for event in events], pa.uint64())
        ordinals = self._numbers("ordinal", [event.source.ordinal for event in events], pa.uint32())
        rows = self._batch(images)
        before = self._batch([old or self._nulls for old in olds]) if has_olds else None
        first, self._row = self._row, self._row + len(lines)
        return StoredRows(pa.array(ops, pa.uint8()), commit_ts, ordinals, rows, before, None, first)

    def _event(self, line: bytes, at: int) -> Event:
        try:
            event = self._parsed(line)
        except NO_EVENT as error:
            raise self._bad("debezium.line", f"this is not a change event: {error}", at) from None
        if (twice := twice_in(line, event, is_bare=self._is_bare)) is not None:
            raise self._bad("debezium.twice", f"the key {twice!r} is there twice in an object", at)
        name, source = self._schema.name, event.source
        if event.op not in _OPS:
            raise self._bad("debezium.op", f"the operation is {event.op!r}, not c, u or d", at)
        if (source.table, source.db) != (name.table, name.schema):
            told = f"{source.db}.{source.table}"
            raise self._bad("debezium.names", f"the row is of {told!r}, the file of {str(name)!r}", at)
        return event

    def _parsed(self, line: bytes) -> Event:
        return event_of(line, is_bare=self._is_bare)

    def _image(self, event: Event, at: int) -> Image:
        """The row after an insert or update, before a delete; the other image is checked to be as it should."""
        image, other = (event.before, event.after) if event.op == "d" else (event.after, event.before)
        if image is None or (event.op != "u" and other is not None):
            raise self._bad("debezium.images", "`after` is the row unless `op` is d, `before` unless it is c", at)
        if event.op == "u":
            carried = self._carries.setdefault("before", other is not None)
            if (other is not None) != carried:
                raise self._bad("debezium.images", "`before` is there for some updates of the file only", at)
        for found in (image, other):
            if found is not None and found.keys() != self._nulls.keys():
                odd = min(found.keys() ^ self._nulls.keys())
                where, hint = ("only", None) if odd in found else ("not", "a virtual column is in no row")
                message = f"column {odd!r} of the schema file and of the row: it is {where} in the row"
                raise self._bad("debezium.columns", message, at, hint)
        return image

    def _batch(self, images: Sequence[Image]) -> pa.RecordBatch:
        columns = []
        for column in self._schema.stored_columns:
            try:
                columns.append(column_of(column, [image[column.name] for image in images], self._reading))
            except BadText as error:
                raise self._bad("debezium.value", str(error), error.row) from None
        return pa.RecordBatch.from_arrays(columns, schema=self._schema.arrow_schema)

    def _numbers(self, name: str, values: Sequence[int | None], type_: pa.DataType) -> pa.Array | None:
        carried = self._carries.setdefault(name, values[0] is not None)
        for at, value in enumerate(values):
            if (value is not None) != carried or (value is not None and not 0 <= value < 1 << type_.bit_width):
                wanted = f"a {type_.bit_width}-bit number" if carried else "absent"
                message = f"`source.{name}` is {value}; it is to be {wanted}, as in the lines before"
                raise self._bad(f"debezium.{name}", message, at)
        return pa.array(values, type_) if carried else None

    def _tell_decimals(self, images: Sequence[Image]) -> None:
        """Finds out how decimals are written, once there are any: from these rows, else from the whole file."""
        if self._reading.decimal_mode is not None:
            return
        some = [image[name] for image in images for name in self._decimals if image[name] is not None]
        mode = decimal_mode_of(some) or (self._decimals_of_file() if some else None)
        if some and mode is None:
            raise bad_row(
                "debezium.decimal",
                f"decimals like {some[0]!r} may be text, or base64 of unscaled bytes, and none of the file tells",
                schema=self._schema,
                key=self._key,
                hint="say by --debezium-decimals string|precise which `decimal_mode` the writer had",
            )
        self._reading = replace(self._reading, decimal_mode=mode)

    def _decimals_of_file(self) -> DecimalMode | None:
        """Reads on until a value tells. What is wrong with the file is said when its rows are read."""
        try:
            for lines in line_chunks(self._data):
                for line in lines:
                    event = self._parsed(line)
                    for image in (event.before or {}, event.after or {}):
                        mode = decimal_mode_of(image.get(name) for name in self._decimals)
                        if mode is not None:
                            return mode
        except (TornLine, *NO_EVENT):
            return None
        return None

    def _bad(self, code: str, message: str, at: int, hint: str | None = None) -> RunFailed:
        return bad_row(code, message, schema=self._schema, key=self._key, row=self._row + at, hint=hint)
