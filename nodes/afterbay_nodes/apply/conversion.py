"""A column's values under another type: which way there is, before any target's SQL.

A DDL converts the rows that are there without a row change in the store, so a target has to convert as MySQL did. Ways
whose outcome is not known for every value (a float as text, an enum's number) are refused, not guessed (I10).
"""

from __future__ import annotations

from enum import Enum, auto

from afterbay.errors import RunFailed
from afterbay.printable import visible
from afterbay.schema import BINARY_TYPES, INTEGER_TYPES, TEXT_TYPES, Column
from afterbay_nodes.apply.type_table import digits_of


class Way(Enum):
    """How a value becomes one of the new type."""

    SAME = auto()  # as it is
    CAST = auto()  # a cast between number types in which every value fits, or from text that holds such a number
    ROUND = auto()  # to a number with fewer digits after the point: half away from zero
    PRINT = auto()  # a whole or exact number as text
    ENCODE = auto()  # text as UTF-8 bytes
    DECODE = auto()  # UTF-8 bytes as text
    DAY = auto()  # a datetime without its time
    MIDNIGHT = auto()  # a date with a time
    DIGITS = auto()  # a datetime or time with more or fewer digits of a second
    WRITE = auto()  # a date or time as its canonical text
    READ = auto()  # canonical text as a date or time


_TEXTS = TEXT_TYPES | {"json", "vector", "enum", "set"}
_MOMENTS = ("datetime", "timestamp")


def way(before: Column, after: Column) -> Way:
    """How values of `before` become values of `after`. Raises RunFailed `apply.conversion` if that is not known."""
    found = _way(before, after, _kind(before), _kind(after))
    if found is None:
        raise refused(before, after)
    return found


def refused(before: Column, after: Column) -> RunFailed:
    """The error of a conversion that a target cannot do."""
    return RunFailed(
        "apply.conversion",
        f"column {visible(after.name)!r} becomes {described(after)}, and what its rows hold as {described(before)} "
        "cannot be converted here as the source did",
        hint="leave the table out with --tables, or apply the store from behind this DDL",
    )


def described(column: Column) -> str:
    """A column's type as SQL writes it."""
    widths = ",".join(str(width) for width in (column.length, column.scale) if width is not None)
    return f"{column.type}{f'({widths})' if widths else ''}{' unsigned' if column.unsigned else ''}"


def second_digits(column: Column) -> int:
    """Digits after the point of a second."""
    return column.scale or 0


def _kind(column: Column) -> str:
    if column.type in INTEGER_TYPES or column.type == "year":
        return "whole"
    if column.type in ("float", "double", "decimal", "date", "time", "bit"):
        return column.type
    if column.type in _MOMENTS:
        return "moment"
    return "bytes" if column.type in BINARY_TYPES else "text"


def _way(before: Column, after: Column, old: str, new: str) -> Way | None:
    if old == new:
        return _same_kind(before, after, old)
    match old, new:
        case ("whole", "decimal" | "float" | "double" | "bit") | ("decimal", "float" | "double") | ("float", "double"):
            return Way.CAST
        case ("bit", "whole" | "decimal"):
            return Way.CAST
        case ("decimal", "whole"):
            return Way.ROUND
        case ("double", "float"):
            return Way.CAST
        case ("whole" | "decimal", "text") if after.type in TEXT_TYPES:
            return Way.PRINT
        case ("text", "whole" | "decimal" | "float" | "double") if before.type in TEXT_TYPES:
            return Way.CAST
        case ("text", "bytes") if after.type != "binary" and before.type not in ("enum", "set"):
            return Way.ENCODE
        case ("bytes", "text") if after.type in TEXT_TYPES and before.type != "binary":
            return Way.DECODE
        case ("moment", "date") if second_digits(before) == 0:
            return Way.DAY
        case ("date", "moment"):
            return Way.MIDNIGHT
        case ("date" | "moment" | "time", "text") if after.type in TEXT_TYPES:
            return Way.WRITE
        case ("text", "date" | "moment" | "time") if before.type in TEXT_TYPES:
            return Way.READ
    return None


def _same_kind(before: Column, after: Column, kind: str) -> Way | None:
    if kind == "decimal":
        (digits, scale), (new_digits, new_scale) = digits_of(before), digits_of(after)
        if (digits, scale) == (new_digits, new_scale):
            return Way.SAME
        return Way.ROUND if new_scale < scale else Way.CAST
    if kind in ("moment", "time"):
        return Way.SAME if second_digits(before) == second_digits(after) else Way.DIGITS
    if kind == "whole":
        same = (before.type, before.unsigned) == (after.type, after.unsigned)
        return Way.SAME if same else Way.CAST
    if kind == "bytes" and after.type == "binary" and (before.type, before.length) != ("binary", after.length):
        return None  # padded with zero bytes, or not, as each value's length wants
    return Way.SAME
