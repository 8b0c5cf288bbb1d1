"""Rows in Avro's binary form, made in columns: each column becomes pieces of bytes, and a row is its pieces joined.

Avro writes a number in groups of seven bits, low ones first, each with a flag for more; signed ones are folded first
(0, -1, 1, -2 become 0, 1, 2, 3). Two groups are looked up at a time, in tables of all 2^14 values, so a number costs
a few kernels for every 14 bits of the largest in its column. A value that may be null stands behind the number of its
branch: 0x00 for null, 0x02 for a value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.schema import Column
from afterbay_nodes.encoders.avro_schema import avro_type
from afterbay_nodes.encoders.described import LETTERS
from afterbay_nodes.encoders.joining import Piece, joined
from afterbay_nodes.encoders.stored_values import enum_names, set_names

Pieces = Callable[[pa.Array], list[Piece]]

_NULL, _PRESENT = b"\x00", b"\x02"
_BITS = 14
_LOW = (1 << _BITS) - 1
_MORE = 1 << _BITS
_IS_NULL = 2 * _MORE

_U64 = pa.uint64()


@dataclass(frozen=True, slots=True)
class AvroChanges:
    """n changes: `ops` uint8, `commit_ts` uint64 below 2^63, `ordinals` uint32, the table's columns as stored.

    `before` has the columns of the rows before, and `updates` (bool) says where there is one; None: not written.
    """

    ops: pa.Array
    commit_ts: pa.Array
    ordinals: pa.Array
    columns: Sequence[pa.Array]
    updates: pa.Array | None = None
    before: Sequence[pa.Array] | None = None


def column_pieces(column: Column) -> Pieces:
    """How the stored values of `column` become pieces, nulls included."""
    if column.type == "enum":
        return lambda values: _sized(enum_names(values, column.elements))
    if column.type == "set":
        return lambda values: _sized(set_names(values, column.elements))
    return _BY_TYPE[avro_type(column)]


def rows_of(changes: AvroChanges, columns: Sequence[Pieces]) -> pa.Array:
    """One (large) binary value a change."""
    pieces: list[Piece] = [_letters().take(changes.ops), _repetitive(changes.commit_ts)]
    pieces += _varints(_doubled(changes.ordinals), b"")
    pieces += _image(changes.columns, columns)
    if changes.updates is not None:
        pieces += _before(changes, columns)
    return joined(pieces, len(changes.ops))


def number(value: int) -> bytes:
    """A number that is not negative, as a block's head has it."""
    return _varint(value << 1)


def _image(values: Sequence[pa.Array], columns: Sequence[Pieces]) -> list[Piece]:
    return [piece for pieces, column in zip(columns, values, strict=True) for piece in pieces(column)]


def _before(changes: AvroChanges, columns: Sequence[Pieces]) -> list[Piece]:
    updates = changes.updates
    if changes.before is None:
        return [_NULL]
    rows = joined(_image(changes.before, columns), len(changes.ops))
    present = joined([_PRESENT, rows], len(changes.ops))
    return [pc.if_else(updates, present, pa.scalar(_NULL, present.type))]


def _numbers(values: pa.Array) -> list[Piece]:
    return _varints(_folded(values.fill_null(0)), _PRESENT, values.is_valid() if values.null_count else None)


def _texts(values: pa.Array) -> list[Piece]:
    """Numbers too large for a long, or text as it is."""
    return _sized(values.cast(pa.utf8()) if pa.types.is_integer(values.type) else values)


def _sized(values: pa.Array) -> list[Piece]:
    """Text or bytes: their length, and themselves."""
    raw = values.cast(pa.large_binary() if _is_large(values.type) else pa.binary())
    if not raw.null_count:
        return [*_varints(_doubled(pc.binary_length(raw)), _PRESENT), raw]
    lengths = _doubled(pc.binary_length(raw).fill_null(0))
    return [*_varints(lengths, _PRESENT, raw.is_valid()), raw.fill_null(b"")]


