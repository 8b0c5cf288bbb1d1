"""What the rows that a table has get in a new column: its default, or what its type has for nothing.

A DDL fills them without a row change in the store. `ColumnDefault` is whatever JSON the writer had; a default that only
the source could work out (the time of the DDL, an expression) is not there to be had.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Context, Decimal

import pyarrow as pa

from afterbay.schema import BINARY_TYPES, INTEGER_TYPES, TEXT_TYPES, Column
from afterbay_nodes.apply.type_table import digits_of
from afterbay_nodes.sources.row_columns import BadValues, to_arrow

_BITS = re.compile(r"b'([01]+)'|0b([01]+)", re.IGNORECASE)
_DIGITS = re.compile(r"-?[0-9]+")


@dataclass(frozen=True, slots=True)
class Fill:
    """`value` is an array of length 1, null if the rows get none. `unknown`: why the store does not say it, else ""."""

    value: pa.Array
    unknown: str = ""


def fill_of(column: Column) -> Fill:
    """What rows that are there get in `column` when it is added."""
    nothing = pa.nulls(1, column.arrow_type)
    if column.default is None:
        return Fill(nothing if column.nullable else _implicit(column))
    try:
        return Fill(_parsed(column, _text(column.default)))
    except (BadValues, ValueError, ArithmeticError):
        return Fill(nothing, f"its default is worked out at the source ({_text(column.default)[:60]})")


def _text(default: object) -> str:
    if isinstance(default, bool):
        return str(int(default))
    return default if isinstance(default, str) else repr(default)


def _parsed(column: Column, text: str) -> pa.Array:
    if column.type == "enum":
        return pa.array([_element(column, text)], pa.uint16())
    if column.type == "set":
        mask = sum(1 << (_element(column, name) - 1) for name in text.split(",") if name)
        return pa.array([mask], pa.uint64())
    if column.type == "bit":
        return pa.array([_bits(text)], pa.uint64())
    if column.type in BINARY_TYPES:
        return pa.array([_padded(column, text.encode())], pa.binary())
    if column.type in INTEGER_TYPES or column.type == "year":
        text = text.strip()
    elif column.type == "decimal":
        text = format(Decimal(text).quantize(Decimal(1).scaleb(-digits_of(column)[1]), context=Context(prec=100)), "f")
    elif column.type in ("datetime", "timestamp", "time"):
        text = _with_fraction(column, text)
    return to_arrow(column, [text])


def _with_fraction(column: Column, text: str) -> str:
    """Canonical text has as many digits of a second as the column, and a datetime always has its time."""
    if column.type != "time" and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        text += " 00:00:00"
    whole, _, part = text.partition(".")
    digits = column.scale or 0
    return whole + (f".{part.ljust(digits, '0')[:digits]}" if digits else "")


def _implicit(column: Column) -> pa.Array:
    """NOT NULL without a default: what MySQL takes for nothing."""
    if column.type in INTEGER_TYPES or column.type in ("year", "bit", "float", "double", "set"):
        return pa.array([0], pa.int64()).cast(column.arrow_type)
    if column.type == "enum":
        return pa.array([1 if column.elements else 0], pa.uint16())
    if column.type in BINARY_TYPES:
        return pa.array([_padded(column, b"")], pa.binary())
    fraction = "." + "0" * column.scale if column.scale else ""
    text = {
        "decimal": "0" + fraction,
        "date": "0000-00-00",
        "datetime": "0000-00-00 00:00:00" + fraction,
        "timestamp": "0000-00-00 00:00:00" + fraction,
        "time": "00:00:00" + fraction,
        "json": "null",
    }.get(column.type, "")
    assert text or column.type in TEXT_TYPES or column.type == "vector"
    return pa.array([text], pa.utf8())


def _element(column: Column, name: str) -> int:
    """The number of an element by its name; MySQL's names have no case."""
    exact = {element: number for number, element in enumerate(column.elements, 1)}
    if name in exact:
        return exact[name]
    folded = {element.casefold(): number for element, number in exact.items()}
    if name.casefold() not in folded:
        raise ValueError(f"no element {name!r}")
    return folded[name.casefold()]


def _bits(text: str) -> int:
    if found := _BITS.fullmatch(text):
        return int(found[1] or found[2], 2)
    # TiDB gives the bytes of the value as text.
    return int(text) if _DIGITS.fullmatch(text) else int.from_bytes(text.encode("latin-1"), "big")


def _padded(column: Column, value: bytes) -> bytes:
    return value.ljust(column.length or 0, b"\0") if column.type == "binary" else value
