"""Sizes and durations as people write them: ``64MiB``, ``100ms``. In Python they are plain numbers.

:data:`ByteSize` is an int of bytes and :data:`Duration` a float of seconds; both read text or numbers, print the text
back in JSON (``67108864`` -> ``"64MiB"``), and give a JSON schema with a pattern and examples. Reading back what was
printed gives the same number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

_BINARY_UNITS: Mapping[str, int] = {"TiB": 1 << 40, "GiB": GIB, "MiB": MIB, "KiB": KIB}
_DECIMAL_UNITS: Mapping[str, int] = {"TB": 10**12, "GB": 10**9, "MB": 10**6, "KB": 10**3}
_BYTES: Mapping[str, int] = {
    name.lower(): size for name, size in {**_BINARY_UNITS, **_DECIMAL_UNITS, "B": 1, "": 1}.items()
}
_SECONDS: Mapping[str, Decimal] = {
    "d": Decimal(86400),
    "h": Decimal(3600),
    "m": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("0.001"),
    "us": Decimal("0.000001"),
}
_MOST_BYTES = (1 << 63) - 1  # what a file offset and a database integer hold
_MOST_SECONDS = 36500 * 86400
_LONGEST = 32  # characters; more is no size or duration, and cannot be made to cost anything

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([KMGT]i?B|B|)", re.IGNORECASE)
_PART = r"[0-9]+(?:\.[0-9]+)?(?:ms|us|[dhms])"
_DURATION = re.compile(rf"(?:{_PART})+")
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|us|[dhms])")


def parse_bytes(value: object) -> int:
    """Bytes from ``64MiB``, ``1.5GB``, ``4096`` or an int. Raises ValueError for anything else, or out of range."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _in_bytes(value)
    if isinstance(value, str) and len(value) <= _LONGEST:
        match = _SIZE.fullmatch(value.strip())
        if match is not None:
            size = Decimal(match[1]) * _BYTES[match[2].lower()]
            if size != size.to_integral_value():
                raise ValueError(f"{value!r} is not a whole number of bytes")
            return _in_bytes(int(size))
    raise ValueError("a size is a number of bytes or a number with a unit, such as 64MiB or 1GB")


def _in_bytes(size: int) -> int:
    if not 0 <= size <= _MOST_BYTES:
        raise ValueError(f"a size is 0 to {_MOST_BYTES} bytes, not {size}")
    return size


def format_bytes(size: int) -> str:
    """The shortest exact text of `size`: ``64MiB``, ``1GB``, ``1000001B``. `parse_bytes` reads it back."""
    if size:
        for name, unit in (*_BINARY_UNITS.items(), *_DECIMAL_UNITS.items()):
            if size % unit == 0:
                return f"{size // unit}{name}"
    return f"{size}B"


def parse_duration(value: object) -> float:
    """Seconds from ``5s``, ``100ms``, ``1h30m`` or a number of seconds, to the nanosecond.

    Raises ValueError for anything else, and for what is below 0 or above 100 years (which no timer takes).
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _in_range(value)
    if isinstance(value, str) and len(value) <= _LONGEST:
        text = value.strip()
        if _DURATION.fullmatch(text) is not None:
            return _in_range(
                float(sum(Decimal(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text)))
            )
    raise ValueError("a duration is a number with a unit, such as 5s, 100ms, 10m or 1h30m")


def format_duration(seconds: float) -> str:
    """The shortest exact text of `seconds`: ``5s``, ``100ms``, ``10m``. `parse_duration` reads it back."""
    exact = Decimal(repr(float(seconds)))
    if not exact:
        return "0s"
    for name in ("h", "m", "s", "ms", "us"):
        count = exact / _SECONDS[name]
        if count == count.to_integral_value():
            return f"{int(count)}{name}"
    return f"{exact:f}s"


def _in_range(seconds: float) -> float:
    if not 0 <= seconds <= _MOST_SECONDS:  # also false for NaN
        raise ValueError(f"a duration is 0s to 36500d, not {seconds} seconds")
    return round(float(seconds), 9)


ByteSize = Annotated[
    int,
    BeforeValidator(parse_bytes),
    PlainSerializer(format_bytes, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?([KkMmGgTt][Ii]?[Bb]|[Bb])?$"},
            ],
            "description": "a size: bytes, or a number with a unit",
            "examples": ["64MiB", "10GiB", "1GB", 4096],
        }
    ),
]
"""A size in bytes. Accepts ``64MiB``, ``1GB``, ints; JSON shows it as text."""

Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|us|[dhms]))+$"},
            ],
            "description": "a duration: seconds, or numbers with units",
            "examples": ["5s", "100ms", "10m", "1h30m"],
        }
    ),
]
"""A duration in seconds. Accepts ``5s``, ``100ms``, ``10m``, numbers of seconds; JSON shows it as text."""
