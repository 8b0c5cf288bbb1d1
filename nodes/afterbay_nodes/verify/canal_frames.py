"""What canal-json lines have around their values, and no reader of rows looks at: keys in order, key columns, types.

The decoder has read the values; here each line is held against the protocol and the schema file, byte by byte: its
beginning by its form, what is behind `"old":` by `CanalImages`. What stays open are the two times: `ts` is any number,
and `es` one that no commit-ts tells, unless commit-ts are TSOs, whose time it is in all lines of a file or in none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import msgspec
import pyarrow as pa

from afterbay.schema import BINARY_TYPES, INTEGER_TYPES, Column, TableSchema
from afterbay_nodes.decoders.json_lines import line_chunks
from afterbay_nodes.decoders.stored_rows import StoredRows
from afterbay_nodes.encoders.json_text import json_strings
from afterbay_nodes.encoders.mysql_type import elements_text
from afterbay_nodes.sources.tso import LOGICAL_BITS, physical_ms
from afterbay_nodes.verify.canal_images import CanalImages
from afterbay_nodes.verify.fault import Fault

CODE = "canal.frame"

_STRING = rb'"(?:[^"\\\x00-\x1f]|\\.)*+"'
_NUMBER = rb"(?:0|[1-9][0-9]*+)"
_HEAD = re.compile(
    rb'\{"id":0,"database":(?P<database>%(s)s),"table":(?P<table>%(s)s),"pkNames":(?P<keys>null|\[%(s)s(?:,%(s)s)*+\]),'
    rb'"isDdl":false,"type":"(?:INSERT|UPDATE|DELETE)","es":(?P<es>0|-?[1-9][0-9]*+),"ts":(?P<ts>%(n)s),"sql":"",'
    rb'"sqlType":(?P<java>\{(?:%(s)s:-?%(n)s,?)*+\}),"mysqlType":(?P<mysql>\{(?:%(s)s:%(s)s,?)*+\}),"old":'
    % {b"s": _STRING, b"n": _NUMBER},
    re.DOTALL,
)
_QUOTE = "'"
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


_names = msgspec.json.Decoder(list[str] | None).decode
_numbers_of = msgspec.json.Decoder(dict[str, int]).decode
_texts_of = msgspec.json.Decoder(dict[str, str]).decode
_LARGEST_MS = (1 << 63) - 1
_LEAST_TSO = 10**12 << LOGICAL_BITS  # of 2001: a smaller commit-ts is of another clock


class CanalFrames:
    """The lines of one file, which come with the rows that the decoder made of them. Used by one thread.

    Texts that were found right are remembered: few are different.
    """

    def __init__(self, data: pa.Buffer, schema: TableSchema, key: str) -> None:
        self._schema = schema
        self._key = key
        self._lines = _lines(data)
        self._images = CanalImages(schema)
        self._columns = {column.name: column for column in schema.stored_columns}
        self._large = {name: _ABOVE[it.type] for name, it in self._columns.items() if it.unsigned and it.type in _ABOVE}
        self._right: set[tuple[bytes, ...]] = set()
        self._mysql: dict[bytes, bytes] = {}  # the first text of a set of columns: all lines have the same
        self._is_tso: bool | None = None  # is `es` the time of the commit-ts? The first line says

    def fault(self, rows: StoredRows) -> Fault | None:
        """The first of the next lines, of which `rows` were decoded, that is not as the protocol writes it."""
        lines = list(islice(self._lines, rows.num_rows))
        stamps = [None] * len(lines) if rows.commit_ts is None else rows.commit_ts.to_pylist()
        large = {name: rows.rows.column(name).to_pylist() for name in self._large}
        rests: list[bytes] = []
        for at, (line, stamp) in enumerate(zip(lines, stamps, strict=True)):
            head = _HEAD.match(line)
            if head is None:
                return self._told(rows, at, "the keys of this line are not those of the protocol, in its order")
            why = self._head_fault(head, stamp, {name: values[at] for name, values in large.items()})
            if why is not None:
                return self._told(rows, at, why)
            rests.append(line[head.end() :])
        found = self._images.fault(rows, rests)
        return None if found is None else self._told(rows, *found)

    def _told(self, rows: StoredRows, at: int, why: str) -> Fault:
        return Fault(self._key, rows.first_row + at, CODE, why, str(self._schema.name))

    def _head_fault(self, head: re.Match[bytes], stamp: int | None, large: Mapping[str, int | None]) -> str | None:
        """What is wrong with the beginning of a line, in words."""
        es = int(head["es"])
        if abs(es) > _LARGEST_MS or int(head["ts"]) > _LARGEST_MS:
            return "`es` and `ts` are Unix milliseconds"
        if stamp is not None and stamp >= _LEAST_TSO:
            is_tso = es == physical_ms(stamp)
            if self._is_tso is None:
                self._is_tso = is_tso
            if is_tso != self._is_tso:
                return "`es` is the time of the commit-ts in some lines of the file only"
        texts = (head["database"], head["table"], head["keys"], head["java"], head["mysql"])
        if texts not in self._right or large:
            try:
                why = self._texts_fault(*texts, large)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                why = f"the types of this line cannot be read: {error}"
            if why is not None:
                return why
            self._right.add(texts)
        return None

    def _texts_fault(
        self, database: bytes, table: bytes, keys: bytes, java: bytes, mysql: bytes, large: Mapping[str, int | None]
    ) -> str | None:
        if [database, table] != json_strings([self._schema.name.schema, self._schema.name.table]):
            return "the names of this line are not those of its folder"
        primary = [column.name for column in self._schema.columns if column.primary_key]
        named = _names(keys)
        if (named != primary) if primary else not set(named or ()) <= self._columns.keys():
            return f"pkNames are {named}, the schema file has the key {primary}"
        numbers, types = _numbers_of(java), _texts_of(mysql)
        stored = [name for name in self._columns if name in types]
        if list(types) != stored or list(numbers) != stored:
            return "sqlType and mysqlType do not have the columns of the schema file, in their order"
        if (keys, java, mysql) != _written(named, numbers, types):
            return "pkNames, sqlType and mysqlType are not written as the protocol writes JSON"
        if self._mysql.setdefault(b",".join(name.encode() for name in stored), mysql) != mysql:
            return "mysqlType is not that of the lines before"
        for name, text in types.items():
            column = self._columns[name]
            if not _is_type(text, column):
                return f"mysqlType of column {name!r} is {text!r}, the schema file has {column.type}"
        for name, number in numbers.items():
            wanted = self._java(name, large.get(name))
            if number != wanted:
                return f"sqlType of column {name!r} is {number}, not {wanted}"
        return None

    def _java(self, name: str, value: int | None) -> int:
        column = self._columns[name]
        if name in self._large and value is not None and value > self._large[name][0]:
            return self._large[name][1]
        return 2004 if column.type in BINARY_TYPES else _JAVA.get(column.type, 2005)


def _lines(data: pa.Buffer) -> Iterator[bytes]:
    """All of them, without what ends them. The decoder has found them whole."""
    for lines in line_chunks(data):
        yield from lines


def _written(
    keys: Sequence[str] | None, numbers: Mapping[str, int], types: Mapping[str, str]
) -> tuple[bytes, bytes, bytes]:
    """pkNames, sqlType and mysqlType as the protocol writes them."""
    names = json_strings(list(numbers))
    java = b",".join(b"%b:%d" % pair for pair in zip(names, numbers.values(), strict=True))
    texts = json_strings(list(types.values()))
    mysql = b",".join(b"%b:%b" % pair for pair in zip(names, texts, strict=True))
    named = b"null" if keys is None else b"[" + b",".join(json_strings(list(keys))) + b"]"
    return named, b"{" + java + b"}", b"{" + mysql + b"}"


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
        return width in (
            elements_text(column),
            ",".join(f"'{it.replace(_QUOTE, 2 * _QUOTE)}'" for it in column.elements),
        )
    numbers = [str(it) for it in (column.length, column.scale) if it is not None]
    return width in (",".join(numbers), *numbers)
