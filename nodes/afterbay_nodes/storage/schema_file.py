"""Schema files: a table's columns at one version, with the DDL that made it, as bytes equal to TiCDC's.

`schema_files` says which files a DDL writes, in which order. Pure: nothing here touches a store.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from afterbay.errors import RunFailed
from afterbay.messages import DdlKind, SchemaChange
from afterbay.printable import visible
from afterbay.schema import LOGICAL_TYPES, TEMPORAL_TYPES, Column, Json, TableName, TableSchema
from afterbay_nodes.column_limits import limit_passed
from afterbay_nodes.storage.go_json import go_json
from afterbay_nodes.storage.layout import Layout

FORMAT_VERSION = 1

_DEFAULT_LENGTH: Mapping[str, int] = {
    "bit": 1,
    "tinyint": 4,
    "smallint": 6,
    "mediumint": 9,
    "int": 11,
    "bigint": 20,
    "double": 22,
    "float": 12,
    "decimal": 10,
    "year": 4,
    "char": 1,
    "binary": 1,
    "varchar": 5,
    "varbinary": 5,
    "tinytext": 255,
    "tinyblob": 255,
    "text": 65535,
    "blob": 65535,
    "mediumtext": 16777215,
    "mediumblob": 16777215,
    "longtext": 4294967295,
    "longblob": 4294967295,
}
"""Precision where the column sets none. A type that is missing here has no precision."""

_NUMBERS = ("ColumnPrecision", "ColumnScale", "ColumnId")
_DIGITS = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_OPTIONAL_SCALE = TEMPORAL_TYPES - {"date"} | {"float", "double"}

Entry = Mapping[str, Json]


@dataclass(frozen=True)
class SchemaFile:
    """One schema file. `columns` holds the entries of `TableColumns`, keys in their order; none for a database."""

    schema: str
    table: str
    version: int
    query: str = ""
    type: int = 0
    columns: tuple[Entry, ...] = ()

    @classmethod
    def of(
        cls, schema: TableSchema, version: int, query: str = "", type: int = 0, *, output_column_id: bool = False
    ) -> SchemaFile:
        """The file of a table at `version`. Query "" and type 0: it was not made by a DDL."""
        return cls(
            schema.name.schema,
            schema.name.table,
            version,
            query,
            type,
            tuple(column_entry(column, output_column_id) for column in schema.columns),
        )

    @cached_property
    def checksum(self) -> int:
        """CRC-32 over names and columns, whatever the columns' order, the version and the DDL."""
        hashed = {
            "Table": self.table,
            "Schema": self.schema,
            "Version": 0,
            "TableColumns": sorted(self.columns, key=_name_bytes),
            "TableColumnsTotal": len(self.columns),
        }
        return zlib.crc32(go_json(hashed).encode())

    def to_bytes(self) -> bytes:
        """The file's content."""
        content = {
            "Table": self.table,
            "Schema": self.schema,
            "Version": FORMAT_VERSION,
            "TableVersion": self.version,
            "Query": self.query,
            "Type": self.type,
            "TableColumns": self.columns or None,
            "TableColumnsTotal": len(self.columns),
        }
        return go_json(content).encode()

    @classmethod
    def from_bytes(cls, data: bytes, key: str) -> SchemaFile:
        """The inverse of `to_bytes`. Raises RunFailed naming `key` if the content is no schema file.

        A file that is given back has a checksum, and `table_schema` raises nothing but RunFailed.
        """
        try:
            file = cls._read(json.loads(data, parse_constant=_no_number))
            _ = file.checksum  # what has no canonical form is no content either
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RunFailed(
                "schema_file.unreadable",
                f"'{visible(key)}' is not a schema file: {visible(_why(error))}",
                hint="restore it, or remove it if nothing of its version was stored",
            ) from error
        return file

    @classmethod
    def _read(cls, content: Any) -> SchemaFile:
        if not isinstance(content, dict):
            raise ValueError("its content is no object")
        columns = content["TableColumns"]
        if columns is None:
            columns = []
        if not isinstance(columns, list) or content["Version"] != FORMAT_VERSION:
            raise ValueError("its version or its columns are not as they are written")
        if len(columns) != _number(content, "TableColumnsTotal", 0, len(columns)):
            raise ValueError("its number of columns is wrong")
        return cls(
            _text(content, "Schema"),
            _text(content, "Table"),
            _number(content, "TableVersion", 0, (1 << 64) - 1),
            _text(content, "Query"),
            _number(content, "Type", 0, (1 << 31) - 1),
            tuple(map(_entry, columns)),
        )

    def table_schema(self) -> TableSchema:
        """The columns as they can be told from the file: widths are explicit, unique keys and zerofill are lost."""
        columns = tuple(_column(entry) for entry in self.columns)
        return TableSchema(TableName(self.schema, self.table), self.version, columns)


