"""What a Parquet or Avro file is to hold, a row and a value at a time. Slow and plain on purpose."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import fastavro

from afterbay.messages import ChangeBatch, Op
from afterbay.schema import Column

Value = Any
Row = dict[str, Value]


def avro_rows(batch: ChangeBatch, *, before: bool) -> list[Row]:
    """The records, by their fields' escaped names."""
    return _rows(batch, before, _avro_name, _avro_value)


def parquet_rows(batch: ChangeBatch, *, before: bool) -> list[Row]:
    """The rows, by the columns' names in the file. Options at their defaults."""
    return _rows(batch, before, _parquet_name, _parquet_value)


def avro_block(rows: Sequence[Row], schema: Mapping[str, Any], marker: bytes) -> bytes:
    """One block without compression, as fastavro writes it."""
    out = io.BytesIO()
    fastavro.writer(out, schema, [], sync_marker=marker)
    start = out.tell()
    out = io.BytesIO()
    fastavro.writer(out, schema, rows, sync_marker=marker, sync_interval=1 << 60)
    return out.getvalue()[start:]


def true_name(escaped: str) -> str:
    """The name that an Avro name stands for, from the documented rule alone."""
    if escaped == "_x_":
        return ""
    return re.sub(r"_x([0-9A-F]{4,6})_", lambda found: chr(int(found[1], 16)), escaped)


def _rows(batch: ChangeBatch, before: bool, name: Any, value: Any) -> list[Row]:
    columns = batch.schema.stored_columns
    after = list(zip(*(column.to_pylist() for column in batch.rows.columns), strict=True))
    old: list[Any] = [None] * len(after)
    if batch.before is not None:
        old = list(zip(*(column.to_pylist() for column in batch.before.columns), strict=True))
    made = []
    for number, (op, commit_ts, ordinal) in enumerate(
        zip(batch.ops.to_pylist(), batch.commit_ts.to_pylist(), batch.ordinals.to_pylist(), strict=True)
    ):
        row: Row = {"_op": "IUD"[op], "_commit_ts": commit_ts, "_ordinal": ordinal}
        row |= {name(column): value(column, item) for column, item in zip(columns, after[number], strict=True)}
        if before:
            row["_before"] = None
            if op == Op.UPDATE:
                pairs = zip(columns, old[number], strict=True)
                row["_before"] = {name(column): value(column, item) for column, item in pairs}
        made.append(row)
    return made


def _avro_value(column: Column, value: Value) -> Value:
    if value is None:
        return None
    if column.type in ("enum", "set"):
        return _names(column, value)
    if column.type == "bit" or (column.type == "bigint" and column.unsigned):
        return str(value)
    return value


def _parquet_value(column: Column, value: Value) -> Value:
    if value is None:
        return None
    if column.type in ("enum", "set"):
        return _names(column, value)
    digits, scale = column.length, column.scale or 0
    if column.type == "decimal" and digits is not None and 0 <= scale <= digits <= 38:
        return Decimal(value)
    return value


def _names(column: Column, value: int) -> str:
    if column.type == "enum":
        return column.elements[value - 1] if value else ""
    return ",".join(name for bit, name in enumerate(column.elements) if value & (1 << bit))


def _avro_name(column: Column) -> str:
    out = ""
    for at, character in enumerate(column.name):
        ascii_word = character.isascii() and (character.isalnum() or character == "_")
        rest = column.name[at + 1 :]
        opens = character == "_" and (re.match(r"x[0-9A-F]{4}", rest) or rest.startswith("x_"))
        first_digit = at == 0 and character in "0123456789"
        own = at == 0 and column.name.lower() in ("_op", "_commit_ts", "_ordinal", "_before")
        out += character if ascii_word and not opens and not first_digit and not own else f"_x{ord(character):04X}_"
    return out or "_x_"


def _parquet_name(column: Column) -> str:
    if column.name.lower() in ("_op", "_commit_ts", "_ordinal", "_before") or column.name.startswith("_x005F_"):
        return "_x005F_" + column.name[1:]
    return column.name
