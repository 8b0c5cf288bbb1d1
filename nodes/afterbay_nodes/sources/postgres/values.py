r"""Values as the server writes them (text, as bytes) -> Arrow columns of the logical types, checked (I10).

Each function takes a binary array as `tuples` cuts it out (compact, offset 0) and gives an array of the column's type;
nulls stay. It raises BadValue for a value that the type cannot hold: nothing is rounded, cut or replaced. The forms are
those of a session set as `session` says.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from afterbay_nodes.sources.postgres.cutting import cut_out

Values = Callable[[pa.Array], pa.Array]

SECOND_DIGITS = 6
"""Digits after the point of a second where the type names none."""

_NARROW_DIGITS = 38  # of Arrow's smaller decimals
_MOMENT_WIDTH = 19
_CLOCK_WIDTH = 8
_UTC = "+00"


class BadValue(ValueError):
    """A value that its type cannot hold. `index` is its row; `as_text` says whether a text column would hold it."""

    def __init__(self, index: int, why: str, *, as_text: bool = True) -> None:
        super().__init__(why)
        self.index = index
        self.as_text = as_text


def text(values: pa.Array) -> pa.Array:
    """UTF-8, as it is."""
    try:
        return values.cast(pa.utf8())
    except pa.ArrowInvalid as error:
        why = "is not UTF-8 (a database of encoding SQL_ASCII may hold such bytes)"
        raise BadValue(_first_failing(values, pa.utf8()), why, as_text=False) from error


def whole(values: pa.Array, type_: pa.DataType) -> pa.Array:
    """Integers."""
    return _cast(values, type_)


def real(values: pa.Array, type_: pa.DataType) -> pa.Array:
    """Floats, with NaN and the infinities."""
    numbers = _cast(values, type_)
    infinite = pc.is_inf(numbers)
    if pc.any(infinite).as_py():
        # A number out of range becomes infinite; only what says so may be.
        said = pc.is_in(values, pa.array([b"Infinity", b"-Infinity"]))
        _require(pc.or_(pc.invert(infinite), said), f"is no {type_}")
    return numbers


def boolean(values: pa.Array) -> pa.Array:
    """`t` and `f` as 1 and 0: int8."""
    true = pc.equal(values, b"t")
    _require(pc.or_(true, pc.equal(values, b"f")), "is no truth value")
    return true.cast(pa.int8())


def decimal(values: pa.Array, digits: int, scale: int) -> pa.Array:
    """Exact decimal text of so many digits, `scale` of them behind the point. NaN is refused: a decimal has none."""
    exact = text(values)
    type_ = pa.decimal128(digits, scale) if digits <= _NARROW_DIGITS else pa.decimal256(digits, scale)
    if not _DECIMAL_BYTES[_data(exact)].all():
        _require(pc.match_substring_regex(exact, "^[-.0-9]*$"), f"is no decimal({digits},{scale})")
    _cast(exact, type_, f"decimal({digits},{scale})")  # for its checks alone
    return exact


def date(values: pa.Array) -> pa.Array:
    """Dates of the years 1 to 9999: `2018-06-20`."""
    days = text(values)
    if not _has_form(days, "0000-00-00"):
        _require(pc.match_substring_regex(days, "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), "is no date of the years 1 to 9999")
    return days


def moment(values: pa.Array, digits: int, *, zoned: bool) -> pa.Array:
    """Dates with times of the years 1 to 9999, with exactly `digits` digits after the point of a second.

    `zoned`: they are written with the offset of UTC, which is left out.
    """
    moments = text(values)
    why = "is no point in time of the years 1 to 9999"
    if zoned:
        _require(pc.ends_with(moments, _UTC), why)
        moments = pc.utf8_slice_codeunits(moments, 0, -len(_UTC))
    full = _with_digits(moments, _MOMENT_WIDTH, digits)
    if not _has_form(full, "0000-00-00 00:00:00" + _fraction(digits)):
        form = "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}" + _fraction_form(digits)
        _require(pc.match_substring_regex(moments, form), why)
    return full


def clock(values: pa.Array, digits: int) -> pa.Array:
    """Times of a day, to `24:00:00`, with exactly `digits` digits after the point of a second."""
    times = text(values)
    full = _with_digits(times, _CLOCK_WIDTH, digits)
    if not _has_form(full, "00:00:00" + _fraction(digits)):
        form = "^[0-9]{2}:[0-9]{2}:[0-9]{2}" + _fraction_form(digits)
        _require(pc.match_substring_regex(times, form), "is no time of a day")
    return full


def hex_bytes(values: pa.Array) -> pa.Array:
    r"""`\x` and hex digits as the bytes."""
    why = r"is not bytes as `\x` and hex digits"
    length = pc.binary_length(values)
    odd = pc.equal(pc.bit_wise_and(length, pa.scalar(1, length.type)), 1)
    _require(pc.and_(pc.starts_with(values, b"\\x"), pc.invert(odd)), why, as_text=False)
    digits = _without_first(values, 2)
    try:
        data = binascii.unhexlify(_data(digits).data)
    except binascii.Error as error:
        good = pc.match_substring_regex(digits.cast(pa.utf8(), safe=False), "^[0-9a-fA-F]*$")
        raise BadValue(_first_false(good), why, as_text=False) from error
    validity, raw, _ = digits.buffers()
    offsets = np.frombuffer(raw, np.int32, len(digits) + 1) // 2
    return pa.Array.from_buffers(pa.binary(), len(digits), [validity, pa.py_buffer(offsets), pa.py_buffer(data)])


def _table(allowed: bytes) -> npt.NDArray[np.bool_]:
    found = np.zeros(256, np.bool_)
    found[list(allowed)] = True
    return found


_DECIMAL_BYTES = _table(b"0123456789.-")


def _cast(values: pa.Array, type_: pa.DataType, name: str = "") -> pa.Array:
    try:
        return values.cast(type_)
    except pa.ArrowInvalid as error:
        raise BadValue(_first_failing(values, type_), f"is no {name or type_}") from error


def _fraction(digits: int) -> str:
    return "." + "0" * digits if digits else ""


def _fraction_form(digits: int) -> str:
    return rf"(\.[0-9]{{1,{digits}}})?$" if digits else "$"


def _with_digits(values: pa.Array, width: int, digits: int) -> pa.Array:
    """`values`, whose text without a fraction has `width` characters, padded to `digits` digits of one."""
    if not digits:
        return values
    full = pa.scalar(width + 1 + digits, pa.int32())
    length = pc.binary_length(values)
    if pc.all(pc.equal(length, full)).as_py() is not False:
        return values
    bare = pc.equal(length, pa.scalar(width, pa.int32()))
    dotted = pc.if_else(bare, pc.binary_join_element_wise(values, ".", ""), values)
    return pc.ascii_rpad(dotted, width + 1 + digits, "0")


def _has_form(values: pa.Array, form: str) -> bool:
    """True if every value is like `form`: of its length, a digit where it has 0, the same character elsewhere."""
    width = len(form)
    if pc.all(pc.equal(pc.binary_length(values), pa.scalar(width, pa.int32()))).as_py() is False:
        return False
    letters = _data(values).reshape(-1, width)
    digits = [at for at, letter in enumerate(form) if letter == "0"]
    if letters[:, digits].min(initial=ord("0")) < ord("0") or letters[:, digits].max(initial=ord("9")) > ord("9"):
        return False
    return all((letters[:, at] == ord(letter)).all() for at, letter in enumerate(form) if letter != "0")


def _data(values: pa.Array) -> npt.NDArray[np.uint8]:
    """The bytes of all values, one after another. For arrays fresh from a kernel: offset 0, nothing under nulls."""
    _, raw, data = values.buffers()
    offsets = np.frombuffer(raw, np.int32, len(values) + 1)
    start, end = int(offsets[0]), int(offsets[-1])
    if start == end:
        return np.empty(0, np.uint8)
    return np.frombuffer(data, np.uint8, end - start, start)


def _without_first(values: pa.Array, count: int) -> pa.Array:
    """Each value behind its first bytes. (`binary_slice` of pyarrow 26 fails at nulls beside short values.)"""
    _, raw, data = values.buffers()
    offsets = np.frombuffer(raw, np.int32, len(values) + 1)
    start, end = offsets[:-1], offsets[1:]
    return cut_out(data, np.minimum(start + count, end), end, values.is_null().to_numpy(zero_copy_only=False))


def _require(good: pa.Array, why: str, *, as_text: bool = True) -> None:
    """`good`: false where a value is wrong; nulls are right."""
    if pc.all(good).as_py() is False:
        raise BadValue(_first_false(good), why, as_text=as_text)


def _first_false(good: pa.Array) -> int:
    return int(pc.index(pc.fill_null(good, True), False).as_py())


def _first_failing(values: pa.Array, type_: pa.DataType) -> int:
    """The first value whose cast fails, found by halving; there is one."""
    start, stop = 0, len(values)
    while stop - start > 1:
        middle = (start + stop) // 2
        try:
            values.slice(start, middle - start).cast(type_)
        except pa.ArrowInvalid:
            stop = middle
        else:
            start = middle
    return start
