"""What canal-json lines have around their values, and no reader of rows looks at: keys in order, key columns, types.

The decoder has read the values; here each line's beginning and end are held against the protocol and the schema file,
byte by byte. What stays open are the two times, `es` and `ts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec
import pyarrow as pa

from afterbay.schema import BINARY_TYPES, INTEGER_TYPES, Column, TableSchema
from afterbay_nodes.decoders.stored_rows import CHUNK_BYTES
from afterbay_nodes.verify.fault import Fault

CODE = "canal.frame"

_LINE_END = re.compile(rb"[ \t\r\n]*[\r\n][ \t\r\n]*")
_STRING = rb'"(?:[^"\\\x00-\x1f]|\\.)*+"'
_NUMBER = rb"(?:0|[1-9][0-9]*+)"
_HEAD = re.compile(
    rb'\{"id":0,"database":(?P<database>%(s)s),"table":(?P<table>%(s)s),"pkNames":(?P<keys>null|\[%(s)s(?:,%(s)s)*+\]),'
    rb'"isDdl":false,"type":"(?:INSERT|UPDATE|DELETE)","es":%(n)s,"ts":%(n)s,"sql":"",'
    rb'"sqlType":(?P<java>\{(?:%(s)s:-?%(n)s,?)*+\}),"mysqlType":(?P<mysql>\{(?:%(s)s:%(s)s,?)*+\}),"old":'
    % {b"s": _STRING, b"n": _NUMBER},
    re.DOTALL,
)
_TAIL = re.compile(rb'\}\](?P<dated>,"_tidb":\{"commitTs":%b\})?\}\Z' % _NUMBER)
_TAIL_BYTES = 64
_WIDTH = re.compile(r"\(.*\)", re.DOTALL)

_JAVA: Mapping[str, int] = {
    "bit": -7,
    "set": -7,
    "tinyint": -6,
    "bigint": -5,
    "char": 1,
    "decimal": 3,
    "mediumint": 4,
    "int": 4,
    "enum": 4,
    "smallint": 5,
    "float": 7,
    "double": 8,
    "varchar": 12,
    "year": 12,
    "json": 12,
    "vector": 12,
    "date": 91,
    "time": 92,
    "datetime": 93,
    "timestamp": 93,
}
_ABOVE: Mapping[str, tuple[int, int]] = {
    "tinyint": (2**7 - 1, 5),
    "smallint": (2**15 - 1, 4),
    "int": (2**31 - 1, -5),
    "bigint": (2**63 - 1, 3),
}
"""An unsigned value above the limit has another Java type."""


class _Values(msgspec.Struct):
    data: list[dict[str, str | None]]


_texts = msgspec.json.Decoder(str).decode
_names = msgspec.json.Decoder(list[str] | None).decode
_numbers_of = msgspec.json.Decoder(dict[str, int]).decode
_texts_of = msgspec.json.Decoder(dict[str, str]).decode
_values_of = msgspec.json.Decoder(_Values).decode


def frame_fault(data: pa.Buffer, schema: TableSchema, key: str) -> Fault | None:
    """The first line of a file that is not as the protocol writes it. The rows were decoded: they are right."""
    frames = _Frames(schema)
    for row, line in enumerate(_lines(data), 1):
        if (why := frames.fault(line)) is not None:
            return Fault(key, row, CODE, why, str(schema.name))
    return None


def _lines(data: pa.Buffer) -> Iterator[bytes]:
    view, size = memoryview(data), data.size
    end = _LINE_END.search(view)
    terminator = end.group() if end is not None else b"\n"
    at = 0
    while at < size:
        stop = min(at + CHUNK_BYTES, size)
        piece = bytes(view[at:stop])
        while terminator not in piece and stop < size:
            stop = min(stop + CHUNK_BYTES, size)
            piece = bytes(view[at:stop])
        *lines, rest = piece.split(terminator)
        yield from lines
        at = stop - len(rest)
        if not lines:
            return


class _Frames:
    """The lines of one file. Texts that were found right are remembered: few are different. Used by one thread."""

    def __init__(self, schema: TableSchema) -> None:
        self._schema = schema
        self._columns = {column.name: column for column in schema.stored_columns}
        self._large = {name: _ABOVE[it.type] for name, it in self._columns.items() if it.unsigned and it.type in _ABOVE}
        self._right: set[tuple[bytes, bytes, bytes, bytes, bytes]] = set()
        self._mysql: dict[bytes, bytes] = {}  # the first text of a set of columns: all lines have the same
        self._dated: bool | None = None

    def fault(self, line: bytes) -> str | None:
        """What is wrong with a line, in words."""
        head, tail = _HEAD.match(line), _TAIL.search(line, max(0, len(line) - _TAIL_BYTES))
        if head is None or tail is None:
            return "the keys of this line are not those of the protocol, in its order"
        dated = tail["dated"] is not None
        if self._dated is None:
            self._dated = dated
        if dated != self._dated:
            return "only some lines of the file have `_tidb`"
        texts = (head["database"], head["table"], head["keys"], head["java"], head["mysql"])
        if texts not in self._right or self._large:
            try:
                why = self._texts_fault(*texts, line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                why = f"the types of this line cannot be read: {error}"
            if why is not None:
                return why
            self._right.add(texts)
        return None

    def _texts_fault(
        self, database: bytes, table: bytes, keys: bytes, java: bytes, mysql: bytes, line: bytes
    ) -> str | None:
        if (_texts(database), _texts(table)) != self._schema.name:
            return "the names of this line are not those of its folder"
        primary = [column.name for column in self._schema.columns if column.primary_key]
        named = _names(keys)
        if (named != primary) if primary else not set(named or ()) <= self._columns.keys():
            return f"pkNames are {named}, the schema file has the key {primary}"
        numbers, types = _numbers_of(java), _texts_of(mysql)
        stored = [name for name in self._columns if name in types]
        if list(types) != stored or list(numbers) != stored:
            return "sqlType and mysqlType do not have the columns of the schema file, in their order"
        if self._mysql.setdefault(b",".join(name.encode() for name in stored), mysql) != mysql:
            return "mysqlType is not that of the lines before"
        for name, text in types.items():
            column = self._columns[name]
            if not _is_type(text, column):
                return f"mysqlType of column {name!r} is {text!r}, the schema file has {column.type}"
        values = _values_of(line).data[0] if self._large else {}
        for name, number in numbers.items():
            wanted = self._java(name, values.get(name))
            if number != wanted:
                return f"sqlType of column {name!r} is {number}, not {wanted}"
        return None

    def _java(self, name: str, value: str | None) -> int:
        column = self._columns[name]
        if name in self._large and value is not None and int(value) > self._large[name][0]:
            return self._large[name][1]
        return 2004 if column.type in BINARY_TYPES else _JAVA.get(column.type, 2005)


def _is_type(text: str, column: Column) -> bool:
    """True if `text` names the column's type: `varchar`, or with its width, `varchar(16)`; `int unsigned zerofill`."""
    width = _WIDTH.search(text)
    bare = _WIDTH.sub("", text)
    sign = " unsigned" if column.unsigned and column.type not in ("bit", "year") else ""
    names = {column.type + sign}
    if column.type in INTEGER_TYPES or column.type in ("decimal", "float", "double"):
        names |= {f"{name} zerofill" for name in names}
    return bare in names and (width is None or _fits(width[0][1:-1], column))


def _fits(width: str, column: Column) -> bool:
    """True if a width is the schema file's."""
    if column.type in ("enum", "set"):
        return width == ",".join("'" + element.replace("'", "''") + "'" for element in column.elements)
    numbers = [str(it) for it in (column.length, column.scale) if it is not None]
    return width in (",".join(numbers), *numbers)
