"""Shortest decimal digits of floating-point numbers, found by search, and the two ways to write them."""

from __future__ import annotations

import math
import struct
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

_NAMED = {math.inf: "+Inf", -math.inf: "-Inf"}


def go_v(value: float, *, single: bool) -> str:
    """Go's `%v`: an exponent if and only if the decimal exponent is below -4 or at least 6."""
    named = _named(value)
    if named is not None:
        return named
    sign, digits, exponent = _shortest(value, single=single)
    if -4 <= exponent < 6:
        return sign + _positional(digits, exponent)
    fraction = "." + digits[1:] if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def plain(value: float, *, single: bool) -> str:
    """Plain decimal, never an exponent."""
    named = _named(value)
    if named is not None:
        return named
    sign, digits, exponent = _shortest(value, single=single)
    return sign + _positional(digits, exponent)


def _named(value: float) -> str | None:
    return "NaN" if math.isnan(value) else _NAMED.get(value)


def _positional(digits: str, exponent: int) -> str:
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    rest = digits[exponent + 1 :]
    return whole + ("." + rest if rest else "")


def _shortest(value: float, *, single: bool) -> tuple[str, str, int]:
    """(sign, digits without trailing zeros, exponent of the first digit)."""
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    if value == 0:
        return sign, "0", 0
    size = abs(value)
    text = _shortest_single(size) if single else Decimal(repr(size))
    parts = text.normalize().as_tuple()
    assert isinstance(parts.exponent, int)
    return sign, "".join(map(str, parts.digits)), len(parts.digits) - 1 + parts.exponent


def _shortest_single(size: float) -> Decimal:
    exact = Decimal(size)
    for digits in range(1, 10):
        around = [Context(digits, rounding).plus(exact) for rounding in (ROUND_FLOOR, ROUND_CEILING)]
        fitting = [number for number in around if _as_single(number) == size]
        if fitting:
            return min(fitting, key=lambda number: abs(number - exact))
    raise AssertionError(f"{size} has no nine digits that round-trip")


def _as_single(number: Decimal) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", float(number)))[0])
    except OverflowError:
        return math.inf