def _floats(values: pa.Array, width: int) -> list[Piece]:
    """The number's own bytes, low ones first, as Arrow has them."""
    plain = values.fill_null(0.0)
    data = plain.buffers()[1].slice(plain.offset * width, len(plain) * width)
    raw = pa.Array.from_buffers(pa.binary(width), len(plain), [None, data]).cast(pa.binary())
    if not values.null_count:
        return [_PRESENT, raw]
    present = joined([_PRESENT, raw], len(raw))
    return [pc.if_else(values.is_valid(), present, pa.scalar(_NULL, present.type))]


_BY_TYPE: dict[str, Pieces] = {
    "int": _numbers,
    "long": _numbers,
    "float": partial(_floats, width=4),
    "double": partial(_floats, width=8),
    "bytes": _sized,
    "string": _texts,
}


def _is_large(type_: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(type_) or pa.types.is_large_binary(type_))


def _doubled(values: pa.Array) -> pa.Array:
    """Numbers that are not negative, folded. uint64."""
    return pc.shift_left(values.cast(_U64), pa.scalar(1, _U64))


def _folded(values: pa.Array) -> pa.Array:
    """Numbers folded so that small ones of either sign are small. uint64."""
    if pa.types.is_unsigned_integer(values.type):
        return _doubled(values)
    wide = values.cast(pa.int64())
    doubled = pc.shift_left(wide, pa.scalar(1, pa.int64()))
    negative = pc.less(wide, pa.scalar(0, pa.int64()))
    return pc.if_else(negative, pc.bit_wise_not(doubled), doubled).view(_U64)


def _repetitive(commit_ts: pa.Array) -> pa.Array:
    """Numbers that come many times in a row: each is written once, and taken."""
    distinct = commit_ts.dictionary_encode()
    return joined(_varints(_doubled(distinct.dictionary), b""), len(distinct.dictionary)).take(distinct.indices)


def _varints(folded: pa.Array, prefix: bytes, valid: pa.Array | None = None) -> list[Piece]:
    """Folded numbers (no nulls) behind `prefix`, in as many pieces as the largest needs; null where not `valid`."""
    most = pc.max(folded).as_py() or 0
    left, table = folded, _first(prefix)
    pieces: list[Piece] = []
    while True:
        index = left
        if most > _LOW:
            low = pc.bit_wise_and(left, pa.scalar(_LOW, _U64))
            high = pc.greater(left, pa.scalar(_LOW, _U64))
            index = pc.if_else(high, pc.bit_wise_or(low, pa.scalar(_MORE, _U64)), left)
        if valid is not None and not pieces:
            index = pc.if_else(valid, index, pa.scalar(_IS_NULL, _U64))
        pieces.append(table.take(index))
        if most <= _LOW:
            return pieces
        most >>= _BITS
        left, table = pc.shift_right(left, pa.scalar(_BITS, _U64)), _next()


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


@cache
def _first(prefix: bytes) -> pa.Array:
    """The beginnings of numbers: up to 2^14 - 1 whole, then those that go on, then null."""
    whole = [prefix + _varint(value) for value in range(_MORE)]
    return pa.array([*whole, *(prefix + two for two in _two_that_go_on()), _NULL], pa.binary())


@cache
def _next() -> pa.Array:
    """What follows a beginning: nothing if nothing is left."""
    whole = [b"", *(_varint(value) for value in range(1, _MORE))]
    return pa.array([*whole, *_two_that_go_on()], pa.binary())


def _two_that_go_on() -> list[bytes]:
    return [bytes((value & 0x7F | 0x80, value >> 7 | 0x80)) for value in range(_MORE)]


@cache
def _letters() -> pa.Array:
    """The operations as text of one byte."""
    return pa.array([_varint(2) + letter.encode() for letter in LETTERS], pa.binary())
