"""A Parquet file's columns -> those of its schema file: which types may stand for which, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from afterbay.schema import TEMPORAL_TYPES, Column, TableSchema
from afterbay_nodes.decoders.clock_text import date_text, datetime_text, time_text
from afterbay_nodes.decoders.decimal_text import decimal_text
from afterbay_nodes.decoders.described_check import (
    NotAsDescribed,
    check_columns,
    check_digits,
    check_table,
    facts_of,
)
from afterbay_nodes.decoders.text_values import values_of
from afterbay_nodes.encoders.described import BEFORE, COLUMN_KEY, COMMIT_TS, OPERATION, ORDINAL, TABLE_KEY
from afterbay_nodes.encoders.parquet_columns import parquet_name

Values = Callable[[pa.Array], pa.Array]

_OWN = ((OPERATION, pa.utf8()), (COMMIT_TS, pa.uint64()), (ORDINAL, pa.uint32()))
_LEADING = len(_OWN)


@dataclass(frozen=True, slots=True)
class ParquetWay:
    """How a file's columns become the schema's. `before`: the file has a column of the rows before updates."""

    values: tuple[Values, ...]
    before: bool

    @classmethod
    def of(cls, found: pa.Schema, schema: TableSchema) -> ParquetWay:
        """Raises NotAsDescribed if the columns `found` in the file are not those of `schema`."""
        own, fields, rest = list(found)[:_LEADING], list(found)[_LEADING:], []
        if [(field.name, field.type) for field in own] != list(_OWN):
            told = ", ".join(f"{field.name} {field.type}" for field in own)
            raise NotAsDescribed(f"the file begins with the columns {told}; Afterbay's with _op, _commit_ts, _ordinal")
        if fields and fields[-1].name == BEFORE:
            rest = [fields.pop()]
        check_table(facts_of((found.metadata or {}).get(TABLE_KEY.encode())), schema)
        values = _ways(fields, schema)
        if rest:
            old = rest[0].type
            if not pa.types.is_struct(old) or [(f.name, f.type) for f in old] != [(f.name, f.type) for f in fields]:
                raise NotAsDescribed(f"`{BEFORE}` has other columns than the table: {old}")
        return cls(values, bool(rest))


def _ways(fields: Sequence[pa.Field], schema: TableSchema) -> tuple[Values, ...]:
    facts = [facts_of((field.metadata or {}).get(COLUMN_KEY.encode())) for field in fields]
    check_columns(facts, schema)
    for field, column in zip(fields, schema.stored_columns, strict=True):
        if field.name != parquet_name(column.name):
            raise NotAsDescribed(f"the column {field.name!r} says that it is {column.name!r}")
    return tuple(_way(field.type, column) for field, column in zip(fields, schema.stored_columns, strict=True))


def _way(found: pa.DataType, column: Column) -> Values:
    kind = column.type
    if kind == "decimal" and pa.types.is_decimal(found):
        check_digits(found.scale, column)
        return decimal_text
    native = _NATIVE.get(kind)
    if native is not None and found == native[0]:
        return partial(native[1], column)
    if found != (pa.utf8() if kind in ("enum", "set") else column.arrow_type):
        raise NotAsDescribed(f"column {column.name!r}, a {kind}, is {found} in the file")
    if kind in TEMPORAL_TYPES or kind in ("decimal", "enum", "set"):
        return lambda text: values_of(column, text, binary="base64", by_name=True)
    return lambda values: values


def _time_of_day(column: Column, values: pa.Array) -> pa.Array:
    return time_text(column, values.cast(pa.int64()))


_NATIVE: dict[str, tuple[pa.DataType, Callable[[Column, pa.Array], pa.Array]]] = {
    "date": (pa.date32(), date_text),
    "datetime": (pa.timestamp("us"), datetime_text),
    "timestamp": (pa.timestamp("us"), datetime_text),
    "time": (pa.time64("us"), _time_of_day),
}
