"""How much a spool may hold."""

from __future__ import annotations

from dataclasses import dataclass

from afterbay.units import GIB, MIB

DEFAULT_QUOTA = 10 * GIB
MOST_MEMORY = 256 * MIB
MOST_SEGMENT = 64 * MIB


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


def _rounded(size: int) -> int:
    """Whole MiB where there are any, so that a default reads like a size."""
    return size // MIB * MIB or size
