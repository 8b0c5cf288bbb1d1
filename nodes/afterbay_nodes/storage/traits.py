"""What a store has told about itself, for whoever looks after it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, Protocol, runtime_checkable


class Traits(NamedTuple):
    """`conditional`: it refuses to overwrite. `compares`: it replaces only what was seen. `time`: its clock's."""

    conditional: bool
    compares: bool
    time: datetime | None


@runtime_checkable
class TellsTraits(Protocol):
    """A store in a network."""

    def traits(self) -> Traits:
        """What it is like. One request; after `check`. Raises RunFailed."""
        ...
