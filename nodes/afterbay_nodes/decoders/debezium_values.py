"""The values of Debezium events -> columns, each way of writing told by the values and the schema.

A date or time is text or, by `temporal_mode: debezium`, a number; a timestamp then is text with `T` and `Z`. A decimal
is text either way, and digits alone may be base64 as well: see `decimal_mode_of`.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Sequence

import pyarrow as pa

from afterbay.schema import BINARY_TYPES, INTEGER_TYPES, Column
from afterbay_nodes.decoders.debezium_form import DebeziumReading
from afterbay_nodes.decoders.debezium_numbers import bits, from_utc, moments, unscaled_decimals
from afterbay_nodes.decoders.parsed_values import typed
from afterbay_nodes.decoders.text_values import BadText, values_of
from afterbay_nodes.encoders.debezium_table import DecimalMode

_PLAIN = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
_GROUP = 4  # characters of base64 for three bytes
_NAMED = {"Infinity": "+Inf", "-Infinity": "-Inf", "NaN": "NaN"}


class Real(str):
    """A JSON number with a point or an exponent, as it is written: a float32 is to be parsed as one."""

    __slots__ = ()


def decimal_mode_of(texts: Iterable[object]) -> DecimalMode | None:
    """How decimals are written, by the first one that can be read in one way only; None: there is none."""
    for text in texts:
        if not isinstance(text, str):
            continue
        plain, packed = bool(_PLAIN.fullmatch(text)), _is_base64(text)
        if plain != packed:
            return "string" if plain else "precise"
    return None


def column_of(column: Column, values: Sequence[object], reading: DebeziumReading) -> pa.Array:
    """One column. `reading.decimal_mode` is told, or was found out; it may be None if all decimals are null.

    Raises BadText.
    """
    kind = column.type
    if kind in INTEGER_TYPES or kind == "year":
        return typed(column, values, int, column.arrow_type)
    if kind in ("float", "double"):
        return _reals(column, values)
    if kind == "bit":
        if (column.length or 1) == 1:
            return typed(column, values, bool, pa.bool_()).cast(pa.uint64())
        return bits(column, _bytes(column, values))
    if kind in BINARY_TYPES:
        return _bytes(column, values)
    if kind in ("date", "datetime", "time") and int in map(type, values):
        return moments(column, values)
    text = typed(column, values, str, pa.utf8())
    if kind == "timestamp" and any(isinstance(value, str) and value.endswith("Z") for value in values):
        return from_utc(column, text, reading.time_zone)
    if kind == "decimal" and reading.decimal_mode == "precise":
        return unscaled_decimals(column, _bytes(column, values))
    return values_of(column, text, binary="base64", by_name=True)


def _bytes(column: Column, values: Sequence[object]) -> pa.Array:
    text = typed(column, values, str, pa.utf8())
    try:
        return values_of(Column(column.name, "blob"), text, binary="base64", by_name=False)
    except BadText as error:
        raise BadText(column, error.row, values[error.row]) from None


def _reals(column: Column, values: Sequence[object]) -> pa.Array:
    """Numbers, and the names of those that JSON has none for."""
    texts: list[str | None] = []
    for row, value in enumerate(values):
        if value is None:
            texts.append(None)
        elif type(value) is str and value in _NAMED:
            texts.append(_NAMED[value])
        elif type(value) in (Real, int):
            texts.append(str(value))
        else:
            raise BadText(column, row, value)
    return values_of(column, pa.array(texts, pa.utf8()), binary="base64", by_name=False)


def _is_base64(text: str) -> bool:
    if not text or len(text) % _GROUP:
        return False
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        return False
    return True
