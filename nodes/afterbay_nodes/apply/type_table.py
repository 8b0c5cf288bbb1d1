"""Which type a column has in each target: the one table, as docs/apply.md prints it. Every value survives (lossless).

========================= ================= ======================== ==========================
logical type              SQLite            DuckDB                   PostgreSQL
========================= ================= ======================== ==========================
tinyint … int             INTEGER           TINYINT … INTEGER        smallint … integer
tinyint … int unsigned    INTEGER           UTINYINT … UINTEGER      smallint … bigint
bigint                    INTEGER           BIGINT                   bigint
bigint unsigned           (none)            UBIGINT                  numeric(20,0)
bit                       (none)            UBIGINT                  numeric(20,0)
year                      INTEGER           USMALLINT                smallint
float, double             REAL              FLOAT, DOUBLE            real, double precision
decimal(p,s)              TEXT              DECIMAL(p,s), VARCHAR    numeric(p,s)
                                            beyond 38 digits
date                      TEXT              DATE                     date
datetime, timestamp       TEXT              TIMESTAMP                timestamp without time zone
time                      TEXT              INTERVAL                 interval
char … longtext, vector   TEXT              VARCHAR                  text
enum, set (their names)   TEXT              VARCHAR                  text
json                      TEXT              JSON                     json
binary … longblob         BLOB              BLOB                     bytea
========================= ================= ======================== ==========================

With `--temporal text` the three temporal rows are text everywhere. A SQLite column of type (none) keeps numbers up to
2^63 - 1 as integers and larger ones as text. Types are spelled as the target's own catalog spells them, so that what
is there can be compared with what is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from afterbay.schema import BINARY_TYPES, INTEGER_TYPES, TEMPORAL_TYPES, TEXT_TYPES, Column

DUCKDB_DIGITS = 38
"""The most digits of a DuckDB DECIMAL."""

DEFAULT_DECIMAL = (10, 0)
"""Precision and scale of a MySQL decimal that says none."""


class Temporal(StrEnum):
    """How dates and times are kept: in the target's own types, which hold no zero date, or as their text."""

    NATIVE = "native"
    TEXT = "text"


_DUCKDB: Mapping[str, tuple[str, str]] = {
    "tinyint": ("TINYINT", "UTINYINT"),
    "smallint": ("SMALLINT", "USMALLINT"),
    "mediumint": ("INTEGER", "UINTEGER"),
    "int": ("INTEGER", "UINTEGER"),
    "bigint": ("BIGINT", "UBIGINT"),
}
_POSTGRES: Mapping[str, tuple[str, str]] = {
    "tinyint": ("smallint", "smallint"),
    "smallint": ("smallint", "integer"),
    "mediumint": ("integer", "bigint"),
    "int": ("integer", "bigint"),
    "bigint": ("bigint", "numeric(20,0)"),
}


def is_wide(column: Column) -> bool:
    """True if a value may be above 2^63 - 1."""
    return column.type == "bit" or (column.type == "bigint" and column.unsigned)


def is_named(column: Column) -> bool:
    """True for an enum or a set, whose values the targets keep by name."""
    return column.type in ("enum", "set")


def digits_of(column: Column) -> tuple[int, int]:
    """Precision and scale of a decimal."""
    precision, scale = DEFAULT_DECIMAL
    return (
        column.length if column.length is not None else precision,
        column.scale if column.scale is not None else scale,
    )


def sqlite_type(column: Column) -> str:
    """The declared type, which decides the column's affinity; "" for none."""
    if is_wide(column):
        return ""
    if column.type in INTEGER_TYPES or column.type == "year":
        return "INTEGER"
    if column.type in ("float", "double"):
        return "REAL"
    return "BLOB" if column.type in BINARY_TYPES else "TEXT"


def duckdb_type(column: Column, temporal: Temporal) -> str:
    """The type as `duckdb_columns()` spells it."""
    if column.type in INTEGER_TYPES:
        return _DUCKDB[column.type][column.unsigned]
    if column.type == "decimal":
        precision, scale = digits_of(column)
        return f"DECIMAL({precision},{scale})" if precision <= DUCKDB_DIGITS else "VARCHAR"
    if column.type in TEMPORAL_TYPES and temporal is Temporal.TEXT:
        return "VARCHAR"
    if column.type in TEXT_TYPES or column.type in ("vector", "enum", "set"):
        return "VARCHAR"
    if column.type in BINARY_TYPES:
        return "BLOB"
    return {
        "bit": "UBIGINT",
        "year": "USMALLINT",
        "float": "FLOAT",
        "double": "DOUBLE",
        "date": "DATE",
        "datetime": "TIMESTAMP",
        "timestamp": "TIMESTAMP",
        "time": "INTERVAL",
        "json": "JSON",
    }[column.type]


def postgres_type(column: Column, temporal: Temporal) -> str:
    """The type as `format_type` spells it."""
    if column.type in INTEGER_TYPES:
        return _POSTGRES[column.type][column.unsigned]
    if column.type == "decimal":
        precision, scale = digits_of(column)
        return f"numeric({precision},{scale})"
    if column.type in TEMPORAL_TYPES and temporal is Temporal.TEXT:
        return "text"
    if column.type in TEXT_TYPES or column.type in ("vector", "enum", "set"):
        return "text"
    if column.type in BINARY_TYPES:
        return "bytea"
    return {
        "bit": "numeric(20,0)",
        "year": "smallint",
        "float": "real",
        "double": "double precision",
        "date": "date",
        "datetime": "timestamp without time zone",
        "timestamp": "timestamp without time zone",
        "time": "interval",
        "json": "json",
    }[column.type]
