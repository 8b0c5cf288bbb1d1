"""Arrays of a few constants that a module makes when it is imported.

Not by `pa.array` or `pa.scalar`: they ask whether they were given a Series, and so import pandas where there is one,
which takes longer than all the rest of `afterbay validate`.
"""

from __future__ import annotations

from array import array
from itertools import accumulate

import pyarrow as pa


def constants(*values: str | bytes) -> pa.Array:
    """utf8[n], or binary[n], of the n values."""
    data = [value.encode() if isinstance(value, str) else value for value in values]
    offsets = array("i", accumulate(map(len, data), initial=0))
    kind = pa.utf8() if isinstance(values[0], str) else pa.binary()
    return pa.Array.from_buffers(kind, len(data), [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(b"".join(data))])
