"""Which tables a snapshot has, in which order, and as of which position: written down before its first row is sent.

A file beside the state, which a checkpoint's cursor refers to by the number of tables that are done.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from afterbay.errors import EnvironmentRefused, Place, RunFailed

_NAME = "snapshot.json"


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
        path = folder / _NAME
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            aside = path.with_suffix(".new")
            with aside.open("w") as file:
                json.dump([asdict(table) for table in self.tables], file)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise EnvironmentRefused(
                "postgres.snapshot_plan",
                f"the plan of the snapshot cannot be written: {error.strerror or error}",
                place=Place(file=str(path)),
                hint="give the user that runs the pipeline write access to the state directory",
            ) from error

    @classmethod
    def read(cls, folder: Path, done: int) -> SnapshotPlan:
        """What was written, with at least `done` tables. Raises RunFailed."""
        path = folder / _NAME
        try:
            tables = [PlannedTable(int(item["oid"]), int(item["at"])) for item in json.loads(path.read_text())]
        except FileNotFoundError:
            tables = []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(path, str(error)) from error
        if len(tables) < done:
            raise _damaged(path, f"it has {len(tables)} tables, and the checkpoint says that {done} are done")
        return cls(tables)


def _damaged(path: Path, why: str) -> RunFailed:
    return RunFailed(
        "postgres.snapshot_plan",
        f"the plan of the snapshot is not as it was written: {why}",
        place=Place(file=str(path)),
        hint="start afresh: a new state and an empty root",
    )
