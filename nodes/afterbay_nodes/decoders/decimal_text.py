"""Exact decimals -> text with every digit of their scale, by kernels. Arrow's own cast turns to exponents."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def decimal_text(values: pa.Array) -> pa.Array:
    """decimal128 or decimal256 (of a scale that is not negative) as utf8: `-0.050`. Nulls stay."""
    type_ = values.type
    whole = type(type_)  # the same bytes, read as the unscaled number
    make = pa.decimal128 if whole is pa.Decimal128Type else pa.decimal256
    unscaled = pa.Array.from_buffers(
        make(type_.precision, 0), len(values), values.buffers(), values.null_count, values.offset
    ).cast(pa.utf8())
    if not type_.scale:
        return unscaled
    digits = pc.utf8_lpad(pc.utf8_ltrim(unscaled, "-"), type_.scale + 1, "0")
    head = pc.utf8_slice_codeunits(digits, 0, -type_.scale)
    tail = pc.utf8_slice_codeunits(digits, -type_.scale, 2**31 - 1)
    text = pc.binary_join_element_wise(head, tail, ".")
    return pc.if_else(pc.starts_with(unscaled, "-"), pc.binary_join_element_wise("-", text, ""), text)
