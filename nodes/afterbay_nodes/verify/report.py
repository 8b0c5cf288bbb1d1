"""What a verification says: counts per table, faults, and what could not be checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from afterbay.errors import Diagnostic
from afterbay.schema import TableName
from afterbay_nodes.verify.fault import Fault


@dataclass(slots=True)
class TableCounts:
    """One table by name. `files` are data files in an index, `fences` those of them without a byte.

    `inserts`, `updates`, `deletes` count changes: an update that is stored in two halves is one. `formats` are
    extensions.
    """

    versions: int = 0
    files: int = 0
    fences: int = 0
    bytes: int = 0
    inserts: int = 0
    updates: int = 0
    deletes: int = 0
    formats: set[str] = field(default_factory=set)

    @property
    def changes(self) -> int:
        """All of them."""
        return self.inserts + self.updates + self.deletes


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A rule that could not be checked: what is left open, why, and for which tables or files ("" for the store)."""

    what: str
    why: str
    where: tuple[str, ...] = ()


class Question(Enum):
    """What nothing in a store answers: (what is left open, why)."""

    ROWS = (
        "whether rows say what was committed",
        "no data file has a checksum in the store: --against a change log or a database tells",
    )
    STATEMENTS = (
        "whether the statements and DDL numbers of schema files are those that were run",
        "the checksum in their names is of the columns alone: --against a change log tells",
    )
    COMPLETE = (
        "whether everything at or below the checkpoint is stored",
        "a store does not know what was committed: --against a change log tells",
    )

    def unchecked(self) -> Unchecked:
        """The question, left open."""
        return Unchecked(*self.value)


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome. `faults` are sorted by file and row, `notes` break no rule.

    `compared` names what the store was held against. `checkpoint` is what the store shows, None if it shows none.
    """

    display: str
    checkpoint: int | None
    tables: Mapping[TableName, TableCounts]
    faults: tuple[Fault, ...]
    notes: tuple[Diagnostic, ...]
    unchecked: tuple[Unchecked, ...]
    compared: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """True if every rule that could be checked holds."""
        return not self.faults
