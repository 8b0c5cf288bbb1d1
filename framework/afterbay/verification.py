"""A sink that can hold what it has stored against its rules (optional: a declaration that implements `Verifies`).

The framework knows no store; a pipeline asks its sinks, as `afterbay status` asks its sources' servers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from afterbay.errors import Diagnostic
from afterbay.node import Node
from afterbay.schema import Json
from afterbay.table_totals import TableTotals


@dataclass(frozen=True, slots=True)
class VerifyContext:
    """What a sink is asked with. `upstream`: the nodes on the way to it. `state`: the state's folder, or None."""

    node: str
    upstream: tuple[Node, ...]
    state: Path | None


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found. `store` is for people, and tells no secret; `tables` counts what the store holds.

    A fault's place names its table, if it is of one. `unchecked`: what is left open and why, in sentences.
    """

    store: str
    checkpoint: int | None
    tables: Mapping[str, TableTotals]
    faults: tuple[Diagnostic, ...]
    unchecked: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """True if every rule that could be checked holds."""
        return not self.faults

    def faults_of(self, table: str) -> tuple[Diagnostic, ...]:
        """Those of one table."""
        return tuple(fault for fault in self.faults if fault.place is not None and fault.place.table == table)

    def to_dict(self) -> dict[str, Json]:
        """Plain data."""
        return {
            "store": self.store,
            "checkpoint": self.checkpoint,
            "clean": self.is_clean,
            "tables": {name: totals.to_dict() for name, totals in self.tables.items()},
            "faults": [str(fault) for fault in self.faults],
            "unchecked": list(self.unchecked),
        }


@runtime_checkable
class Verifies(Protocol):
    """A sink that can be asked."""

    def verify(self, context: VerifyContext) -> Verification:
        """Reads the whole store; changes nothing. Raises EnvironmentRefused if it is out of reach, RunFailed later."""
        ...

    def stored_tables(self) -> tuple[str, ...]:
        """The tables (`schema.table`) that the store holds, sorted: a listing, no data. Raises as `verify`."""
        ...
