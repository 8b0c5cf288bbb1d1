"""Text as files have it -> the values of a column, by kernels, checked: what does not parse is refused (I10)."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.schema import BINARY_TYPES, INTEGER_TYPES, TEMPORAL_TYPES, Column
from afterbay_nodes.constants import constants
from afterbay_nodes.encoders.stored_values import base64_text

BinaryText = Literal["base64", "hex", "latin1"]

_FRACTION = r"(\.[0-9]{1,9})?"
_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}" + _FRACTION
_DAY = r"[0-9]{4,}-[0-9]{2}-[0-9]{2}"
_FORMS = {
    "decimal": r"^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)$",
    "date": f"^{_DAY}$",
    "datetime": f"^{_DAY} {_CLOCK}$",
    "timestamp": f"^{_DAY} {_CLOCK}$",
    "time": f"^-?[0-9]*{_CLOCK}$",
}
_WHOLE = r"^-?[0-9]+$"
_REAL = r"^-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$"
_NAMED_REALS = constants("NaN", "+Inf", "-Inf")


class BadText(ValueError):
    """A value that does not parse. `row` is its index in the column."""

    def __init__(self, column: Column, row: int, value: object) -> None:
        shown = repr(value)
        unsigned = " unsigned" if column.unsigned else ""
        super().__init__(
            f"column {column.name!r}: {shown if len(shown) < 60 else shown[:60] + '…'} is no {column.type}{unsigned}"
        )
        self.row = row


def values_of(column: Column, text: pa.Array, *, binary: BinaryText, by_name: bool) -> pa.Array:
    """`text` (utf8, nulls stay) as an array of `column.arrow_type`. `by_name`: enum and set are names, else numbers.

    Raises BadText.
    """
    kind = column.type
    if kind in ("enum", "set") and by_name:
        return _members(column, text)
    if kind in INTEGER_TYPES or kind in ("year", "bit", "enum", "set"):
        return _numbers(column, text)
    if kind in ("float", "double"):
        return _reals(column, text)
    if kind in BINARY_TYPES:
        return _BYTES[binary](column, text)
    if kind in TEMPORAL_TYPES or kind == "decimal":
        _refuse(column, pc.invert(pc.match_substring_regex(text, _FORMS[kind])), text)
    return text


def _numbers(column: Column, text: pa.Array) -> pa.Array:
    _refuse(column, pc.invert(pc.match_substring_regex(text, _WHOLE)), text)
    numbers = _cast(column, text)
    if column.elements:  # without them the source did not tell any, and no number is too large
        n = len(column.elements)
        most = n if column.type == "enum" else (1 << min(n, 64)) - 1
        _refuse(column, pc.greater(numbers, pa.scalar(most, numbers.type)), text)
    return numbers


def _reals(column: Column, text: pa.Array) -> pa.Array:
    named = pc.is_in(text, _NAMED_REALS)
    _refuse(column, pc.invert(pc.or_(named, pc.match_substring_regex(text, _REAL))), text)
    numbers = _cast(column, pc.if_else(pc.equal(text, "+Inf"), "Inf", text))
    # Digits of a size that the type cannot hold become infinite when they are read.
    _refuse(column, pc.and_(pc.is_inf(numbers), pc.invert(named)), text)
    return numbers


def _members(column: Column, text: pa.Array) -> pa.Array:
    """Names as index or mask, once for each distinct text. '' is none of the elements, unless one is called so."""
    distinct = text.dictionary_encode()
    names = {name: bit for bit, name in reversed(list(enumerate(column.elements)))}
    members: list[int | None] = []
    for value in distinct.dictionary.to_pylist():
        parts = [value] if column.type == "enum" or value in names else value.split(",")
        if value == "" and value not in names:
            members.append(0)
        elif all(part in names for part in parts):
            bits = {names[part] for part in parts}
            members.append(bits.pop() + 1 if column.type == "enum" else sum(1 << bit for bit in bits))
        else:
            members.append(None)
    found = pa.array(members, column.arrow_type).take(distinct.indices)
    _refuse(column, pc.and_(pc.is_null(found), pc.is_valid(text)), text)
    return found


def _from_base64(column: Column, text: pa.Array) -> pa.Array:
    raw = text.cast(pa.binary())
    lengths = pc.binary_length(raw)
    start, stop, data = _whole(raw)
    try:
        # Padding inside the whole would end it: as `A` it decodes to zeros, which are cut off each value afterwards.
        decoded = binascii.a2b_base64(bytes(data[start:stop]).replace(b"=", b"A"), strict_mode=True)
    except binascii.Error:
        decoded = b""
    thirds = pc.divide(lengths, pa.scalar(4, lengths.type))
    if len(decoded) * 4 != (stop - start) * 3 or pc.any(pc.not_equal(pc.multiply(thirds, 4), lengths)).as_py():
        raise _first_bad(column, text, lambda value: binascii.a2b_base64(value, strict_mode=True))
    values = _cut(raw, pc.multiply(thirds, pa.scalar(3, thirds.type)), decoded)
    for pad, marked in ((b"==", -2), (b"=", -1)):
        padded = pc.ends_with(text, pattern=pad.decode())
        if marked == -1:
            padded = pc.and_(padded, pc.invert(pc.ends_with(text, pattern="==")))
        if pc.any(padded).as_py():
            values = pc.if_else(padded, pc.binary_replace_slice(values, marked, 2**31 - 1, b""), values)
    # Written again it is the same: padding where none belongs, or bits behind the end, would not be.
    _refuse(column, pc.not_equal(base64_text(values), text), text)
    return values


def _from_hex(column: Column, text: pa.Array) -> pa.Array:
    raw = text.cast(pa.binary())
    lengths = pc.binary_length(raw)
    start, stop, data = _whole(raw)
    halves = pc.divide(lengths, pa.scalar(2, lengths.type))
    try:
        decoded = binascii.unhexlify(data[start:stop])
    except binascii.Error:
        decoded = b""
    if len(decoded) * 2 != stop - start or pc.any(pc.not_equal(pc.multiply(halves, 2), lengths)).as_py():
        raise _first_bad(column, text, binascii.unhexlify)
    return _cut(raw, halves, decoded)


def _from_latin1(column: Column, text: pa.Array) -> pa.Array:
    start, stop, data = _whole(text.cast(pa.binary()))
    try:
        decoded = str(data[start:stop], "utf-8").encode("latin-1")
    except UnicodeEncodeError:
        raise _first_bad(column, text, lambda value: value.decode().encode("latin-1")) from None
    return _cut(text, pc.utf8_length(text), decoded)


_BYTES: dict[BinaryText, Callable[[Column, pa.Array], pa.Array]] = {
    "base64": _from_base64,
    "hex": _from_hex,
    "latin1": _from_latin1,
}


def _whole(values: pa.Array) -> tuple[int, int, memoryview]:
    """(first byte, byte behind the last, the data buffer) of a (large) binary array."""
    _, raw, data = values.buffers()
    offsets = memoryview(raw).cast("q" if pa.types.is_large_binary(values.type) else "i")
    return offsets[values.offset], offsets[values.offset + len(values)], memoryview(data if data is not None else b"")


def _cut(like: pa.Array, lengths: pa.Array, data: bytes) -> pa.Array:
    """`data` cut into values of `lengths`, null where `like` is."""
    sizes = pc.fill_null(lengths, 0).cast(pa.int32())
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(sizes)])
    values = pa.Array.from_buffers(pa.binary(), len(like), [None, offsets.buffers()[1], pa.py_buffer(data)])
    return pc.if_else(pc.is_valid(like), values, pa.scalar(None, pa.binary())) if like.null_count else values


def _refuse(column: Column, bad: pa.Array, text: pa.Array) -> None:
    """`bad`: true where a value is wrong; nulls are right."""
    if pc.any(bad).as_py():
        row = pc.index(pc.fill_null(bad, False), True).as_py()
        raise BadText(column, row, text[row].as_py())


def _cast(column: Column, text: pa.Array) -> pa.Array:
    try:
        return text.cast(column.arrow_type)
    except pa.ArrowInvalid:
        # Digits, but out of range: only then is it worth finding out which.
        raise _first_bad(column, text, lambda value: pa.scalar(value.decode()).cast(column.arrow_type)) from None


def _first_bad(column: Column, text: pa.Array, parse: Callable[[bytes], object]) -> BadText:
    """The error of the first value that `parse` refuses. Only called when there is one."""
    for row, value in enumerate(text.to_pylist()):
        try:
            if value is not None:
                parse(value.encode())
        except ValueError:
            return BadText(column, row, value)
    return BadText(column, 0, "the column as a whole")
