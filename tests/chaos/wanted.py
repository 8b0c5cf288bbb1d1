"""What must be stored: the changes of each stream of a source in their order, and its DDLs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.reader.bucket import Bucket
from tests.reader.rows import Row

Table = tuple[str, str]


class Change(NamedTuple):
    """One change as any format of the store tells it. No two of a table are equal."""

    op: str
    commit_ts: int
    values: tuple[str | None, ...]

    @classmethod
    def of(cls, row: Row) -> Change:
        """What a reader found."""
        return cls(row.op, row.commit_ts or 0, row.values)


class Statement(NamedTuple):
    """A DDL at `commit_ts` of `tables`, under their names before and after it."""

    commit_ts: int
    query: str
    tables: tuple[Table, ...]


@dataclass
class Wanted:
    """All that a source has sent so far. `streams` is per table and partition (None: it has none), in commit order."""

    streams: dict[Table, dict[int | None, list[Change]]] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)
    last: int = 0

    def add(self, table: Table, partition: int | None, change: Change) -> None:
        """One more change."""
        self.streams.setdefault(table, {}).setdefault(partition, []).append(change)
        self.last = max(self.last, change.commit_ts)

    def rows(self, tables: Iterable[Table], below: int) -> int:
        """How many changes of the tables are below that commit-ts."""
        return sum(
            change.commit_ts < below
            for table in tables
            for stream in self.streams.get(table, {}).values()
            for change in stream
        )

    @property
    def count(self) -> int:
        """All changes."""
        return sum(len(stream) for streams in self.streams.values() for stream in streams.values())

    @classmethod
    def stored(cls, bucket: Bucket) -> Wanted:
        """What another pipeline of the same source has stored, undisturbed."""
        wanted = cls()
        for table in bucket.tables:
            for row in bucket.rows(*table):
                wanted.add(table, None, Change.of(row))
        for (schema, table), versions in bucket.tables.items():
            for version in versions:
                if version.schema.query:
                    wanted.statements.append(
                        Statement(version.schema.version, version.schema.query, ((schema, table),))
                    )
        wanted.statements.sort()
        wanted.last = bucket.checkpoint or 0
        return wanted
