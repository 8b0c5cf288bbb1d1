"""Numbers as the bytes that Debezium writes for them: exact decimals, and bit strings. By kernels; nulls stay."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

_DIGITS = 76  # what 256 bits hold; MySQL has 65
_WIDTH = 32


def unscaled_bytes(text: pa.Array, scale: int) -> pa.Array:
    """Decimal text times 10^scale in two's complement, the high byte first, in as few bytes as hold it: binary.

    Raises pa.ArrowInvalid where more digits stand after the point, or before it than fit.
    """
    numbers = pc.cast(text, pa.decimal256(_DIGITS, scale))
    low_first = numbers.buffers()[1].slice(numbers.offset * _WIDTH, len(numbers) * _WIDTH).to_pybytes()
    # Reversed as a whole, each number has its high byte first, and the last number stands first.
    reversed_ = pa.Array.from_buffers(pa.binary(_WIDTH), len(numbers), [None, pa.py_buffer(low_first[::-1])])
    raw = reversed_.take(pa.arange(len(numbers) - 1, -1, -1)).cast(pa.binary())
    # A leading byte says nothing if the next one has the same sign.
    raw = pc.replace_substring_regex(raw, r"^\x00+([\x00-\x7f])", r"\1")
    raw = pc.replace_substring_regex(raw, r"^\xff+([\x80-\xff])", r"\1")
    return _null_where(numbers, raw)


def bit_bytes(values: pa.Array, width: int) -> pa.Array:
    """Bit strings of `width` bits as bytes, the low byte first: binary. Raises ValueError if one has more bits."""
    refuse_above(values, width)
    octets = values.buffers()[1].slice(values.offset * 8, len(values) * 8)
    raw = pa.Array.from_buffers(pa.binary(8), len(values), [None, octets]).cast(pa.binary())
    return _null_where(values, pc.binary_slice(raw, 0, (width + 7) // 8))


def refuse_above(values: pa.Array, width: int) -> None:
    """Raises ValueError if one of the bit strings has more than `width` bits."""
    if width < 64 and (pc.max(values).as_py() or 0) >> width:
        raise ValueError(f"more than {width} bits")


def _null_where(values: pa.Array, raw: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_valid(values), raw, pa.scalar(None, raw.type)) if values.null_count else raw
