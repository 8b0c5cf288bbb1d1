"""Values that are stored as one thing and written as another: enum and set by name, bytes as base64, hex or Latin-1.

All by kernels over the column. A set's names are joined once for each distinct mask of the batch.
"""

from __future__ import annotations

from base64 import b64encode
from binascii import hexlify
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

_LATIN1_BLOCK = 4 * 2**20  # bytes; counting takes about nine times as many


def enum_names(indices: pa.Array, elements: Sequence[str]) -> pa.Array:
    """1-based `indices` (checked) as names, 0 as the empty string; nulls stay."""
    return pa.array(["", *elements], pa.utf8()).take(indices)


def set_names(masks: pa.Array, elements: Sequence[str]) -> pa.Array:
    """Bit `masks` (checked) as comma-joined names in the column's order; nulls stay."""
    distinct = masks.dictionary_encode()
    names = [
        ",".join(name for bit, name in enumerate(elements) if mask >> bit & 1)
        for mask in distinct.dictionary.to_pylist()
    ]
    return pa.array(names, pa.utf8()).take(distinct.indices)


def hex_text(values: pa.Array) -> pa.Array:
    """Bytes as lower-case hex: one pass over the data buffer, and every offset twice as far."""
    start, offsets, data = _contiguous(values)
    twice = pc.multiply(pc.subtract(offsets, start), pa.scalar(2, offsets.type))
    return _rebuilt(values, twice, hexlify(data))


def base64_text(values: pa.Array) -> pa.Array:
    """Bytes as padded base64: filled up to whole groups of three, encoded in one pass, then the fill marked."""
    length = pc.binary_length(values)
    one = pa.scalar(1, length.type)
    three = pa.scalar(3, length.type)
    groups = pc.divide(pc.add(length, pa.scalar(2, length.type)), three)
    fill = pc.subtract(pc.multiply(groups, three), length)
    filled = pc.binary_join_element_wise(
        values,
        pc.binary_repeat(pa.scalar(b"\0", values.type), fill),
        pa.scalar(b"", values.type),
    )
    start, offsets, data = _contiguous(filled)
    thirds = pc.divide(pc.subtract(offsets, start), pa.scalar(3, offsets.type))
    text = _rebuilt(filled, pc.multiply(thirds, pa.scalar(4, offsets.type)), b64encode(data))
    once = pc.binary_replace_slice(text, -1, 2**31 - 1, b"=")
    twice = pc.binary_replace_slice(text, -2, 2**31 - 1, b"==")
    return pc.if_else(pc.equal(fill, one), once, pc.if_else(pc.equal(fill, pa.scalar(2, fill.type)), twice, text))


def latin1_text(values: pa.Array) -> pa.Array:
    """Each byte as the character of that code point (so bytes from 0x80 on take two)."""
    start, offsets, data = _contiguous(values)
    text = str(data, "latin-1").encode()
    if len(text) == len(data):
        return _rebuilt(values, pc.subtract(offsets, start), text)
    if len(values) == 1:
        return _rebuilt(values, pa.array([0, len(text)], offsets.type), text)
    if len(data) > _LATIN1_BLOCK:
        middle = len(values) // 2
        return pa.concat_arrays([latin1_text(values[:middle]), latin1_text(values[middle:])])
    # A value moves by the number of two-byte characters before it.
    high = pc.shift_right(pa.Array.from_buffers(pa.uint8(), len(data), [None, pa.py_buffer(data)]), 7)
    before = pa.concat_arrays([pa.array([0], offsets.type), pc.cumulative_sum(high.cast(offsets.type))])
    relative = pc.subtract(offsets, start)
    return _rebuilt(values, pc.add(relative, before.take(relative)), text)


def _contiguous(values: pa.Array) -> tuple[pa.Scalar, pa.Array, memoryview]:
    """(first offset, the len + 1 offsets, the bytes between first and last)."""
    wide = pa.types.is_large_binary(values.type)
    _, raw, data = values.buffers()
    offset_type = pa.int64() if wide else pa.int32()
    offsets = pa.Array.from_buffers(offset_type, len(values) + 1, [None, raw], offset=values.offset)
    start, end = offsets[0], offsets[len(values)]
    return start, offsets, memoryview(data if data is not None else b"")[start.as_py() : end.as_py()]


def _rebuilt(values: pa.Array, offsets: pa.Array, data: bytes) -> pa.Array:
    """Text of `data` cut at `offsets` (from 0), null where `values` is."""
    type_ = pa.large_utf8() if pa.types.is_large_binary(values.type) else pa.utf8()
    text = pa.Array.from_buffers(type_, len(values), [None, offsets.buffers()[1], pa.py_buffer(data)])
    return pc.if_else(pc.is_valid(values), text, pa.scalar(None, type_)) if values.null_count else text
