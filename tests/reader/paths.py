"""The grammar of paths under the root (§1): every name is one of four kinds, or it does not belong there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple
from urllib.parse import unquote

SCHEMA_FILE = re.compile(r"schema_(\d+)_(\d{10})\.json\Z")
PLAIN_FILE = re.compile(r"CDC(\d+)\.(\w+)\Z")
NODE_FILE = re.compile(r"CDC_([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})_(\d+)\.(\w+)\Z")
PLAIN_INDEX = re.compile(r"CDC\.index\Z")
NODE_INDEX = re.compile(r"CDC_([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.index\Z")
DATES = {
    "none": None,
    "year": re.compile(r"\d{4}\Z"),
    "month": re.compile(r"\d{4}-(0[1-9]|1[0-2])\Z"),
    "day": re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])\Z"),
}


class TablePath(NamedTuple):
    """The levels that name a table, as they stand in the path: `schema` is "" where the table id is the path."""

    schema: str
    table: str

    def names(self, schema: str, table: str) -> bool:
        """True if these levels stand for that table; levels may be percent-escaped."""
        return self.schema == "" or (_same(self.schema, schema) and (self.table == table or _same(self.table, table)))


@dataclass(frozen=True, slots=True)
class StoreShape:
    """The options that shape the paths of one store. `digits` is `file-index-digit`.

    `shared_partitions`: there are partitioned tables, and no level for partitions.
    """

    extension: str
    date: Literal["none", "year", "month", "day"] = "day"
    digits: int = 20
    table_id_paths: bool = False
    across_nodes: bool = False
    shared_partitions: bool = False


@dataclass(frozen=True, slots=True, order=True)
class StreamPath:
    """One directory of data files. `partition`, `date` and `dispatcher` are "" where the store has no such level."""

    table: TablePath
    version: int
    partition: str
    dispatcher: str
    date: str


@dataclass(frozen=True, slots=True)
class SchemaPath:
    """A schema file. `table.table` is "" at database level."""

    table: TablePath
    version: int
    checksum: int


@dataclass(frozen=True, slots=True)
class DataPath:
    stream: StreamPath
    number: int


@dataclass(frozen=True, slots=True)
class IndexPath:
    stream: StreamPath


@dataclass(frozen=True, slots=True)
class MetadataPath:
    """`metadata` at the root."""


Known = SchemaPath | DataPath | IndexPath | MetadataPath


def parse(path: str, shape: StoreShape) -> Known | None:
    """What `path` (relative, `/` between levels) is, or None if no rule of the protocol gives such a name."""
    if path == "metadata":
        return MetadataPath()
    levels = path.split("/")
    if len(levels) >= 2 and levels[-2] == "meta" and (found := SCHEMA_FILE.match(levels[-1])):
        owner = _schema_owner(levels[:-2], shape)
        return None if owner is None else SchemaPath(owner, int(found[1]), int(found[2]))
    if len(levels) >= 2 and levels[-2] == "meta":
        return _index(levels, shape)
    return _data(levels, shape)


def data_name(number: int, shape: StoreShape, dispatcher: str = "") -> str:
    """The base name of data file `number`."""
    middle = f"_{dispatcher}_" if dispatcher else ""
    return f"CDC{middle}{number:0{shape.digits}d}.{shape.extension}"


def _schema_owner(levels: list[str], shape: StoreShape) -> TablePath | None:
    if shape.table_id_paths:
        return TablePath("", levels[0]) if len(levels) == 1 and levels[0].isdecimal() else None
    if len(levels) == 1 and levels[0]:
        return TablePath(levels[0], "")
    return TablePath(levels[0], levels[1]) if len(levels) == 2 and all(levels) else None


def _index(levels: list[str], shape: StoreShape) -> IndexPath | None:
    found = (NODE_INDEX if shape.across_nodes else PLAIN_INDEX).match(levels[-1])
    if found is None:
        return None
    stream = _stream(levels[:-2], shape, found[1] if shape.across_nodes else "")
    return None if stream is None else IndexPath(stream)


def _data(levels: list[str], shape: StoreShape) -> DataPath | None:
    found = (NODE_FILE if shape.across_nodes else PLAIN_FILE).match(levels[-1])
    if found is None:
        return None
    number = found[2] if shape.across_nodes else found[1]
    padded = len(number) == shape.digits or (len(number) > shape.digits and number[0] != "0")
    if not padded or int(number) < 1 or found[found.lastindex or 0] != shape.extension:
        return None
    stream = _stream(levels[:-1], shape, found[1] if shape.across_nodes else "")
    return None if stream is None else DataPath(stream, int(number))


def _stream(levels: list[str], shape: StoreShape, dispatcher: str) -> StreamPath | None:
    head = 1 if shape.table_id_paths else 2
    if len(levels) < head + 1 or not all(levels):
        return None
    table = TablePath("", levels[0]) if shape.table_id_paths else TablePath(levels[0], levels[1])
    version, rest = levels[head], levels[head + 1 :]
    if not version.isdecimal() or (shape.table_id_paths and not levels[0].isdecimal()):
        return None
    date, pattern = "", DATES[shape.date]
    if pattern is not None:
        if not rest or not pattern.match(rest[-1]):
            return None
        date, rest = rest[-1], rest[:-1]
    if len(rest) > 1 or (rest and (shape.table_id_paths or not rest[0].isdecimal())):
        return None
    return StreamPath(table, int(version), rest[0] if rest else "", dispatcher, date)


def _same(level: str, name: str) -> bool:
    """Escaped levels: `%XX` is a byte of UTF-8, `%_` the empty name; what follows `%~` stands for the cut-off rest."""
    kept, cut, _ = level.partition("%~")
    plain = "" if level == "%_" else unquote(kept, errors="strict")
    return level == name or (name.startswith(plain) if cut else name == plain)
