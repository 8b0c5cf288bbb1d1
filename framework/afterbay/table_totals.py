"""What a run has stored of each table, under the name that it has in the store."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from afterbay.schema import Json


@dataclass(frozen=True, slots=True)
class TableTotals:
    """Sums of one table: changes, data files and their bytes. `commit_ts`: of the last change that was stored."""

    rows: int = 0
    files: int = 0
    bytes: int = 0
    commit_ts: int = 0

    def to_dict(self) -> dict[str, Json]:
        """Plain data, for `--json`."""
        return {"rows": self.rows, "files": self.files, "bytes": self.bytes, "commit_ts": self.commit_ts}

    def __add__(self, other: TableTotals) -> TableTotals:
        return TableTotals(
            self.rows + other.rows,
            self.files + other.files,
            self.bytes + other.bytes,
            max(self.commit_ts, other.commit_ts),
        )


class TableLedger:
    """The sums of one sink, by table (`schema.table`). As large as there are tables. Owns its lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tables: dict[str, TableTotals] = {}

    def stored(self, table: str, rows: int, nbytes: int, commit_ts: int) -> None:
        """A file of the table is durable; its last change is of `commit_ts`. Any thread."""
        with self._lock:
            self._tables[table] = self._tables.get(table, TableTotals()) + TableTotals(rows, 1, nbytes, commit_ts)

    def now(self) -> dict[str, TableTotals]:
        """The sums now."""
        with self._lock:
            return dict(self._tables)
