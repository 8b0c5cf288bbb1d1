"""What every table of a change log looks like, and what its DDLs make of it.

The schema of a table comes from the DDL that made it, and is checked against the table's next row. Where the DDL does
not say, it is held back until that row (or the next watermark); where the two disagree about a type, the row is right.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from afterbay.messages import DdlKind, SchemaChange, TableChange
from afterbay.node import Outlet
from afterbay.schema import Column, TableName, TableSchema
from afterbay_nodes.sources.canal_json import BadLine, Message, row_columns
from afterbay_nodes.sources.ddl.alter import apply
from afterbay_nodes.sources.ddl.classify import classify
from afterbay_nodes.sources.ddl.statement import (
    AlterTable,
    CreateTable,
    DropTables,
    ExchangePartition,
    RenameTables,
    SchemaStatement,
    TruncateTable,
    Unknown,
)
from afterbay_nodes.sources.ddl.tokenizer import SqlError
from afterbay_nodes.sources.ddl_in_hand import Ddl, Held, quoted
from afterbay_nodes.sources.dispatcher import dispatcher_of, table_of
from afterbay_nodes.sources.remarks import Remarks
from afterbay_nodes.sources.row_schema import columns_told_by_row, key_told_by_row
from afterbay_nodes.sources.table_feed import UNCHECKED, TableFeed

DOUBTS, DROPPED = "doubts", "dropped"
_log = logging.getLogger("afterbay.change_log")


class Tables:
    """All tables met. Sends schema changes; has `flush(feed, open)` send a table's rows before them. One thread."""

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
        # Tables whose columns are a guess until a row tells; tables that went with their database.
        self._doubts = Remarks(remarks.get(DOUBTS, ()), commit_ts)
        self._dropped = Remarks(remarks.get(DROPPED, ()), commit_ts)
        self._feeds: dict[tuple[str, str], TableFeed] = {}
        self._held: dict[TableName, Held] = {}
        self._gone: set[TableName] = set()  # without a schema since a DDL: forgotten at the next watermark
        self._floors: dict[str, int] = {}  # per database the last DDL that may have changed any table of it
        self._used: set[str] = set()  # dispatchers that had rows or a schema: one made again is graph-wide
        for dispatcher, schema in schemas.items():
            self._used.add(dispatcher)
            if dispatcher not in self._dropped:
                self._made(table_of(dispatcher)).set_schema(schema, split_keys=split_keys)

    def remarks_at(self, commit_ts: int) -> dict[str, list[str]]:
        """What a run resumed at `commit_ts` must know besides the schemas in force. Plain data, empty as a rule."""
        found = {DOUBTS: self._doubts.at(commit_ts), DROPPED: self._dropped.at(commit_ts)}
        return {remark: dispatchers for remark, dispatchers in found.items() if dispatchers}

    def feed(self, database: str, table: str) -> TableFeed:
        """The feed of a table; one without a schema if it was not met before."""
        found = self._feeds.get((database, table))
        if found is None:
            found = self._made(TableName(database, table))
            self._gone.add(found.name)  # for now: if no schema follows, it is forgotten again
        return found

    def fit(self, message: Message, commit_ts: int) -> None:
        """Gives the feed of a row a schema that the row's `mysqlType` fits. Raises BadLine.

        Announces a table that is met for the first time, releases a DDL that waited for this row, corrects a schema
        that the row contradicts.
        """
        columns, key = row_columns(message)
        name = message.name
        feed = self._made(name)
        if held := self._held.get(name):
            self._release(name, held, key_told_by_row(columns_told_by_row(columns, held.guess or ()), key))
        elif feed.schema is None:
            # In force before its first row, and not at or below what was promised: a replay chooses the same.
            self._announce(feed, TableSchema(name, commit_ts - 1, columns))
        else:
            self._check(feed, feed.schema, columns, key, commit_ts)
        # Copies: the originals would keep the whole line.
        feed.mysql_type, feed.pk_names = message.mysql_type.copy(), message.pk_names.copy()

    def ddl(self, message: Message, commit_ts: int) -> None:
        """Applies a DDL that is no repeat. Raises BadLine if it is below a row of its table that was sent (I3)."""
        ddl = Ddl(commit_ts, message.sql, message.database)
        match classify(message.sql, message.database):
            case CreateTable(table, columns, like):
                self._create(ddl, table, self._columns(like) if like is not None else columns)
            case AlterTable() as alter:
                self._alter(replace(ddl, kind=alter.kind), alter)
            case RenameTables(pairs):
                self._rename(
                    replace(ddl, kind=DdlKind.RENAME_TABLES if len(pairs) > 1 else DdlKind.RENAME_TABLE), pairs
                )
            case DropTables(tables):
                self._drop(replace(ddl, kind=DdlKind.DROP_TABLE), tables)
            case TruncateTable(table):
                self._keep(replace(ddl, kind=DdlKind.TRUNCATE_TABLE), (table,))
            case ExchangePartition(table, other):
                self._keep(replace(ddl, kind=DdlKind.EXCHANGE_PARTITION), (other, table))
            case SchemaStatement(database, kind):
                self._schema_level(replace(ddl, database=database, kind=kind))
            case Unknown(why):
                _log.warning("a DDL at %d is not understood (%s): a barrier for `%s`", commit_ts, why, ddl.database)
                self._barrier(ddl)

    def release(self, watermark: int) -> None:
        """A watermark: DDLs at or below it that still wait for a row go with the columns that are likeliest."""
        due = [(name, held) for name, held in self._held.items() if held.ddl.commit_ts <= watermark]
        for name, held in sorted(due, key=lambda item: item[1].ddl.commit_ts):
            self._release_guess(name, held)
        for name in list(self._gone):
            feed = self._feeds[name]
            if feed.last_ts <= watermark:
                self._gone.discard(name)
                if feed.schema is None and name not in self._held:
                    del self._feeds[name]

    # -- kinds of DDL

    def _create(self, ddl: Ddl, name: TableName, columns: tuple[Column, ...] | None) -> None:
        ddl = replace(ddl, kind=DdlKind.CREATE_TABLE)
        self._settle(ddl, (name,))
        change = self._before(name)
        self._made(name)
        self._one(ddl, name, change, columns, guess=None)

    def _alter(self, ddl: Ddl, alter: AlterTable) -> None:
        self._settle(ddl, (alter.table,) if alter.renamed_to is None else (alter.table, alter.renamed_to))
        name = alter.renamed_to or alter.table
        feed = self._feeds.get(alter.table)
        before = feed.schema if feed is not None else None
        columns: tuple[Column, ...] | None = None
        if before is not None and alter.actions is not None:
            try:
                columns = apply(alter.actions, before.columns)
            except SqlError as error:
                _log.warning("the DDL at %d does not fit table %s: %s", ddl.commit_ts, alter.table, error)
        guess = columns or (before.columns if before is not None else None)
        if dispatcher_of(alter.table) in self._doubts:
            columns = None
        if alter.renamed_to is not None:
            self._forget(alter.table, ddl)
        change = (
            self._before(name)
            if before is None
            else TableChange(dispatcher_of(alter.table), before, dispatcher_of(name), None)
        )
        self._made(name)
        if columns is None and guess is not None and alter.renamed_to is not None:
            # Never held: the old name may be used again before a row of the new one comes.
            self._release_guess(name, Held(ddl, change, guess))
        else:
            self._one(ddl, name, change, columns, guess)

    def _rename(self, ddl: Ddl, pairs: Sequence[tuple[TableName, TableName]]) -> None:
        self._settle(ddl, [name for pair in pairs for name in pair])
        if len(pairs) == 1:
            ((table, to),) = pairs
            self._alter(replace(ddl, kind=DdlKind.RENAME_TABLE), AlterTable(table, DdlKind.RENAME_TABLE, (), to))
            return
        changes = []
        for table, to in pairs:
            feed = self._feeds.get(table)
            schema = feed.schema if feed is not None else None
            if schema is None:
                _log.warning("the DDL at %d renames table %s, which was never met", ddl.commit_ts, table)
                self._forget(table, ddl)
                continue
            doubted = dispatcher_of(table) in self._doubts
            self._forget(table, ddl)
            after = TableSchema(to, ddl.commit_ts, schema.columns)
            query = f"RENAME TABLE {quoted(table)} TO {quoted(to)}"
            changes.append(TableChange(dispatcher_of(table), schema, dispatcher_of(to), after, query))
            self._put_in_force(self._made(to), after, ddl.commit_ts)
            if doubted:
                self._doubts.begin(dispatcher_of(to), ddl.commit_ts)
        self._send_all(replace(ddl, kind=DdlKind.RENAME_TABLES), changes)

    def _drop(self, ddl: Ddl, tables: Sequence[TableName]) -> None:
        self._settle(ddl, tables)
        changes = []
        for table in tables:
            feed = self._feeds.get(table)
            if feed is None or feed.schema is None:
                _log.warning("the DDL at %d drops table %s, which was never met", ddl.commit_ts, table)
                self._forget(table, ddl)
                continue
            query = f"DROP TABLE {quoted(table)}" if len(tables) > 1 else ""
            changes.append(TableChange(feed.dispatcher, feed.schema, None, None, query))
            self._forget(table, ddl)
        self._send_all(ddl, changes)

    def _keep(self, ddl: Ddl, tables: Sequence[TableName]) -> None:
        """Truncate and exchange: the tables keep their columns and get a new version."""
        self._settle(ddl, tables)
        known = [feed for table in tables if (feed := self._feeds.get(table)) is not None and feed.schema is not None]
        if len(known) < len(tables):
            _log.warning("the DDL at %d speaks of a table that was never met: a barrier", ddl.commit_ts)
            for table in tables:
                self._made(table)
            self._barrier(ddl)
            return
        changes = []
        for feed in known:
            assert feed.schema is not None
            after = replace(feed.schema, version=ddl.commit_ts)
            changes.append(TableChange(feed.dispatcher, feed.schema, feed.dispatcher, after))
            self._put_in_force(feed, after, ddl.commit_ts)
        self._send_all(ddl, changes)

    def _schema_level(self, ddl: Ddl) -> None:
        tables = self._of_database(ddl.database) if ddl.kind is DdlKind.DROP_SCHEMA else []
        self._settle(ddl, tables)
        if ddl.kind is DdlKind.DROP_SCHEMA:
            self._floors[ddl.database] = ddl.commit_ts
        for table in tables:
            self._forget(table, ddl)
            self._dropped.begin(dispatcher_of(table), ddl.commit_ts)
        self._send_all(ddl, ())

    def _barrier(self, ddl: Ddl) -> None:
        """What is not understood may have changed any table of its database: their next rows are right."""
        tables = self._of_database(ddl.database)
        self._settle(ddl, tables)
        self._send_all(ddl, ())
        self._floors[ddl.database] = ddl.commit_ts
        for table in tables:
            feed = self._feeds[table]
            feed.mysql_type = UNCHECKED
            feed.altered(ddl.commit_ts)
            if feed.schema is None:
                self._gone.add(table)
            else:
                self._doubts.begin(feed.dispatcher, ddl.commit_ts)

    # -- parts of them

    def _settle(self, ddl: Ddl, tables: Iterable[TableName]) -> None:
        """Before a DDL: what these tables hold back or have pending goes out (I3)."""
        names = dict.fromkeys(tables)
        for name in names:
            feed = self._feeds.get(name)
            if feed is not None and feed.last_ts > ddl.commit_ts:
                raise BadLine(
                    "change_log.order",
                    f"a DDL at {ddl.commit_ts} comes after the table's changes at {feed.last_ts}",
                    name,
                    hint="a DDL stands in the log before the later changes of its tables",
                )
        for name in names:
            if held := self._held.get(name):
                self._release_guess(name, held)
            if feed := self._feeds.get(name):
                self._flush(feed, False)

    def _one(
        self,
        ddl: Ddl,
        name: TableName,
        change: TableChange,
        columns: tuple[Column, ...] | None,
        guess: tuple[Column, ...] | None,
    ) -> None:
        """A DDL of one table, which is called `name` after it: sent, or held until its columns are known."""
        feed = self._feeds[name]
        if guess is None and feed.schema is not None:
            guess = feed.schema.columns  # a table of that name was there: better than nothing
        held = Held(ddl, change, guess)
        if columns is None:
            self._held[name] = held
            feed.set_schema(None, split_keys=self._split_keys)
            feed.altered(ddl.commit_ts)
        else:
            self._release(name, held, columns)

    def _release(self, name: TableName, held: Held, columns: tuple[Column, ...]) -> None:
        """Sends a DDL of one table with the columns it made. Query, kind and version are the DDL's."""
        self._held.pop(name, None)
        ddl = held.ddl
        schema = TableSchema(name, ddl.commit_ts, columns)
        self._send_all(ddl, (replace(held.change, after=schema),))
        feed = self._feeds[name]
        self._put_in_force(feed, schema, ddl.commit_ts)
        self._doubts.end(feed.dispatcher, ddl.commit_ts)

    def _release_guess(self, name: TableName, held: Held) -> None:
        if held.guess is not None:
            self._release(name, held, held.guess)
            self._doubts.begin(dispatcher_of(name), held.ddl.commit_ts)
            return
        self._held.pop(name, None)
        self._gone.add(name)
        _log.warning("nothing tells the columns of table %s after the DDL at %d: a barrier", name, held.ddl.commit_ts)
        self._send_all(replace(held.ddl, database=name.schema), ())

    def _check(
        self,
        feed: TableFeed,
        schema: TableSchema,
        columns: tuple[Column, ...],
        key: tuple[str, ...] | None,
        commit_ts: int,
    ) -> None:
        """A row whose types were not seen under this schema. Raises BadLine for a column that cannot be."""
        told = columns_told_by_row(columns, schema.columns)
        names, told_names = ({column.name for column in some} for some in (schema.columns, told))
        if names != told_names and feed.dispatcher not in self._doubts:
            odd = min(told_names - names, default=None)
            missing = min(names - told_names, default="")
            raise BadLine(
                "change_log.column",
                f"column {odd!r} is none of the table's" if odd is not None else f"column {missing!r} is missing",
                feed.name,
                hint="the DDL that changed the table is missing in the log",
            )
        told = key_told_by_row(told, key)
        self._doubts.end(feed.dispatcher, commit_ts)
        if told != schema.columns:
            _log.warning("table %s: a row at %d contradicts the schema, which is corrected", feed.name, commit_ts)
            self._flush(feed, feed.last_ts == commit_ts)
            self._announce(feed, TableSchema(feed.name, commit_ts, told))

    def _put_in_force(self, feed: TableFeed, schema: TableSchema, commit_ts: int) -> None:
        """`schema` holds from the DDL at `commit_ts` on."""
        feed.set_schema(schema, split_keys=self._split_keys)
        feed.altered(commit_ts)
        self._used.add(feed.dispatcher)
        self._dropped.end(feed.dispatcher, commit_ts)

    def _announce(self, feed: TableFeed, schema: TableSchema) -> None:
        feed.set_schema(schema, split_keys=self._split_keys)
        self._used.add(feed.dispatcher)
        self._dropped.end(feed.dispatcher, schema.version)
        self._out.announce(feed.dispatcher, schema)

    def _send_all(self, ddl: Ddl, changes: Sequence[TableChange]) -> None:
        """One schema change; without tables it is a barrier for its database."""
        database = None if changes else ddl.database
        self._out.schema_change(
            SchemaChange(self._partition, ddl.commit_ts, ddl.kind, ddl.query, tuple(changes), database)
        )

    def _columns(self, name: TableName) -> tuple[Column, ...] | None:
        feed = self._feeds.get(name)
        known = feed is not None and feed.schema is not None and feed.dispatcher not in self._doubts
        return feed.schema.columns if known and feed is not None and feed.schema is not None else None

    def _of_database(self, database: str) -> list[TableName]:
        return [feed.name for feed in self._feeds.values() if feed.name.schema == database]

    def _before(self, name: TableName) -> TableChange:
        """The part of a table that was not known before. Where its dispatcher was used before, the DDL is graph-wide:
        `dispatcher_before` says so.
        """
        dispatcher = dispatcher_of(name)
        return TableChange(dispatcher if dispatcher in self._used else None, None, dispatcher, None)

    def _made(self, name: TableName) -> TableFeed:
        """The feed of `name`, new if there is none."""
        if (feed := self._feeds.get(name)) is None:
            feed = self._feeds[name] = TableFeed(name)
            feed.altered(self._floors.get(name.schema, -1))
        return feed

    def _forget(self, name: TableName, ddl: Ddl) -> None:
        """The table is gone. Its feed stays until the next watermark, to know rows below the DDL as repeats."""
        feed = self._made(name)
        feed.set_schema(None, split_keys=self._split_keys)
        feed.altered(ddl.commit_ts)
        self._gone.add(name)
        self._doubts.end(feed.dispatcher, ddl.commit_ts)
