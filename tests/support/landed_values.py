"""Values as a source has them and as a target gives them back, made comparable: nothing is lost, whatever the type."""

from __future__ import annotations

import math
import struct
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from afterbay.schema import Column


def wanted(column: Column, value: Any) -> Any:
    """A stored value (as in the Arrow columns) as it must be found again."""
    if value is None:
        return None
    if column.type == "enum":
        return column.elements[value - 1] if value else ""
    if column.type == "set":
        return ",".join(name for bit, name in enumerate(column.elements) if value >> bit & 1)
    if column.type == "decimal":
        return Decimal(value)
    if column.type in ("float", "double"):
        return _real(_as_float32(value) if column.type == "float" else value)
    if column.type == "time":
        return _micros(value)
    if column.type in ("datetime", "timestamp"):
        return value.ljust(26, "0") if "." in value else f"{value}.000000"
    return value


def found(column: Column, value: Any) -> Any:
    """What a target's driver gives, in the same form."""
    if value is None:
        return None
    if column.type in ("bigint", "bit") and isinstance(value, str | Decimal):
        return int(value)
    if column.type in ("tinyint", "smallint", "mediumint", "int", "year", "bigint", "bit"):
        return value
    if column.type == "decimal":
        return Decimal(value)
    if column.type in ("float", "double"):
        return _real(_as_float32(float(value)) if column.type == "float" else float(value))
    if isinstance(value, timedelta):
        return round(value / timedelta(microseconds=1))
    if column.type == "time":
        return _micros(value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f").zfill(26)
    if isinstance(value, date):
        return value.isoformat()
    return wanted(column, value) if column.type in ("datetime", "timestamp") else value


def _as_float32(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def _real(value: float) -> str:
    return "nan" if math.isnan(value) else repr(value)


def _micros(text: str) -> int:
    hours, minutes, seconds = text.removeprefix("-").split(":")
    total = (int(hours) * 60 + int(minutes)) * 60 * 10**6 + round(Decimal(seconds) * 10**6)
    return -total if text.startswith("-") else total
