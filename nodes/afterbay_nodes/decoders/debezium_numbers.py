"""Debezium's numbers -> the values they stand for: unscaled decimals, bits, days and moments."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.schema import Column
from afterbay_nodes.decoders.clock_text import date_text, datetime_text, time_text
from afterbay_nodes.decoders.parsed_values import typed
from afterbay_nodes.decoders.text_values import BadText

_DIGITS = 76  # what the encoder writes
_LARGEST = 10**_DIGITS
_MILLISECOND_DIGITS = 3
_UTC = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$"


def unscaled_decimals(column: Column, raw: pa.Array) -> pa.Array:
    """Big-endian two's complement (binary, as few bytes as hold it) as text with the column's digits."""
    scale = column.scale or 0
    texts: list[str | None] = []
    for row, value in enumerate(raw.to_pylist()):
        if value is None:
            texts.append(None)
            continue
        number = int.from_bytes(value, "big", signed=True)
        least = (number if number >= 0 else ~number).bit_length() // 8 + 1
        if len(value) != least or abs(number) >= _LARGEST:
            raise BadText(column, row, value)
        digits = str(abs(number)).rjust(scale + 1, "0")
        point = len(digits) - scale
        texts.append(("-" if number < 0 else "") + digits[:point] + ("." + digits[point:] if scale else ""))
    return pa.array(texts, pa.utf8())


def bits(column: Column, raw: pa.Array) -> pa.Array:
    """Bytes, the low one first, as uint64. Raises BadText for another width than the column's."""
    width = column.length or 1
    octets = (width + 7) // 8
    wrong = pc.not_equal(pc.binary_length(raw), octets)
    if pc.any(wrong).as_py():
        raise _at(column, wrong, raw)
    wide = pc.binary_join_element_wise(raw, pa.scalar(bytes(8 - octets)), pa.scalar(b""))
    filled = pc.fill_null(wide, bytes(8))
    numbers = pa.Array.from_buffers(pa.uint64(), len(raw), [None, pa.py_buffer(b"".join(filled.to_pylist()))])
    numbers = pc.if_else(pc.is_valid(raw), numbers, pa.scalar(None, pa.uint64()))
    if width < 64:
        wrong = pc.greater_equal(numbers, pa.scalar(1 << width, pa.uint64()))
        if pc.any(wrong).as_py():
            raise _at(column, wrong, raw)
    return numbers


def moments(column: Column, numbers: Sequence[object]) -> pa.Array:
    """A date, datetime or time that Debezium has as a number, as canonical text. Raises BadText."""
    if column.type == "date":
        return date_text(column, typed(column, numbers, int, pa.int32()).view(pa.date32()))
    wide = typed(column, numbers, int, pa.int64())
    if column.type == "time":
        return time_text(column, wide)
    if (column.scale or 0) <= _MILLISECOND_DIGITS:
        try:
            wide = pc.multiply_checked(wide, 1000)
        except pa.ArrowInvalid:
            raise _at(column, pc.greater(pc.abs(wide), 2**63 // 1000), wide) from None
    return datetime_text(column, wide.view(pa.timestamp("us")))


def from_utc(column: Column, text: pa.Array, zone: str) -> pa.Array:
    """`2018-06-20T13:37:03Z` as the wall clock's time in `zone`, with the digits that it has. Raises BadText."""
    wrong = pc.invert(pc.match_substring_regex(text, _UTC))
    if pc.any(wrong).as_py():
        raise _at(column, wrong, text)
    try:
        utc = pc.utf8_slice_codeunits(text, 0, 19).cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        raise BadText(column, _first_off_calendar(text), "a day that is on no calendar") from None
    local = pc.local_timestamp(pc.assume_timezone(utc, "UTC").cast(pa.timestamp("us", zone)))
    fraction = pc.utf8_rtrim(pc.utf8_slice_codeunits(text, 19, 2**31 - 1), "Z")
    return pc.binary_join_element_wise(pc.utf8_slice_codeunits(local.cast(pa.utf8()), 0, 19), fraction, "")


def _first_off_calendar(text: pa.Array) -> int:
    for row, value in enumerate(text.to_pylist()):
        try:
            pa.scalar(None if value is None else value[:19]).cast(pa.timestamp("us"))
        except pa.ArrowInvalid:
            return row
    return 0


def _at(column: Column, wrong: pa.Array, values: pa.Array) -> BadText:
    row = pc.index(pc.fill_null(wrong, False), True).as_py()
    return BadText(column, row, values[row].as_py())
