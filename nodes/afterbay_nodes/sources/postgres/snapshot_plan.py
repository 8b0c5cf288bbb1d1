"""Which tables a snapshot has, in which order, and as of which position: written down before its first row is sent.

A file beside the state, which a checkpoint's cursor refers to by the number of tables that are done.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from afterbay_nodes.sources.postgres import kept_files

_NAME = "snapshot.json"
_CODE = "postgres.snapshot_plan"
_WHAT = "the plan of the snapshot"


@dataclass(frozen=True, slots=True)
class PlannedTable:
    """A table, and the position that its rows are as of: what was committed below it is in them."""

    oid: int
    at: int


class SnapshotPlan:
    """The tables in their order. The n-th of those that are read together at L has the commit-ts L - rest + n.

    So each table's rows have a commit-ts of their own, below the first commit of the stream, and a promise after each
    table says that it is complete.
    """

    def __init__(self, tables: Sequence[PlannedTable] = ()) -> None:
        self.tables = tuple(tables)

    def again(self, done: int, oids: Sequence[int], at: int) -> SnapshotPlan:
        """The plan in which all behind the first `done` tables are read anew, as of `at`."""
        kept = self.tables[:done]
        names = {table.oid for table in kept}
        return SnapshotPlan([*kept, *(PlannedTable(oid, at) for oid in oids if oid not in names)])

    def streamed(self, oids: Sequence[int]) -> SnapshotPlan:
        """The plan with these too, of which the stream has everything."""
        names = {table.oid for table in self.tables}
        return SnapshotPlan([*self.tables, *(PlannedTable(oid, 0) for oid in oids if oid not in names)])

    def commit_ts(self, index: int) -> int:
        """Of the rows of a table."""
        return self.tables[index].at - (len(self.tables) - index)

    @property
    def end(self) -> int:
        """The position behind which the stream has everything of every table."""
        return max((table.at for table in self.tables), default=0)

    def floors(self) -> dict[int, int]:
        """By oid: what was committed below the position is in the snapshot."""
        return {table.oid: table.at for table in self.tables}

    def write(self, folder: Path) -> None:
        """Writes it durably. Raises EnvironmentRefused."""
        text = json.dumps([asdict(table) for table in self.tables])
        kept_files.replace(folder / _NAME, text, code=_CODE, what=_WHAT)

    @classmethod
    def read(cls, folder: Path, done: int) -> SnapshotPlan:
        """What was written, with at least `done` tables. Raises RunFailed."""
        path = folder / _NAME
        try:
            tables = [PlannedTable(int(item["oid"]), int(item["at"])) for item in json.loads(path.read_text())]
        except FileNotFoundError:
            tables = []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise kept_files.damaged(path, str(error), code=_CODE, what=_WHAT) from error
        if len(tables) < done:
            why = f"it has {len(tables)} tables, and the checkpoint says that {done} are done"
            raise kept_files.damaged(path, why, code=_CODE, what=_WHAT)
        return cls(tables)
