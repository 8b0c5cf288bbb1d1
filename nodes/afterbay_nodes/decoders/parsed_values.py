"""Values as a parser gave them (Python's numbers, text and bytes) -> a column, checked (I10)."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from afterbay.schema import Column
from afterbay_nodes.decoders.text_values import BadText


def typed(column: Column, values: Sequence[object], kinds: type | tuple[type, ...], as_: pa.DataType) -> pa.Array:
    """`values`, each of one of `kinds` (exactly) or None, as an array of `as_`.

    Raises BadText for another kind, and for a number that `as_` does not hold.
    """
    allowed = {type(None), *(kinds if isinstance(kinds, tuple) else (kinds,))}
    if not set(map(type, values)) <= allowed:
        row = next(at for at, value in enumerate(values) if type(value) not in allowed)
        raise BadText(column, row, values[row])
    try:
        return pa.array(values, as_)
    except (pa.ArrowInvalid, OverflowError, UnicodeEncodeError):
        row = _first_bad(values, as_)
        raise BadText(column, row, values[row]) from None


def _first_bad(values: Sequence[object], as_: pa.DataType) -> int:
    """The index of the first value that is no `as_`. Only called when there is one."""
    for row, value in enumerate(values):
        try:
            pa.scalar(value, as_)
        except (pa.ArrowInvalid, OverflowError, UnicodeEncodeError):
            return row
    return 0
