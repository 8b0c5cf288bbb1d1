"""Numbers of dates and times -> canonical text, with the digits of a second that the column has. By kernels."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.schema import Column
from afterbay_nodes.decoders.text_values import BadText

_MICROSECOND_DIGITS = 6
_SECOND, _MINUTE, _HOUR = 1_000_000, 60_000_000, 3_600_000_000
_LONGEST = 839 * _HOUR  # MySQL's times end at 838:59:59
_FIRST_YEAR = "0001"


def date_text(column: Column, days: pa.Array) -> pa.Array:
    """date32 as `2026-01-02`. Raises BadText outside the years 1 to 9999."""
    return _in_years(column, days.cast(pa.utf8()), days)


def datetime_text(column: Column, moments: pa.Array) -> pa.Array:
    """timestamp("us") as `2026-01-02 03:04:05.678`. Raises BadText outside the years 1 to 9999 (see `with_digits`)."""
    return with_digits(column, _in_years(column, moments.cast(pa.utf8()), moments))


def time_text(column: Column, microseconds: pa.Array) -> pa.Array:
    """int64 as `-12:34:56.789`. Raises BadText outside of what MySQL has (see `with_digits`)."""
    bad = pc.or_(pc.greater_equal(microseconds, _LONGEST), pc.less_equal(microseconds, -_LONGEST))
    _refuse(column, bad, microseconds)
    left = pc.abs(microseconds)
    parts = []
    for unit, width in ((_HOUR, 2), (_MINUTE, 2), (_SECOND, 2), (1, _MICROSECOND_DIGITS)):
        count = pc.divide(left, unit)
        left = pc.subtract(left, pc.multiply(count, unit))
        parts.append(pc.utf8_lpad(count.cast(pa.utf8()), width, "0"))
    text = pc.binary_join_element_wise(*parts[:3], ":")
    text = pc.binary_join_element_wise(text, parts[3], ".")
    signed = pc.binary_join_element_wise("-", text, "")
    return with_digits(column, pc.if_else(pc.less(microseconds, 0), signed, text))


def with_digits(column: Column, text: pa.Array) -> pa.Array:
    """`text`, which has six digits of a second, with as many as the column has.

    Where the schema does not say how many, it is as few as hold the value. Raises BadText if digits would be lost.
    """
    if column.scale is None:
        return pc.replace_substring_regex(text, r"\.?0*$", "")
    cut = _MICROSECOND_DIGITS - column.scale
    if cut <= 0:
        return text
    lost = pc.not_equal(pc.utf8_slice_codeunits(text, -cut, 2**31 - 1), "0" * cut)
    _refuse(column, lost, text)
    return pc.utf8_slice_codeunits(text, 0, -(cut if column.scale else cut + 1))


def _in_years(column: Column, text: pa.Array, values: pa.Array) -> pa.Array:
    year = pc.utf8_slice_codeunits(text, 0, 4)
    fits = pc.and_(pc.match_substring_regex(text, "^[0-9]{4}-"), pc.greater_equal(year, _FIRST_YEAR))
    _refuse(column, pc.invert(fits), values)
    return text


def _refuse(column: Column, bad: pa.Array, values: pa.Array) -> None:
    if pc.any(bad).as_py():
        row = pc.index(pc.fill_null(bad, False), True).as_py()
        raise BadText(column, row, str(values[row].cast(pa.utf8())))