@dataclass(frozen=True, slots=True)
class SchemaWrite:
    """A schema file to be made visible."""

    key: str
    data: bytes


def column_entry(column: Column, output_column_id: bool = False) -> dict[str, Json]:
    """The column as `TableColumns` has it: strings, absent where the value says nothing.

    Raises RunFailed if ids are asked for and the source gives none.
    """
    entry: dict[str, Json] = {}
    if output_column_id:
        if column.id is None:
            raise RunFailed(
                "schema_file.column_id",
                f"column {visible(column.name)} has no id, and output_column_id writes ids into schema files",
                hint="turn output_column_id off, or use a source that knows ids (change_log: `columnIds` of a DDL)",
            )
        entry["ColumnId"] = str(column.id)
    entry["ColumnName"] = column.name
    entry["ColumnType"] = column.type.upper() + (" UNSIGNED" if column.unsigned else "")
    if column.default is not None:
        entry["ColumnDefault"] = column.default
    if column.type in _DEFAULT_LENGTH:
        entry["ColumnPrecision"] = str(_DEFAULT_LENGTH[column.type] if column.length is None else column.length)
    if column.type == "decimal":
        entry["ColumnScale"] = str(column.scale or 0)
    elif column.type in _OPTIONAL_SCALE and column.scale is not None and column.scale > 0:
        entry["ColumnScale"] = str(column.scale)
    if not column.nullable:
        entry["ColumnNullable"] = "false"
    if column.primary_key:
        entry["ColumnIsPk"] = "true"
    if column.elements:
        entry["ColumnElems"] = list(column.elements)
    return entry


def schema_files(change: SchemaChange, layout: Layout) -> tuple[SchemaWrite, ...]:
    """The files that a DDL writes, in their order; each key once. Raises RunFailed before anything is written.

    A database-level DDL has one under the database's path (none with table-id paths); a dropped table has one
    with the columns that it had; a partitioned table's partitions share one, and one that is gone has none of its own.
    """
    if not change.tables:
        return _database_file(change, layout)
    if change.kind is DdlKind.EXCHANGE_PARTITION:
        return _exchange_files(change, layout)
    writes: dict[str, bytes] = {}
    stay = {table.after.name for table in change.tables if table.after is not None}
    for table in change.tables:
        schema = table.after or table.before
        if schema is None:
            raise _incomplete(change, "a table of it has neither columns before nor after")
        if table.after is None and schema.name in stay:
            continue
        file = SchemaFile.of(
            schema,
            change.commit_ts,
            table.query or change.query,
            int(change.kind),
            output_column_id=layout.output_column_id,
        )
        _add(writes, file, schema, change, layout)
    return tuple(SchemaWrite(key, data) for key, data in writes.items())


def _database_file(change: SchemaChange, layout: Layout) -> tuple[SchemaWrite, ...]:
    if change.database is None:
        raise _incomplete(change, "it names neither tables nor a database")
    if layout.use_table_id_as_path:
        return ()
    file = SchemaFile(change.database, "", change.commit_ts, change.query, int(change.kind))
    key = layout.schema_file(layout.database_directory(change.database), change.commit_ts, file.checksum)
    return (SchemaWrite(key, file.to_bytes()),)


