r"""A column's MySQL type as canal-json names it: short (`varchar`), or in full (`varchar(16)`).

A full type has what TiDB shows in a table's definition, as far as the schema knows it. Nothing is made up: a bare
`decimal` is right whether the table's definition said no more, or the source told no more.
"""

from __future__ import annotations

from collections.abc import Mapping

from afterbay.schema import INTEGER_TYPES, Column

_WITH_LENGTH = frozenset(INTEGER_TYPES) | {"char", "varchar", "binary", "varbinary", "bit", "year", "vector"}
_WITH_FRACTION = frozenset({"datetime", "timestamp", "time"})
_DEFAULT_LENGTH: Mapping[str, int] = {"float": 12, "double": 22, "decimal": 10}
# MySQL's escapes, so that a reader of SQL text gets the element back.
_ESCAPES = str.maketrans({"'": "''", "\\": "\\\\", "\0": "\\0", "\n": "\\n", "\r": "\\r"})


def mysql_type(column: Column, *, full: bool) -> str:
    """The type's name with its sign and, if `full`, its width, digits or elements."""
    name = column.type + (_width(column) if full else "")
    if column.type in ("bit", "year"):
        return name
    return name + (" unsigned" if column.unsigned else "") + (" zerofill" if column.zerofill else "")


def elements_text(column: Column) -> str:
    """The elements of an enum or set as SQL has them."""
    return ",".join(f"'{element.translate(_ESCAPES)}'" for element in column.elements)


def _width(column: Column) -> str:
    kind, length, scale = column.type, column.length, column.scale
    if kind in ("enum", "set") and column.elements:
        return f"({elements_text(column)})"
    if kind in _WITH_FRACTION and scale:
        return f"({scale})"
    if kind in _WITH_LENGTH and length is not None:
        return f"({length})"
    # A float's width says nothing without its digits, and a decimal has none after the point if it names none.
    if (kind == "decimal" and (length is not None or scale)) or (kind in ("float", "double") and scale):
        return f"({_DEFAULT_LENGTH[kind] if length is None else length},{scale or 0})"
    return ""
