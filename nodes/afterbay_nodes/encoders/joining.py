"""Columns of text become lines: the data buffer of the joined array *is* the body of a file.

A piece is a constant (bytes) or a column of text, one value a row and no nulls. A row of the result is its pieces
one after another. Nothing here looks at a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

Piece: TypeAlias = bytes | pa.Array

_NARROW_LIMIT = 2**31 - 1


def text_of(values: pa.Array) -> pa.Array:
    """Numbers as decimal text; text and bytes as they are (without a copy). The result is (large) binary."""
    if pa.types.is_large_binary(values.type) or pa.types.is_large_string(values.type):
        return values.cast(pa.large_binary())
    if pa.types.is_binary(values.type) or pa.types.is_string(values.type):
        return values.cast(pa.binary())
    return values.cast(pa.utf8()).cast(pa.binary())


def constant(value: bytes, like: pa.Array) -> pa.Scalar:
    """`value` as a scalar that kernels accept beside `like`."""
    return pa.scalar(value, like.type)


def joined(pieces: Sequence[Piece], rows: int) -> pa.Array:
    """One (large) binary value a row. Offsets are 64-bit where the result could pass 2 GiB."""
    merged = _merged(pieces)
    columns = [piece for piece in merged if isinstance(piece, pa.Array)]
    if not columns:
        return pa.repeat(pa.scalar(b"".join(piece for piece in merged if isinstance(piece, bytes)), pa.binary()), rows)
    size = sum(column.nbytes for column in columns)
    size += rows * sum(len(piece) for piece in merged if isinstance(piece, bytes))
    wide = size > _NARROW_LIMIT or any(pa.types.is_large_binary(column.type) for column in columns)
    type_ = pa.large_binary() if wide else pa.binary()
    arguments = [pa.scalar(piece, type_) if isinstance(piece, bytes) else piece.cast(type_) for piece in merged]
    return pc.binary_join_element_wise(*arguments, pa.scalar(b"", type_))


def replaced(raw: pa.Array, replacements: Mapping[bytes, bytes]) -> pa.Array:
    """(Large) binary `raw` with each key replaced by its value, in the order of the mapping; nulls stay.

    A key that does not occur in `raw` costs a memchr over its bytes instead of a pass over its values.
    """
    data = body_of(raw).to_pybytes()
    for old, new in replacements.items():
        if old in data:
            raw = pc.replace_substring(raw, old, new)
    return raw


def chosen(condition: pa.Array, yes: bytes, no: bytes) -> pa.Array:
    """`yes` where `condition` (no nulls) holds, else `no`."""
    return pc.if_else(condition, pa.scalar(yes, pa.binary()), pa.scalar(no, pa.binary()))


def body_of(lines: pa.Array) -> pa.Buffer:
    """The bytes of `lines` (no nulls) one after another, without a copy."""
    _, offsets, data = lines.buffers()
    if data is None:
        return pa.py_buffer(b"")
    raw = memoryview(offsets)
    ends = raw.cast("q") if pa.types.is_large_binary(lines.type) else raw.cast("i")
    first, last = ends[lines.offset], ends[lines.offset + len(lines)]
    return data.slice(first, last - first)


def _merged(pieces: Sequence[Piece]) -> list[Piece]:
    """Neighbouring constants become one, so that each row is touched less often."""
    merged: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, bytes) and merged and isinstance(merged[-1], bytes):
            merged[-1] += piece
        elif isinstance(piece, pa.Array) or piece:
            merged.append(piece)
    return merged
