"""Schema files (§3): parsed, written again as Go writes JSON, and their checksum computed anew."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import Any

from tests.reader.findings import Damage

FILE_KEYS = [
    "Table",
    "Schema",
    "Version",
    "TableVersion",
    "Query",
    "Type",
    "TableColumns",
    "TableColumnsTotal",
]
COLUMN_KEYS = [
    "ColumnId",
    "ColumnName",
    "ColumnType",
    "ColumnDefault",
    "ColumnPrecision",
    "ColumnScale",
    "ColumnNullable",
    "ColumnIsPk",
    "ColumnElems",
]
_GO_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


@dataclass(frozen=True, slots=True)
class SchemaColumn:
    """`type` as written (`INT UNSIGNED`); `precision` and `scale` are text or None."""

    name: str
    type: str
    precision: str | None
    scale: str | None
    nullable: bool
    primary_key: bool
    elements: tuple[str, ...]
    default: Any


@dataclass(frozen=True, slots=True)
class SchemaFile:
    """A schema file as read. `columns` is empty at database level. `query` "" says that it is no DDL."""

    schema: str
    table: str
    version: int
    query: str
    type: int
    columns: tuple[SchemaColumn, ...]
    checksum: int


def go_json(value: object) -> str:
    """`value` as Go's MarshalIndent with four spaces writes it."""
    text = json.dumps(value, indent=4, ensure_ascii=False)
    for character, escape in _GO_ESCAPES.items():
        text = text.replace(character, escape)
    return text


def checksum(document: dict[str, Any]) -> int:
    """CRC-32 over names, columns sorted bytewise by name, and their number; Query, Type and version do not enter."""
    columns = sorted(document["TableColumns"] or [], key=lambda column: column["ColumnName"].encode())
    reduced = {
        "Table": document["Table"],
        "Schema": document["Schema"],
        "Version": 0,
        "TableColumns": columns,
        "TableColumnsTotal": document["TableColumnsTotal"],
    }
    return zlib.crc32(go_json(reduced).encode())


def parse(data: bytes) -> SchemaFile:
    """Reads one file. Raises Damage where a rule of §3 is broken."""
    try:
        document = json.loads(data.decode())
    except ValueError as error:
        raise Damage("schema.json", f"not JSON: {error}") from error
    if list(document) != FILE_KEYS:
        raise Damage("schema.keys", f"keys are {list(document)}, not {FILE_KEYS}")
    columns = document["TableColumns"]
    for column in columns or []:
        if list(column) != [key for key in COLUMN_KEYS if key in column] or "ColumnName" not in column:
            raise Damage("schema.keys", f"column keys {list(column)} are unknown or out of order")
    if document["Version"] != 1:
        raise Damage("schema.keys", f"Version is {document['Version']}, not 1")
    if columns == [] or document["TableColumnsTotal"] != len(columns or []):
        raise Damage("schema.columns", f"TableColumnsTotal is {document['TableColumnsTotal']} for {columns!r}")
    if go_json(document).encode() != data:
        raise Damage("schema.form", "not the bytes that Go's encoder writes (indent, escapes)")
    return SchemaFile(
        document["Schema"],
        document["Table"],
        document["TableVersion"],
        document["Query"],
        document["Type"],
        tuple(_column(column) for column in columns or []),
        checksum(document),
    )


def _column(column: dict[str, Any]) -> SchemaColumn:
    for key, only in (("ColumnNullable", "false"), ("ColumnIsPk", "true")):
        if column.get(key, only) != only:
            raise Damage("schema.columns", f"{key} is {column[key]!r}: it is {only!r} or absent")
    for key in ("ColumnId", "ColumnName", "ColumnType", "ColumnPrecision", "ColumnScale"):
        if not isinstance(column.get(key, ""), str):
            raise Damage("schema.columns", f"{key} is {column[key]!r}, not a string")
    return SchemaColumn(
        column["ColumnName"],
        column["ColumnType"],
        column.get("ColumnPrecision"),
        column.get("ColumnScale"),
        column.get("ColumnNullable") != "false",
        column.get("ColumnIsPk") == "true",
        tuple(column.get("ColumnElems", ())),
        column.get("ColumnDefault"),
    )
