"""Types changed in SQLite: by a Python function, value by value: SQLite has neither exact numbers nor dates."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from typing import Any

from afterbay.schema import INTEGER_TYPES, Column
from afterbay_nodes.apply.conversion import Way, second_digits, way
from afterbay_nodes.apply.sql_dialect import text_literal
from afterbay_nodes.apply.type_table import digits_of

CONVERT = "afterbay_convert"
"""The function's name in SQL: (value, what to do)."""

LARGEST = 2**63 - 1
Convert = Callable[[Any], Any]
_WHOLE = frozenset(INTEGER_TYPES) | {"year", "bit"}
_REAL = ("float", "double")
_DIGITS = Context(prec=100)
_CANONICAL = {
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "time": re.compile(r"-?\d{2,3}:\d\d:\d\d(\.\d{1,6})?"),
    "datetime": re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?"),
    "timestamp": re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?"),
}


def conversion(before: Column, after: Column, value: str) -> str:
    """The SQL that converts `value`; `value` itself where both types are stored alike."""
    found = way(before, after)
    alike = found is Way.CAST and before.type in _WHOLE and after.type in _WHOLE
    if found in (Way.SAME, Way.WRITE) or alike:
        return value
    spec = json.dumps([found.name, before.type, after.type, _scale(before), _scale(after)])
    return f"{CONVERT}({value}, {text_literal(spec)})"


def convert(value: Any, spec: str) -> Any:
    """What SQLite calls. Raises ValueError for a value that does not convert."""
    return None if value is None else _converter(spec)(value)


def _scale(column: Column) -> int:
    return digits_of(column)[1] if column.type == "decimal" else second_digits(column)


@lru_cache(maxsize=256)
def _converter(spec: str) -> Convert:
    name, before, after, old_scale, scale = json.loads(spec)
    match Way[name]:
        case Way.PRINT:
            return str
        case Way.ENCODE:
            return lambda value: value.encode()
        case Way.DECODE:
            return lambda value: value.decode()
        case Way.DAY:
            return lambda value: value[:10]
        case Way.MIDNIGHT:
            return lambda value: f"{value} 00:00:00" + ("." + "0" * scale if scale else "")
        case Way.DIGITS if scale > old_scale:
            return lambda value: value + ("" if old_scale else ".") + "0" * (scale - old_scale)
        case Way.DIGITS:
            return lambda value: _fewer_digits(value, scale, day=after != "time")
        case Way.READ:
            return lambda value: _checked(value, after)
    return _number(before, after, scale)


def _number(before: str, after: str, scale: int) -> Convert:
    """CAST and ROUND: to the number type `after`."""
    if after in _WHOLE:
        return lambda value: _whole(_rounded(value, 0))
    if after == "decimal":
        return lambda value: format(_rounded(value, scale), "f")
    if after == "double" and before == "float":
        return _widened  # MySQL shows what the four bytes hold, which is kept here as their shortest digits
    if after == "float":
        return lambda value: float(f"{_widened(float(value)):.9g}")
    return float


def _rounded(value: Any, scale: int) -> Decimal:
    return Decimal(str(value).strip()).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, _DIGITS)


def _whole(number: Decimal) -> int | str:
    return int(number) if number <= LARGEST else str(int(number))


def _widened(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def _checked(value: str, kind: str) -> str:
    if not _CANONICAL[kind].fullmatch(value):
        raise ValueError(f"{value!r} is no {kind}")
    return value


def _fewer_digits(value: str, scale: int, *, day: bool) -> str:
    """Rounded half up to `scale` digits of a second."""
    step = 10 ** (6 - scale)
    if day:
        moment = datetime.fromisoformat(value)
        moment += timedelta(microseconds=(-moment.microsecond % step) if moment.microsecond % step * 2 >= step else 0)
        return moment.strftime("%Y-%m-%d %H:%M:%S").zfill(19) + _fraction(moment.microsecond, scale)
    sign = "-" if value.startswith("-") else ""
    hours, minutes, seconds = value.removeprefix("-").split(":")
    whole, _, part = seconds.partition(".")
    total = ((int(hours) * 60 + int(minutes)) * 60 + int(whole)) * 10**6 + int(part.ljust(6, "0"))
    total = (total + step // 2) // step * step
    second, micro = divmod(total, 10**6)
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    return sign + clock + _fraction(micro, scale)


def _fraction(micro: int, scale: int) -> str:
    return f".{micro:06d}"[: scale + 1] if scale else ""
