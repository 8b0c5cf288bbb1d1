"""What a source's server keeps for a pipeline, such as a replication slot: how far behind it is, and how it is.

A declaration that has something of the kind is asked by `afterbay status`, while a run goes on or without one; its
operator tells the same for the gauges. `afterbay state drop-slot` has it dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Upstream:
    """`behind`: bytes that the server keeps and nobody has confirmed, None if not known. `state` in its words."""

    name: str
    state: str
    behind: int | None = None

    def to_dict(self) -> dict[str, str | int | None]:
        """Plain data, for `--json`."""
        return {"name": self.name, "state": self.state, "behind": self.behind}


@runtime_checkable
class HasUpstream(Protocol):
    """A declaration whose source can be asked."""

    def upstream(self) -> Upstream:
        """Asks the server. May take as long as a connection may. Raises AfterbayError."""
        ...


class Fate(StrEnum):
    """What became of something on a server: it is gone now, was not there, is not the pipeline's, or may not go."""

    DROPPED = "dropped"
    ABSENT = "absent"
    KEPT = "kept"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Removal:
    """What became of one thing. `note`: why it is still there, and what would drop it."""

    what: str
    fate: Fate
    note: str = ""

    def to_dict(self) -> dict[str, str]:
        """Plain data, for `--json`."""
        return asdict(self)


@runtime_checkable
class DropsUpstream(Protocol):
    """A declaration that can drop what its source's server keeps for the pipeline."""

    def drop_upstream(self) -> Iterator[Removal]:
        """Drops it, one thing after the other; what is gone already is told as such, so that it can be done again.

        Raises AfterbayError.
        """
        ...