def _exchange_files(change: SchemaChange, layout: Layout) -> tuple[SchemaWrite, ...]:
    after = [table.after for table in change.tables if table.after is not None]
    plain, parted = after[:1], after[1:]
    names = {schema.name for schema in parted}
    if not plain or plain[0].partition_id is not None or len(names) != 1 or plain[0].name in names:
        raise _incomplete(change, "an exchange needs the table without partitions, then the partitioned one")
    writes: dict[str, bytes] = {}
    query = next((table.query for table in change.tables if table.after is plain[0]), "") or change.query
    first = SchemaFile.of(plain[0], change.commit_ts, query, int(change.kind), output_column_id=layout.output_column_id)
    _add(writes, first, plain[0], change, layout)
    for schema in parted:
        other = SchemaFile.of(schema, change.commit_ts, output_column_id=layout.output_column_id)
        _add(writes, other, schema, change, layout)
    return tuple(SchemaWrite(key, data) for key, data in writes.items())


def _add(writes: dict[str, bytes], file: SchemaFile, schema: TableSchema, change: SchemaChange, layout: Layout) -> None:
    if file.columns:
        owner = layout.table_directory(schema)
    elif layout.use_table_id_as_path:
        return
    else:
        owner = layout.database_directory(file.schema)
    key = layout.schema_file(owner, file.version, file.checksum)
    data = file.to_bytes()
    if writes.setdefault(key, data) != data:
        raise _incomplete(change, f"two of its tables need different content in '{key}'")


def _incomplete(change: SchemaChange, why: str) -> RunFailed:
    return RunFailed(
        "ddl.incomplete",
        f"the DDL at {change.commit_ts} ({change.kind.name.lower()}) cannot be stored: {why}",
        hint="nothing of it was written; this is a fault of the source",
    )


def _name_bytes(entry: Entry) -> bytes:
    return str(entry["ColumnName"]).encode(errors="surrogatepass")


def _column(entry: Entry) -> Column:
    text = str(entry["ColumnType"])
    kind = text.removesuffix(" UNSIGNED").lower()
    if kind not in LOGICAL_TYPES:
        raise RunFailed(
            "schema_file.type", f"column '{visible(str(entry['ColumnName']))}' has the unknown type '{visible(text)}'"
        )
    elements = entry.get("ColumnElems")
    column = Column(
        name=str(entry["ColumnName"]),
        type=kind,
        unsigned=text.endswith(" UNSIGNED"),
        length=_integer(entry.get("ColumnPrecision")),
        scale=_integer(entry.get("ColumnScale")),
        nullable=entry.get("ColumnNullable") != "false",
        primary_key=entry.get("ColumnIsPk") == "true",
        default=entry.get("ColumnDefault"),
        elements=tuple(str(item) for item in elements) if isinstance(elements, Iterable) else (),
        id=_integer(entry.get("ColumnId")),
    )
    if (passed := limit_passed(column)) is not None:
        raise RunFailed("schema_file.column", f"column '{visible(column.name)}': {passed}")
    return column


def _integer(value: Json) -> int | None:
    return None if value is None else int(str(value))


def _entry(value: Any) -> Entry:
    """One of `TableColumns`, as it is. Raises ValueError or KeyError if a column cannot be told from it."""
    if not isinstance(value, dict):
        raise ValueError("a column is no object")
    _text(value, "ColumnName")
    _text(value, "ColumnType")
    for key in _NUMBERS:
        if key in value and not _DIGITS.fullmatch(_text(value, key)):
            raise ValueError(f"{key} is {value[key]!r}, not a number in quotes")
    elements = value.get("ColumnElems", [])
    if not isinstance(elements, list) or not all(isinstance(element, str) for element in elements):
        raise ValueError("ColumnElems is no list of texts")
    if isinstance(value.get("ColumnDefault"), dict | list):
        raise ValueError("ColumnDefault is no single value")
    return value


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content[key]
    if not isinstance(value, str):
        raise ValueError(f"{key} is no text")
    return value


def _number(content: Mapping[str, Any], key: str, least: int, most: int) -> int:
    value = content[key]
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{key} is no number from {least} to {most}")
    return value


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _why(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error}"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
