"""Floating-point numbers as text: the shortest digits that round-trip, in the forms that the formats want.

Arrow's cast gives the shortest digits (32-bit ones for float32), but changes to an exponent where neither form
does. Most values lie where all agree; only the others are taken apart and put together again, by kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

_PARTS = r"^(?P<sign>-?)(?P<whole>[0-9]+)\.?(?P<part>[0-9]*)(?:e(?P<exponent>[+-][0-9]+))?$"
_NAMED = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}


def in_short_range(values: pa.Array) -> bool:
    """True if every value is 0, null, or of a size in [1e-4, 1e6): there Arrow writes what Go's `%v` writes."""
    return bool(pc.all(_short(values)).as_py() is not False)


def go_text(values: pa.Array) -> pa.Array:
    """`values` as Go's `%v`: an exponent below 1e-4 and from 1e6 on, of at least two digits. utf8, nulls stay."""
    return _rewritten(values, _short(values), _exponent_form)


def plain_text(values: pa.Array) -> pa.Array:
    """`values` as plain decimals that never have an exponent. utf8, nulls stay."""
    text = values.cast(pa.utf8())
    plain = pc.invert(pc.match_substring_regex(text, "[a-z]"))
    return _rewritten(values, plain, _plain_form)


def json_number(values: pa.Array) -> pa.Array:
    """`values` as JSON: plain decimals that keep a digit after the point, so that every reader takes them for floats.

    JSON has no other numbers: those are the strings "NaN", "Infinity" and "-Infinity". utf8, nulls stay.
    """
    text = plain_text(values)
    whole = pc.invert(pc.match_substring(text, "."))
    if not pc.any(whole).as_py():
        return text
    text = pc.if_else(whole, pc.binary_join_element_wise(text, ".0", ""), text)
    named = pc.invert(pc.is_finite(values))
    if pc.any(named).as_py():
        name = pc.if_else(pc.is_nan(values), '"NaN"', pc.if_else(pc.greater(values, 0), '"Infinity"', '"-Infinity"'))
        text = pc.if_else(named, name, text)
    return text


@dataclass(frozen=True, slots=True)
class _Decimals:
    """value = sign d.ddd × 10^exponent; `digits` without leading and trailing zeros."""

    sign: pa.Array
    digits: pa.Array
    exponent: pa.Array


def _short(values: pa.Array) -> pa.Array:
    size = pc.abs(values)
    low, high = pa.scalar(1e-4, values.type), pa.scalar(1e6, values.type)
    within = pc.and_(pc.greater_equal(size, low), pc.less(size, high))
    return pc.or_(within, pc.equal(size, pa.scalar(0.0, values.type)))


def _rewritten(values: pa.Array, done: pa.Array, form: Callable[[_Decimals], pa.Array]) -> pa.Array:
    text = values.cast(pa.utf8())
    if pc.all(done).as_py() is not False:
        return text
    other = pc.fill_null(pc.invert(done), False)
    rest = text.filter(other)
    for name, shown in _NAMED.items():
        rest = pc.if_else(pc.equal(rest, name), shown, rest)
    finite = pc.match_substring_regex(rest, "[0-9]")
    rest = pc.replace_with_mask(rest, finite, form(_decimals(rest.filter(finite))))
    return pc.replace_with_mask(text, other, rest)


def _decimals(text: pa.Array) -> _Decimals:
    parts = pc.extract_regex(text, _PARTS)
    whole, part = parts.field("whole"), parts.field("part")
    all_digits = pc.binary_join_element_wise(whole, part, "")
    digits = pc.ascii_ltrim(all_digits, "0")
    zeros = pc.subtract(pc.binary_length(all_digits), pc.binary_length(digits))
    stated = parts.field("exponent")
    stated = pc.if_else(pc.equal(stated, ""), "0", pc.replace_substring(stated, "+", "")).cast(pa.int32())
    exponent = pc.add(pc.subtract(pc.subtract(pc.binary_length(whole), 1), zeros), stated)
    return _Decimals(parts.field("sign"), pc.ascii_rtrim(digits, "0"), exponent)


def _exponent_form(number: _Decimals) -> pa.Array:
    rest = pc.utf8_slice_codeunits(number.digits, 1)
    point = pc.if_else(pc.equal(rest, ""), "", ".")
    size = pc.abs(number.exponent)
    mark = pc.if_else(pc.less(number.exponent, 0), "e-", "e+")
    mark = pc.binary_join_element_wise(mark, pc.if_else(pc.less(size, 10), "0", ""), "")
    first = pc.utf8_slice_codeunits(number.digits, 0, 1)
    return pc.binary_join_element_wise(number.sign, first, point, rest, mark, size.cast(pa.utf8()), "")


def _plain_form(number: _Decimals) -> pa.Array:
    width = pc.add(number.exponent, 1)
    length = pc.binary_length(number.digits)
    missing = pc.max_element_wise(pc.subtract(width, length), 0)
    large = pc.binary_join_element_wise(number.digits, pc.binary_repeat("0", missing), "")
    # Digits after the point beside an exponent: few widths exist, as 17 digits are the most that there are.
    split = pc.and_(pc.greater(width, 0), pc.greater(length, width))
    for at in pc.unique(width.filter(split)).to_pylist():
        here = pc.and_(split, pc.equal(width, at))
        large = pc.if_else(here, pc.utf8_replace_slice(large, at, at, "."), large)
    zeros = pc.binary_repeat("0", pc.max_element_wise(pc.negate(width), 0))
    small = pc.binary_join_element_wise("0.", zeros, number.digits, "")
    return pc.binary_join_element_wise(number.sign, pc.if_else(pc.greater(width, 0), large, small), "")
