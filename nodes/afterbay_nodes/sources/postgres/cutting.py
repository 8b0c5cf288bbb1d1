"""Pieces of one buffer as an Arrow column."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Mask = npt.NDArray[np.bool_]


def cut_out(
    buffer: pa.Buffer, start: npt.NDArray[np.integer], end: npt.NDArray[np.integer], null: Mask | None
) -> pa.Array:
    """The bytes from each `start` to its `end` as a binary array, null where `null`: compact, offset 0.

    Positions rise (start 0 ≤ end 0 ≤ start 1 ≤ …) and stay below 2^31. The pieces are the even elements of an array
    over the whole buffer, whose odd elements are the gaps; taking them copies each piece once, in C++.
    """
    count = len(start)
    offsets = np.empty(2 * count, np.int32)
    offsets[0::2], offsets[1::2] = start, end
    spread = pa.Array.from_buffers(pa.binary(), 2 * count - 1, [None, pa.py_buffer(offsets), buffer])
    return spread.take(pa.array(np.arange(0, 2 * count, 2, dtype=np.int32), mask=null))
