"""How much a spool may hold."""

from __future__ import annotations

from dataclasses import dataclass

from afterbay.units import GIB, MIB

DEFAULT_QUOTA = 10 * GIB
MOST_MEMORY = 256 * MIB
MOST_SEGMENT = 64 * MIB
ENTRY_OVERHEAD = 1536
"""Bytes charged for each live entry beside its payload: its objects on the heap, its claims on the way to the store,
and its row in the catalog. docs/adr/0010-spool-admission.md and 0013 say what was measured."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes: `quota` for memory and disk together, `memory` for the heap's part, `segment` for one file."""

    quota: int
    memory: int
    segment: int

    @classmethod
    def of(cls, quota: int = DEFAULT_QUOTA, memory: int | None = None, segment: int | None = None) -> Limits:
        """The limits with their defaults: memory min(0.2 x quota, 256 MiB), segment min(64 MiB, quota / 4)."""
        return cls(
            quota,
            min(_rounded(quota // 5), MOST_MEMORY) if memory is None else memory,
            max(1, min(MOST_SEGMENT, quota // 4)) if segment is None else segment,
        )

    @property
    def reserve(self) -> int:
        """The part of `memory` that payloads may not take: it pays for entries on disk."""
        return self.memory // 4

    @property
    def sure_on_disk(self) -> int:
        """How many entries may lie on disk even while memory is full of payloads: what the reserve pays for."""
        return max(1, self.reserve // ENTRY_OVERHEAD)


def _rounded(size: int) -> int:
    """Whole MiB where there are any, so that a default reads like a size."""
    return size // MIB * MIB or size
