"""One table of a change log by its name: its schema in force, and the feeds of its dispatchers."""

from __future__ import annotations

from dataclasses import replace

from afterbay.schema import TableName, TableSchema
from afterbay_nodes.sources.table_feed import UNCHECKED, TableFeed


class LogTable:
    """A table has one feed, or one for each physical partition that was met or told. Owned by `Tables`.

    `schema` is the table's, in force for all its dispatchers, None if it is not known; a feed's own names its
    partition. `version` is what the last DDL of the table itself gave, -1 before one. A feed without a schema is that
    of a dispatcher that is gone, or whose first row is still to be checked.
    """

    def __init__(self, name: TableName, altered: int) -> None:
        """`altered`: the last DDL that may have changed the table, -1 if there was none; `ddl_ts` keeps it."""
        self.name = name
        self.schema: TableSchema | None = None
        self.feeds: dict[int | None, TableFeed] = {}
        self.version = -1
        self.ddl_ts = altered

    @property
    def last_ts(self) -> int:
        """The last commit-ts, of a row of any partition or a DDL."""
        return max(self.ddl_ts, *(feed.last_ts for feed in self.feeds.values()), -1)

    @property
    def schemas(self) -> dict[int | None, TableSchema]:
        """Partition (None: the table as a whole) -> schema in force, of the dispatchers that the table has."""
        return {
            partition: feed.schema
            for partition, feed in sorted(self.feeds.items(), key=lambda item: item[0] or 0)
            if feed.schema is not None
        }

    def feed(self, partition: int | None) -> TableFeed:
        """The feed of a dispatcher; one without a schema if it was not met before."""
        if (found := self.feeds.get(partition)) is None:
            found = self.feeds[partition] = TableFeed(self.name, partition)
            found.altered(self.ddl_ts)
        return found

    def set_schema(
        self, schema: TableSchema | None, partitions: frozenset[int | None] | None = None, *, split_keys: bool
    ) -> None:
        """Puts a schema in force for these partitions, or for all; the others are gone."""
        self.schema = None if schema is None else replace(schema, partition_id=None)
        for partition, feed in self.feeds.items():
            stays = partitions is None or partition in partitions
            feed.set_schema(schema if stays else None, split_keys=split_keys)

    def altered(self, commit_ts: int) -> None:
        """A DDL at `commit_ts` took effect."""
        self.ddl_ts = max(self.ddl_ts, commit_ts)
        for feed in self.feeds.values():
            feed.altered(commit_ts)

    def to_be_checked(self) -> None:
        """The next row of each feed is checked against the schema, whatever its types."""
        for feed in self.feeds.values():
            feed.mysql_type = UNCHECKED
