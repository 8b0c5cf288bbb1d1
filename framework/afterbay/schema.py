"""Tables and their columns: what a row's Arrow columns mean, and how they are named in the store.

Logical types are MySQL's, because the storage protocol speaks them (`docs/storage-protocol.md`); a source of
another kind maps its own types onto them by a documented table. Rows stay in Arrow:

====================================== ============================== =======================================
logical type                           Arrow type                     value
====================================== ============================== =======================================
tinyint smallint mediumint int bigint  int8 int16 int32 int32 int64   unsigned: uint8 … uint64
year, bit                              uint16, uint64
float, double                          float32, float64
decimal                                utf8                           exact decimal text
date datetime timestamp time           utf8                           canonical text, so that zero dates survive
char varchar *text json vector         utf8
binary varbinary *blob                 binary
enum                                   uint16                         1-based index into `elements`, 0 = ''
set                                    uint64                         bit mask over `elements`
====================================== ============================== =======================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import pyarrow as pa

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

INTEGER_TYPES: Mapping[str, tuple[pa.DataType, pa.DataType]] = {
    "tinyint": (pa.int8(), pa.uint8()),
    "smallint": (pa.int16(), pa.uint16()),
    "mediumint": (pa.int32(), pa.uint32()),
    "int": (pa.int32(), pa.uint32()),
    "bigint": (pa.int64(), pa.uint64()),
}
BINARY_TYPES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
TEXT_TYPES = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
TEMPORAL_TYPES = frozenset({"date", "datetime", "timestamp", "time"})
_OTHER_TYPES: Mapping[str, pa.DataType] = {
    "year": pa.uint16(),
    "bit": pa.uint64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "decimal": pa.utf8(),
    "json": pa.utf8(),
    "vector": pa.utf8(),
    "enum": pa.uint16(),
    "set": pa.uint64(),
}
LOGICAL_TYPES = frozenset(INTEGER_TYPES) | BINARY_TYPES | TEXT_TYPES | TEMPORAL_TYPES | frozenset(_OTHER_TYPES)


def arrow_type(logical: str, *, unsigned: bool = False) -> pa.DataType:
    """The Arrow type that carries `logical`. Raises KeyError for a type that is not in `LOGICAL_TYPES`."""
    if logical in INTEGER_TYPES:
        return INTEGER_TYPES[logical][1 if unsigned else 0]
    if logical in BINARY_TYPES:
        return pa.binary()
    if logical in TEXT_TYPES or logical in TEMPORAL_TYPES:
        return pa.utf8()
    return _OTHER_TYPES[logical]


class TableName(NamedTuple):
    """A table's two names. `schema` is the database."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


class RowPosition(NamedTuple):
    """(commit-ts, ordinal): where a change stands in its dispatcher. Orders as a tuple."""

    commit_ts: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `length` is the width or precision, `scale` the digits after the point or of a second."""

    name: str
    type: str
    unsigned: bool = False
    zerofill: bool = False
    length: int | None = None
    scale: int | None = None
    nullable: bool = True
    primary_key: bool = False
    unique_key: bool = False
    default: Json = None
    elements: tuple[str, ...] = ()
    id: int | None = None
    virtual: bool = False

    @property
    def arrow_type(self) -> pa.DataType:
        """The Arrow type of this column's values."""
        return arrow_type(self.type, unsigned=self.unsigned)

    def to_json(self) -> dict[str, Json]:
        """Plain data; the defaults are left out."""
        out: dict[str, Json] = {"name": self.name, "type": self.type}
        for key in ("unsigned", "zerofill", "primary_key", "unique_key", "virtual"):
            if getattr(self, key):
                out[key] = True
        if not self.nullable:
            out["nullable"] = False
        for key in ("length", "scale", "default", "id"):
            value = getattr(self, key)
            if value is not None:
                out[key] = value
        if self.elements:
            out["elements"] = list(self.elements)
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Column:
        """The inverse of :meth:`to_json`."""
        values = dict(data)
        elements = values.pop("elements", ())
        assert isinstance(elements, list | tuple)
        return cls(elements=tuple(str(item) for item in elements), **values)  # type: ignore[arg-type]


@dataclass(frozen=True)
class TableSchema:
    """A table at one schema version. `version` is the commit-ts of the DDL that made it (or the start ts).

    `name` is the *target* name: a route renames it, while the dispatcher that carries the rows stays the same.
    """

    name: TableName
    version: int
    columns: tuple[Column, ...]
    table_id: int | None = None
    partition_id: int | None = None
    route_key: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        # Built once: a str caches its hash, so that a cached route neither hashes nor allocates.
        object.__setattr__(self, "route_key", f"{self.name.schema}\x00{self.name.table}")

    @cached_property
    def stored_columns(self) -> tuple[Column, ...]:
        """The columns that rows carry, in table order: all but virtual generated ones."""
        return tuple(column for column in self.columns if not column.virtual)

    @cached_property
    def key_columns(self) -> tuple[Column, ...]:
        """The handle key: the primary key, else a not-null unique key, else none."""
        primary = tuple(column for column in self.columns if column.primary_key)
        return primary or tuple(column for column in self.columns if column.unique_key and not column.nullable)

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema of a batch's `rows`: one field per stored column."""
        return pa.schema([pa.field(column.name, column.arrow_type) for column in self.stored_columns])

    def renamed(self, name: TableName) -> TableSchema:
        """The same columns and version under another name."""
        return self if name == self.name else replace(self, name=name)

    def to_json(self) -> dict[str, Json]:
        """Plain data for the state database."""
        return {
            "schema": self.name.schema,
            "table": self.name.table,
            "version": self.version,
            "table_id": self.table_id,
            "partition_id": self.partition_id,
            "columns": [column.to_json() for column in self.columns],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object] | str) -> TableSchema:
        """The inverse of :meth:`to_json`; also takes its JSON text."""
        values: Mapping[str, object] = json.loads(data) if isinstance(data, str) else data
        columns = values["columns"]
        assert isinstance(columns, list)
        return cls(
            name=TableName(str(values["schema"]), str(values["table"])),
            version=int(str(values["version"])),
            columns=tuple(Column.from_json(item) for item in columns),
            table_id=_optional_int(values.get("table_id")),
            partition_id=_optional_int(values.get("partition_id")),
        )


def _optional_int(value: object) -> int | None:
    return None if value is None else int(str(value))
