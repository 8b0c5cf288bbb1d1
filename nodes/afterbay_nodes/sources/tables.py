"""What every table of a change log looks like, told by its DDLs (`table_ddls`) and checked by its rows.

The schema of a table comes from the DDL that made it, and is checked against the table's next row. Where the DDL does
not say, it is held back until that row (or the next watermark); where the two disagree about a type, the row is right.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from afterbay.messages import SchemaChange, TableChange
from afterbay.node import Outlet
from afterbay.schema import Column, TableName, TableSchema
from afterbay_nodes.sources.canal_json import BadLine, Message, row_columns
from afterbay_nodes.sources.ddl_in_hand import Ddl, Held, Was, gone_changes, table_changes
from afterbay_nodes.sources.dispatcher import dispatcher_of, table_of
from afterbay_nodes.sources.log_table import LogTable
from afterbay_nodes.sources.remarks import Remarks
from afterbay_nodes.sources.row_schema import columns_told_by_row, key_told_by_row
from afterbay_nodes.sources.table_feed import TableFeed

DOUBTS, DROPPED, OPEN = "doubts", "dropped", "open"
_log = logging.getLogger("afterbay.change_log")


class Tables:
    """All tables met. Sends schema changes; has `flush(feed, open)` send rows before them. One thread."""

    def __init__(
        self,
        partition: str,
        out: Outlet,
        flush: Callable[[TableFeed, bool], None],
        schemas: Mapping[str, TableSchema],
        remarks: Mapping[str, Iterable[str]],
        commit_ts: int,
        *,
        split_keys: bool,
    ) -> None:
        """`schemas` are in force at `commit_ts`, with what `remarks_at` said there."""
        self._partition = partition
        self._out = out
        self._flush = flush
        self._split_keys = split_keys
        self._watermark = commit_ts
        # Tables whose columns are a guess until a row tells; dispatchers that went with their database; tables known
        # from rows alone, in partitions of which more may be met.
        self._doubts = Remarks(remarks.get(DOUBTS, ()), commit_ts)
        self._dropped = Remarks(remarks.get(DROPPED, ()), commit_ts)
        self._open = Remarks(remarks.get(OPEN, ()), commit_ts)
        self._tables: dict[TableName, LogTable] = {}
        self._feeds: dict[tuple[str, str, int | None], TableFeed] = {}  # the same feeds, found in one step
        self._held: dict[TableName, Held] = {}
        self._gone: set[TableName] = set()  # with feeds without a schema: those are forgotten at the next watermark
        self._floors: dict[str, int] = {}  # per database the last DDL that may have changed any table of it
        self._used: set[TableName] = set()  # had rows or a schema: a table made again under the name is graph-wide
        for dispatcher, schema in sorted(schemas.items(), key=lambda item: item[1].version):
            name, number = table_of(dispatcher)
            self._used.add(name)
            if dispatcher not in self._dropped:
                self.feed(*name, number)
                self.table(name).set_schema(schema, split_keys=split_keys)
        self._gone.clear()

    def remarks_at(self, commit_ts: int) -> dict[str, list[str]]:
        """What a run resumed at `commit_ts` must know besides the schemas in force. Plain data, empty as a rule."""
        kept = {DOUBTS: self._doubts, DROPPED: self._dropped, OPEN: self._open}
        return {remark: dispatchers for remark, of in kept.items() if (dispatchers := of.at(commit_ts))}

    # -- rows

    def feed(self, database: str, table: str, partition: int | None) -> TableFeed:
        """The feed of a dispatcher; one without a schema if it was not met before."""
        key = (database, table, partition)
        found = self._feeds.get(key)
        if found is None:
            name = TableName(database, table)
            found = self._feeds[key] = self.table(name).feed(partition)
            self._gone.add(name)  # for now: if no schema follows, it is forgotten again
        return found

    def fit(self, feed: TableFeed, message: Message, commit_ts: int) -> None:
        """Gives the feed of a row a schema that the row's `mysqlType` fits. Raises BadLine.

        Announces a table or partition that is met for the first time, releases a DDL that waited for this row, corrects
        a schema that the row contradicts.
        """
        columns, key = row_columns(message)
        table_id = message.tidb.table_id if message.tidb is not None else None
        table = self.table(feed.name)
        if held := self._held.get(feed.name):
            told = key_told_by_row(columns_told_by_row(columns, held.guess or ()), key)
            self._release(held, told, table_id)
            self._check_partition(feed)
        elif table.schema is None:
            # In force before its first row (before that of any partition), and not at or below what was promised: a
            # replay chooses the same.
            version = commit_ts - 1 if feed.partition is None else max(self._watermark + 1, table.ddl_ts)
            self._announce(table, TableSchema(feed.name, version, columns, table_id), (feed.partition,))
            if feed.partition is not None:
                self._open.begin(dispatcher_of(feed.name), version)
        else:
            self._check_partition(feed)
            self._check(feed, table, table.schema, columns, key, table_id, commit_ts)
        if feed.schema is None:  # a partition that is met for the first time
            feed.set_schema(table.schema, split_keys=self._split_keys)
            self._tell(feed)
        # Copies: the originals would keep the whole line.
        feed.mysql_type, feed.pk_names = message.mysql_type.copy(), message.pk_names.copy()
        feed.table_id = table_id

    def release(self, watermark: int) -> None:
        """A watermark: DDLs at or below it that still wait for a row go with the columns that are likeliest."""
        self._watermark = watermark
        due = [held for held in self._held.values() if held.ddl.commit_ts <= watermark]
        for held in sorted(due, key=lambda held: held.ddl.commit_ts):
            self.release_guess(held)
        for name in list(self._gone):
            table = self._tables[name]
            for partition, feed in list(table.feeds.items()):
                if feed.schema is None and feed.last_ts <= watermark and name not in self._held:
                    del table.feeds[partition], self._feeds[*name, partition]
            if all(feed.schema is not None or feed.last_ts <= watermark for feed in table.feeds.values()):
                self._gone.discard(name)
                if not table.feeds:
                    del self._tables[name]

    # -- for DDLs

    def table(self, name: TableName) -> LogTable:
        """The table of that name, new if there is none."""
        if (table := self._tables.get(name)) is None:
            table = self._tables[name] = LogTable(name, self._floors.get(name.schema, -1))
            self._gone.add(name)
        return table

    def known(self, name: TableName) -> TableSchema | None:
        """The schema in force of a table, None if it is not known."""
        table = self._tables.get(name)
        return table.schema if table is not None else None

    def was(self, name: TableName) -> Was:
        """The table as it is now, before a DDL."""
        table = self._tables.get(name)
        return Was(name, table.schemas if table is not None else {})

    def of_database(self, database: str) -> list[LogTable]:
        """All tables of a database that were met."""
        return [table for name, table in self._tables.items() if name.schema == database]

    def doubted(self, name: TableName) -> bool:
        """True if the table's columns are a guess."""
        return dispatcher_of(name) in self._doubts

    def doubt(self, name: TableName, commit_ts: int) -> None:
        """The table's columns are a guess from `commit_ts` on, until a row tells."""
        self._doubts.begin(dispatcher_of(name), commit_ts)

    def settle(self, ddl: Ddl, names: Iterable[TableName]) -> None:
        """Before a DDL: what these tables hold back or have pending goes out. Raises BadLine for rows above it (I3)."""
        tables = [table for name in dict.fromkeys(names) if (table := self._tables.get(name)) is not None]
        for table in tables:
            if table.last_ts > ddl.commit_ts:
                raise BadLine(
                    "change_log.order",
                    f"a DDL at {ddl.commit_ts} comes after the table's changes at {table.last_ts}",
                    table.name,
                    hint="a DDL stands in the log before the later changes of its tables",
                )
        for table in tables:
            if held := self._held.get(table.name):
                self.release_guess(held)
            for feed in table.feeds.values():
                self._flush(feed, False)

    def claim(self, ddl: Ddl, names: Iterable[TableName]) -> None:
        """Before a DDL takes effect: its commit-ts becomes the version of these tables, and a version is of one schema.

        The parts of one statement are about different tables. Raises BadLine, and has then claimed none (I3).
        """
        tables = [self.table(name) for name in dict.fromkeys(names)]
        for table in tables:
            corrected = table.schema is not None and table.schema.version == ddl.commit_ts
            if table.version == ddl.commit_ts or corrected:
                what = (
                    "a second DDL of the table" if table.version == ddl.commit_ts else "a DDL behind a row's correction"
                )
                raise BadLine(
                    "change_log.order",
                    f"{what} at {ddl.commit_ts}, which is the version of one schema only",
                    table.name,
                    hint="each DDL of a table has a commitTs of its own; whoever wrote the log has to mend it",
                )
        for table in tables:
            table.version = ddl.commit_ts

    def one(self, held: Held, columns: tuple[Column, ...] | None) -> None:
        """A DDL of one table: sent, or held until its columns are known."""
        table = self.table(held.name)
        if columns is not None:
            self._release(held, columns)
            return
        if held.guess is None and table.schema is not None:
            # A table of that name was there: better than nothing.
            held = replace(held, guess=table.schema.columns)
        self._held[held.name] = held
        self.feed(*held.name, None)
        table.set_schema(None, split_keys=self._split_keys)
        table.altered(held.ddl.commit_ts)

    def release_guess(self, held: Held) -> None:
        """Sends a DDL of one table with the columns that are likeliest; if there are none, it is a barrier."""
        if held.guess is not None:
            self._release(held, held.guess)
            self.doubt(held.name, held.ddl.commit_ts)
            return
        self._held.pop(held.name, None)
        self._gone.add(held.name)
        _log.warning(
            "nothing tells the columns of table %s after the DDL at %d: a barrier", held.name, held.ddl.commit_ts
        )
        self.send_barrier(held.ddl, held.name.schema)

    def put_in_force(self, schema: TableSchema, partitions: Collection[int | None]) -> None:
        """`schema` holds for these partitions of its table from its version on; other partitions are gone."""
        table = self.table(schema.name)
        for partition in partitions:
            self._dropped.end(self.feed(*schema.name, partition).dispatcher, schema.version)
        table.set_schema(schema, frozenset(partitions), split_keys=self._split_keys)
        table.altered(schema.version)
        self._used.add(schema.name)
        self._open.end(dispatcher_of(schema.name), schema.version)
        if len(table.feeds) > len(partitions):
            self._gone.add(schema.name)

    def forget(self, name: TableName, commit_ts: int) -> None:
        """The table is gone. Its feeds stay until the next watermark, to know rows below the DDL as repeats."""
        table = self.table(name)
        self.feed(*name, None)
        table.set_schema(None, split_keys=self._split_keys)
        table.altered(commit_ts)
        self._gone.add(name)
        self._doubts.end(dispatcher_of(name), commit_ts)
        self._open.end(dispatcher_of(name), commit_ts)

    def drop_with_database(self, table: LogTable, commit_ts: int) -> None:
        """The table went with its database: the state does not know, so a checkpoint has to."""
        for feed in table.feeds.values():
            self._dropped.begin(feed.dispatcher, commit_ts)
        self.forget(table.name, commit_ts)

    def floor(self, database: str, commit_ts: int) -> None:
        """A DDL at `commit_ts` may have changed any table of the database, also those that were never met."""
        self._floors[database] = commit_ts

    def reused(self, name: TableName) -> bool:
        """True if a table of that name had rows or a schema."""
        return name in self._used

    def send(self, ddl: Ddl, changes: Sequence[TableChange]) -> None:
        """One schema change of tables."""
        self._out.schema_change(SchemaChange(self._partition, ddl.commit_ts, ddl.kind, ddl.query, tuple(changes)))

    def send_barrier(self, ddl: Ddl, database: str) -> None:
        """One schema change of a database as a whole."""
        query = ddl.query_in(database)
        self._out.schema_change(SchemaChange(self._partition, ddl.commit_ts, ddl.kind, query, database=database))

    # -- parts of them

    def _release(self, held: Held, columns: tuple[Column, ...], table_id: int | None = None) -> None:
        """Sends a DDL of one table with the columns it made. Query, kind and version are the DDL's.

        `table_id` is what a row tells.
        """
        self._held.pop(held.name, None)
        ddl, was = held.ddl, held.was
        schema = ddl.schema_of(held.name, columns, table_id if table_id is not None else was.table_id)
        partitions = ddl.partitions_of(held.name, was.schemas)
        query = "" if held.name.schema == ddl.database else ddl.query_in(held.name.schema)
        reused = self.reused(held.name) and not was.schemas
        changes = table_changes(was, schema, partitions, reused=reused, query=query)
        self.send(ddl, changes + gone_changes(held.replaced, partitions, query))
        self.put_in_force(schema, partitions)
        self._doubts.end(dispatcher_of(held.name), ddl.commit_ts)

    def _check_partition(self, feed: TableFeed) -> None:
        """A row of a dispatcher that its table may not have. Raises BadLine.

        A DDL may have gone in band to the dispatchers that were known: rows of another one could pass it (I3).
        """
        if feed.schema is not None or (feed.partition is not None and dispatcher_of(feed.name) in self._open):
            return
        what = (
            "does not tell its partition, but" if feed.partition is None else f"is of partition {feed.partition}, but"
        )
        raise BadLine(
            "change_log.partition",
            f"the row {what} the table has {self._has(feed.name)}",
            feed.name,
            hint="rows tell `partitionId`, and DDLs that make or change partitions `partitionIds`, always or never",
        )

    def _has(self, name: TableName) -> str:
        numbers = [str(number) for number in self.was(name).schemas if number is not None]
        return f"the partitions {', '.join(numbers)}" if numbers else "no partitions"

    def _check(
        self,
        feed: TableFeed,
        table: LogTable,
        schema: TableSchema,
        columns: tuple[Column, ...],
        key: tuple[str, ...] | None,
        table_id: int | None,
        commit_ts: int,
    ) -> None:
        """A row whose types were not seen under this schema. Raises BadLine for a column that cannot be, and where the
        schema would be corrected at its own version: two schemas of one version could not be told apart (I3).
        """
        told = columns_told_by_row(columns, schema.columns)
        names, told_names = ({column.name for column in some} for some in (schema.columns, told))
        if names != told_names and not self.doubted(table.name):
            odd = min(told_names - names, default=None)
            missing = min(names - told_names, default="")
            raise BadLine(
                "change_log.column",
                f"column {odd!r} is none of the table's" if odd is not None else f"column {missing!r} is missing",
                table.name,
                hint="the DDL that changed the table is missing in the log",
            )
        told = key_told_by_row(told, key)
        told_id = schema.table_id if table_id is None else table_id
        agrees = told == schema.columns and told_id == schema.table_id
        if not agrees and commit_ts <= schema.version:
            raise BadLine(
                "change_log.column",
                f"the row contradicts the schema that is in force since its own commit-ts, {commit_ts}, which is the "
                "version of one schema only",
                table.name,
                hint="rows stand behind the DDL that made their columns, with a commitTs above it",
            )
        self._doubts.end(dispatcher_of(table.name), commit_ts)
        if agrees:
            return
        if told != schema.columns or schema.table_id is not None:
            _log.warning("table %s: a row at %d contradicts the schema, which is corrected", table.name, commit_ts)
        for other in table.feeds.values():
            self._flush(other, other is feed and feed.last_ts == commit_ts)
        self._announce(table, TableSchema(table.name, commit_ts, told, told_id), table.schemas)

    def _announce(self, table: LogTable, schema: TableSchema, partitions: Collection[int | None]) -> None:
        """`schema` is in force for these partitions without a DDL."""
        table.set_schema(schema, frozenset(partitions), split_keys=self._split_keys)
        self._used.add(table.name)
        for partition in partitions:
            self._tell(table.feeds[partition])

    def _tell(self, feed: TableFeed) -> None:
        assert feed.schema is not None
        self._dropped.end(feed.dispatcher, feed.schema.version)
        self._out.announce(feed.dispatcher, feed.schema)
