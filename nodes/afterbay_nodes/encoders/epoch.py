"""Temporal text as the numbers and UTC times that Debezium writes, by kernels.

Every function raises ValueError (as pa.ArrowInvalid is) if a value has no such form: a zero date is on no calendar, and
no fraction is cut. Nulls stay.
"""

from __future__ import annotations

from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = "[0-9]{2}:[0-9]{2}:[0-9]{2}"
_FRACTION = r"(?:\.(?P<part>[0-9]{1,6}))?"
_DATE = f"^{_DAY}$"
_DATETIME = f"^{_DAY} {_CLOCK}{_FRACTION}$"
_TIME = f"^(?P<sign>-?)(?P<hours>[0-9]{{2,3}}):(?P<minutes>[0-5][0-9]):(?P<seconds>[0-5][0-9]){_FRACTION}$"
_TIME_PARTS = ("sign", "hours", "minutes", "seconds", "part")


def epoch_days(text: pa.Array) -> pa.Array:
    """Dates as days since 1970-01-01: int32."""
    return pc.cast(_checked(text, _DATE), pa.date32()).cast(pa.int32())


def epoch_time(text: pa.Array, unit: Literal["ms", "us"]) -> pa.Array:
    """Dates with times, taken as UTC, in `unit` since the epoch: int64. A fraction finer than `unit` is refused."""
    return pc.cast(_checked(text, _DATETIME), pa.timestamp(unit)).cast(pa.int64())


def utc_text(text: pa.Array, zone: str) -> pa.Array:
    """Dates with times in `zone` as `2018-06-20T13:37:03Z`, each with the fraction that it has: utf8.

    A time that comes twice when the clocks are put back, or never when they are put forward, is refused.
    """
    local = pc.cast(_checked(text, _DATETIME), pa.timestamp("us"))
    utc = pc.assume_timezone(local, zone).cast(pa.timestamp("us")).cast(pa.utf8())
    day, clock = pc.utf8_slice_codeunits(utc, 0, 10), pc.utf8_slice_codeunits(utc, 11, 19)
    fraction = pc.utf8_slice_codeunits(text, 19).cast(pa.utf8())  # clocks are changed by whole seconds
    return pc.binary_join_element_wise(day, "T", clock, fraction, "Z", "")


def microseconds(text: pa.Array) -> pa.Array:
    """Times, which may be negative or longer than a day, in microseconds: int64."""
    parts = dict(zip(_TIME_PARTS, pc.extract_regex(_checked(text, _TIME), _TIME).flatten(), strict=True))
    hours, minutes, seconds = (parts[name].cast(pa.int64()) for name in ("hours", "minutes", "seconds"))
    part = pc.utf8_rpad(parts["part"], 6, "0").cast(pa.int64())
    whole = pc.add(pc.multiply(pc.add(pc.multiply(hours, 60), minutes), 60), seconds)
    total = pc.add(pc.multiply(whole, 1_000_000), part)
    return pc.if_else(pc.equal(parts["sign"], "-"), pc.negate(total), total)


def is_known_zone(zone: str) -> bool:
    """True if `utc_text` knows the time zone."""
    try:
        pc.assume_timezone(pa.nulls(1, pa.timestamp("us")), zone)
    except pa.ArrowInvalid:
        return False
    return True


def _checked(text: pa.Array, form: str) -> pa.Array:
    if pc.all(pc.match_substring_regex(text, form)).as_py() is False:
        raise ValueError(f"not of the form {form}")
    return text
