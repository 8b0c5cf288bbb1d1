"""The two times of an encoded row, in Unix milliseconds: when it was committed, and when it was encoded."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.clock import Clock
from afterbay.messages import ChangeBatch

_PHYSICAL_SHIFT = 18  # a TSO keeps its physical milliseconds above 18 bits of logical counter


def commit_ms(batch: ChangeBatch) -> pa.Array:
    """Each row's commit time: the source's, or that of its TSO."""
    if batch.commit_ms is not None:
        return batch.commit_ms
    return pc.shift_right(batch.commit_ts, pa.scalar(_PHYSICAL_SHIFT, pa.uint64()))


def now_ms(clock: Clock) -> int:
    """The time of encoding."""
    return int(clock.now().timestamp() * 1000)
