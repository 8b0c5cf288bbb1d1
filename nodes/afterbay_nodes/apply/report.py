"""What an apply did, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from afterbay.schema import TableName


class Outcome(StrEnum):
    """How an apply ended."""

    COMPLETE = "complete"  # everything that may be applied now is
    STOPPED = "stopped"  # by a signal, between two transactions


@dataclass(slots=True)
class TableCounts:
    """Changes of one table that were applied, as they are stored: netted changes count, too."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    files: int = 0

    @property
    def rows(self) -> int:
        """All changes."""
        return self.inserted + self.updated + self.deleted


@dataclass(slots=True)
class ApplyReport:
    """One call of apply. `checkpoint` is the store's, None without one; `limit` is up to where rows were applied.

    `limit` None: the store has no commit-ts with its rows, and whole files were applied. `cut_files` were applied up to
    the limit and go on next time; `notes` say where the target cannot be what the source was. `known` are all tables
    that the store has, applied or not.
    """

    store: str
    source: str
    target: str
    outcome: Outcome = Outcome.COMPLETE
    checkpoint: int | None = None
    limit: int | None = None
    files: int = 0
    cut_files: int = 0
    bytes: int = 0
    ddls: int = 0
    seconds: float = 0.0
    tables: dict[TableName, TableCounts] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    known: frozenset[TableName] = frozenset()

    @property
    def rows(self) -> int:
        """Changes applied, over all tables."""
        return sum(counts.rows for counts in self.tables.values())

    def of(self, table: TableName) -> TableCounts:
        """The counts of one table."""
        return self.tables.setdefault(table, TableCounts())

    def to_dict(self) -> dict[str, object]:
        """Plain data for `--json`."""
        return {
            "store": self.store,
            "source": self.source,
            "target": self.target,
            "outcome": str(self.outcome),
            "checkpoint": self.checkpoint,
            "limit": self.limit,
            "rows": self.rows,
            "files": self.files,
            "cut_files": self.cut_files,
            "bytes": self.bytes,
            "ddls": self.ddls,
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(self.rows / self.seconds) if self.seconds > 0 else None,
            "tables": [
                {
                    "schema": name.schema,
                    "table": name.table,
                    "inserted": counts.inserted,
                    "updated": counts.updated,
                    "deleted": counts.deleted,
                    "files": counts.files,
                }
                for name, counts in sorted(self.tables.items())
            ],
            "notes": list(self.notes),
        }
