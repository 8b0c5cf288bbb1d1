"""TiDB's timestamps (TSO): physical Unix milliseconds above 18 bits of a logical counter."""

from __future__ import annotations

LOGICAL_BITS = 18


def physical_ms(commit_ts: int) -> int:
    """The wall time in a TSO, Unix milliseconds."""
    return commit_ts >> LOGICAL_BITS
