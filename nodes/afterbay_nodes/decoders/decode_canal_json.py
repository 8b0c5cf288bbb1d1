"""canal-json files -> rows: one object a line, values as strings; an update's before-image is made complete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from afterbay.errors import RunFailed
from afterbay.messages import Op
from afterbay.schema import TableSchema
from afterbay_nodes.decoders.json_keys import key_told_twice
from afterbay_nodes.decoders.json_lines import TornLine, line_chunks
from afterbay_nodes.decoders.stored_form import StoredForm
from afterbay_nodes.decoders.stored_rows import StoredRows, bad_row
from afterbay_nodes.decoders.text_values import BadText, values_of

Image = dict[str, str | None]

_OPS = {"INSERT": Op.INSERT, "UPDATE": Op.UPDATE, "DELETE": Op.DELETE}


class _Extension(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    commit_ts: int


class _Line(
    msgspec.Struct,
    frozen=True,
    gc=False,
    forbid_unknown_fields=True,
    rename={
        "pk_names": "pkNames",
        "is_ddl": "isDdl",
        "sql_type": "sqlType",
        "mysql_type": "mysqlType",
        "tidb": "_tidb",
    },
):
    """Each key of the protocol, and no other: a key that is misspelt would be one that is not there."""

    id: int
    database: str
    table: str
    pk_names: msgspec.Raw
    is_ddl: bool
    type: str
    es: int
    ts: int
    sql: str
    sql_type: msgspec.Raw
    mysql_type: msgspec.Raw
    old: list[Image] | None
    data: list[Image]
    tidb: _Extension | None = None


_decode = msgspec.json.Decoder(_Line).decode
_types = msgspec.json.Decoder(dict[str, str | int] | None).decode
_KEYS, _TIDB_KEYS = 13, 2  # of a line, and more if it has `_tidb`


@dataclass(frozen=True, slots=True)
class DecodeCanalJson:
    """A `Decoder`. `commit_ts` is there if every line has `_tidb.commitTs`."""

    form: StoredForm

    def __call__(self, data: pa.Buffer, schema: TableSchema, key: str) -> Iterator[StoredRows]:
        """See `Decoder`."""
        return _CanalFile(data, schema, key).rows()


class _CanalFile:
    """One file on its way. Used by one thread."""

    def __init__(self, data: pa.Buffer, schema: TableSchema, key: str) -> None:
        self._data = data
        self._schema = schema
        self._key = key
        self._columns = schema.stored_columns
        self._names = [column.name for column in self._columns]
        self._nulls: Image = dict.fromkeys(self._names)
        self._row = 1  # the number of the next row
        self._sql_type = self._mysql_type = msgspec.Raw(b"")  # of the last line: few lines have others
        self._types = 0  # how many keys these two have
        self._dated: bool | None = None  # do the lines carry their commit-ts? The first one says

    def rows(self) -> Iterator[StoredRows]:
        try:
            for lines in line_chunks(self._data):
                yield self._chunk(lines)
        except TornLine as error:
            raise self._bad("canal.torn", str(error), 0) from None

    def _chunk(self, lines: Sequence[bytes]) -> StoredRows:
        messages = [self._line(line, at) for at, line in enumerate(lines)]
        ops = [_OPS[message.type] for message in messages]
        images = [self._image(message, at) for at, message in enumerate(messages)]
        before = None
        if Op.UPDATE in ops:
            before = self._batch([self._before(message, at) for at, message in enumerate(messages)])
        first = self._row
        rows = self._batch(images)
        commit_ts = self._commit_ts(messages)
        self._row += len(lines)
        return StoredRows(pa.array(ops, pa.uint8()), commit_ts, None, rows, before, None, first)

    def _line(self, line: bytes, at: int) -> _Line:
        try:
            message = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._bad("canal.line", f"this is not a canal-json row: {error}", at) from None
        if (twice := key_told_twice(line, self._keys(message, at))) is not None:
            raise self._bad("canal.twice", f"the key {twice!r} is there twice in an object", at)
        name = self._schema.name
        if message.type not in _OPS or message.is_ddl:
            raise self._bad("canal.type", f"the type is {message.type!r}, not INSERT, UPDATE or DELETE", at)
        if (message.table, message.database) != (name.table, name.schema):
            told = f"{message.database}.{message.table}"
            raise self._bad("canal.names", f"the row is of {told!r}, the file of {str(name)!r}", at)
        if len(message.data) != 1:
            raise self._bad("canal.data", f"`data` holds {len(message.data)} images, not one", at)
        old = message.old
        if (message.type == "UPDATE") != (old is not None) or (old is not None and len(old) != 1):
            raise self._bad("canal.old", "`old` holds one image in an UPDATE, and is null otherwise", at)
        return message

    def _keys(self, message: _Line, at: int) -> int:
        """How many keys were read from a line."""
        if message.sql_type != self._sql_type or message.mysql_type != self._mysql_type:
            self._sql_type, self._mysql_type = message.sql_type.copy(), message.mysql_type.copy()
            self._types = self._width(message.sql_type, at) + self._width(message.mysql_type, at)
        keys = self._types + (_KEYS if message.tidb is None else _KEYS + _TIDB_KEYS)
        for image in message.data:
            keys += len(image)
        for image in message.old or ():
            keys += len(image)
        return keys

    def _width(self, types: msgspec.Raw, at: int) -> int:
        try:
            return len(_types(types) or ())
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._bad("canal.line", f"`sqlType` or `mysqlType` is none: {error}", at) from None

    def _image(self, message: _Line, at: int) -> Image:
        """The row's values. Of a delete perhaps only the handle key is stored."""
        image = message.data[0]
        if image.keys() == self._nulls.keys():
            return image
        key = {column.name for column in self._schema.key_columns if not column.virtual}
        if message.type == "DELETE" and image and image.keys() <= self._nulls.keys() and image.keys() >= key:
            return self._nulls | image
        odd = min(image.keys() ^ self._nulls.keys())
        where = "only in the row" if odd in image else "not in the row"
        hint = "a virtual column is in no row" if odd not in image else None
        raise self._bad("canal.columns", f"column {odd!r} of the schema file and of the row: it is {where}", at, hint)

    def _before(self, message: _Line, at: int) -> Image:
        """The whole row before an update, of which perhaps only what changed is stored; no values for other rows."""
        if message.old is None:
            return self._nulls
        old = message.old[0]
        if not old.keys() <= self._nulls.keys():
            odd = min(old.keys() - self._nulls.keys())
            raise self._bad("canal.columns", f"column {odd!r} of `old` is not in the schema file", at)
        return old if len(old) == len(self._nulls) else message.data[0] | old

    def _batch(self, images: Sequence[Image]) -> pa.RecordBatch:
        columns = []
        for column in self._columns:
            name = column.name
            text = pa.array([image[name] for image in images], pa.utf8())
            try:
                columns.append(values_of(column, text, binary="latin1", by_name=False))
            except BadText as error:
                raise self._bad("canal.value", str(error), error.row) from None
        return pa.RecordBatch.from_arrays(columns, schema=self._schema.arrow_schema)

    def _commit_ts(self, messages: Sequence[_Line]) -> pa.Array | None:
        numbers = [None if message.tidb is None else message.tidb.commit_ts for message in messages]
        if self._dated is None:
            self._dated = numbers[0] is not None
        for at, number in enumerate(numbers):
            if (number is not None) != self._dated or (number is not None and not 0 <= number < 1 << 64):
                wanted = "a 64-bit number, as in the lines before" if self._dated else "absent, as in the lines before"
                raise self._bad("canal.commit_ts", f"`_tidb.commitTs` is {number}; it is to be {wanted}", at)
        return pa.array(numbers, pa.uint64()) if self._dated else None

    def _bad(self, code: str, message: str, at: int, hint: str | None = None) -> RunFailed:
        return bad_row(code, message, schema=self._schema, key=self._key, row=self._row + at, hint=hint)
