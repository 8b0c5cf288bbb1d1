"""What a source's server keeps for a pipeline, such as a replication slot: how far behind it is, and how it is.

A declaration that has something of the kind is asked by `afterbay status`, while a run goes on or without one; its
operator tells the same for the gauges.
"""

from __future__ import annotations

from dataclasses import dataclass
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
