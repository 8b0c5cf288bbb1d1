"""What each kind of DDL in a change log makes of the tables."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from afterbay.messages import DdlKind, TableChange
from afterbay.schema import Column, TableName, TableSchema
from afterbay_nodes.sources.canal_json import BadLine, Message
from afterbay_nodes.sources.ddl.altered import apply
from afterbay_nodes.sources.ddl.classify import classify
from afterbay_nodes.sources.ddl.statement import (
    AlterTable,
    CreateTable,
    CreateTables,
    DropTables,
    ExchangePartition,
    RenameTables,
    SchemaStatement,
    TruncateTable,
    Unknown,
)
from afterbay_nodes.sources.ddl.tokenizer import SqlError
from afterbay_nodes.sources.ddl_in_hand import Ddl, Held, Was, gone_changes, quoted, table_changes
from afterbay_nodes.sources.log_table import LogTable
from afterbay_nodes.sources.tables import Tables

_log = logging.getLogger("afterbay.change_log")


class TableDdls:
    """Applies DDL lines to `tables`, which send the schema changes. Used by the same thread."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def play(self, message: Message, commit_ts: int) -> None:
        """Applies a DDL that is no repeat. Raises BadLine if it is below a row of its table that was sent (I3)."""
        told = message.tidb.tables if message.tidb is not None else ()
        ids = {TableName(item.schema, item.table): item for item in told}
        ddl = Ddl(commit_ts, message.sql, message.database, ids=ids)
        match classify(message.sql, message.database):
            case CreateTable(table, columns, like):
                self._create(replace(ddl, kind=DdlKind.CREATE_TABLE), table, columns, like)
            case CreateTables(tables):
                self._tables.settle(ddl, [create.table for create, _ in tables])
                for create, text in tables:
                    one = replace(ddl, kind=DdlKind.CREATE_TABLES, query=text)
                    self._create(one, create.table, create.columns, create.like)
            case AlterTable() as alter:
                self._alter(replace(ddl, kind=alter.kind), alter)
            case RenameTables(pairs):
                self._rename(replace(ddl, kind=DdlKind.RENAME_TABLE), pairs)
            case DropTables(tables):
                self._drop(replace(ddl, kind=DdlKind.DROP_TABLE), tables)
            case TruncateTable(table):
                self._truncate(replace(ddl, kind=DdlKind.TRUNCATE_TABLE), table)
            case ExchangePartition(table, other):
                self._exchange(replace(ddl, kind=DdlKind.EXCHANGE_PARTITION), other, table)
            case SchemaStatement(database, kind):
                self._schema_level(replace(ddl, kind=kind), database)
            case Unknown(why):
                _log.warning("a DDL at %d is not understood (%s): a barrier for `%s`", commit_ts, why, ddl.database)
                self._unknown(ddl)

    def _create(self, ddl: Ddl, name: TableName, columns: tuple[Column, ...] | None, like: TableName | None) -> None:
        tables = self._tables
        if like is not None and (model := tables.known(like)) is not None and not tables.doubted(like):
            columns = model.columns
        tables.settle(ddl, (name,))
        tables.claim(ddl, (name,))
        tables.one(Held(ddl, name, Was(name), None, tables.was(name)), columns)

    def _alter(self, ddl: Ddl, alter: AlterTable) -> None:
        tables = self._tables
        tables.settle(ddl, (alter.table,) if alter.renamed_to is None else (alter.table, alter.renamed_to))
        name = alter.renamed_to or alter.table
        tables.claim(ddl, (name,))
        was, before = tables.was(alter.table), tables.known(alter.table)
        columns: tuple[Column, ...] | None = None
        if before is not None and alter.actions is not None:
            try:
                columns = apply(alter.actions, before.columns)
            except SqlError as error:
                _log.warning("the DDL at %d does not fit table %s: %s", ddl.commit_ts, alter.table, error)
        guess = columns or (before.columns if before is not None else None)
        if tables.doubted(alter.table):
            columns = None
        if alter.renamed_to is not None:
            tables.forget(alter.table, ddl.commit_ts)
        replaced = Was(name) if name == alter.table else tables.was(name)
        held = Held(ddl, name, was if before is not None else Was(name), guess, replaced)
        if columns is None and guess is not None and alter.renamed_to is not None:
            # Never held: the old name may be used again before a row of the new one comes.
            tables.release_guess(held)
        else:
            tables.one(held, columns)

    def _rename(self, ddl: Ddl, pairs: Sequence[tuple[TableName, TableName]]) -> None:
        tables = self._tables
        tables.settle(ddl, [name for pair in pairs for name in pair])
        if len(pairs) == 1:
            ((table, to),) = pairs
            self._alter(ddl, AlterTable(table, DdlKind.RENAME_TABLE, (), to))
            return
        tables.claim(ddl, _last_names(pairs))
        changes: list[TableChange] = []
        unknown: dict[str, list[str]] = {}
        for table, to in pairs:
            before, was, doubted = tables.known(table), tables.was(table), tables.doubted(table)
            tables.forget(table, ddl.commit_ts)
            step = f"{quoted(table)} TO {quoted(to)}"
            if before is None:
                unknown.setdefault(to.schema, []).append(step)
                self._changed_unseen(tables.table(to), ddl)
                continue
            after = ddl.schema_of(to, before.columns, before.table_id)
            partitions = ddl.partitions_of(to, was.schemas)
            changes += table_changes(was, after, partitions, reused=False, query=f"RENAME TABLE {step}")
            tables.put_in_force(after, partitions)
            if doubted:
                tables.doubt(to, ddl.commit_ts)
        if changes:
            tables.send(ddl, changes)
        self._never_met(ddl, "RENAME TABLE", unknown)

    def _drop(self, ddl: Ddl, names: Sequence[TableName]) -> None:
        tables = self._tables
        tables.settle(ddl, names)
        tables.claim(ddl, [name for name in names if tables.known(name) is not None])
        changes: list[TableChange] = []
        unknown: dict[str, list[str]] = {}
        for name in names:
            was = tables.was(name)
            tables.forget(name, ddl.commit_ts)
            if not was.schemas:
                unknown.setdefault(name.schema, []).append(quoted(name))
                continue
            query = f"DROP TABLE {quoted(name)}" if len(names) > 1 else ""
            changes += gone_changes(was, (), query)
        if changes:
            tables.send(ddl, changes)
        self._never_met(ddl, "DROP TABLE", unknown, whole=len(names) == 1)

    def _truncate(self, ddl: Ddl, name: TableName) -> None:
        """The table keeps its columns and gets another id, as do its partitions: unknown, unless the line tells."""
        tables = self._tables
        tables.settle(ddl, (name,))
        before, was = tables.known(name), tables.was(name)
        if before is None:
            tables.forget(name, ddl.commit_ts)
            self._never_met(ddl, "TRUNCATE TABLE", {name.schema: [quoted(name)]}, whole=True)
            return
        tables.claim(ddl, (name,))
        after = ddl.schema_of(name, before.columns, None)
        partitions = ddl.partitions_of(name, ())
        tables.send(ddl, table_changes(was, after, partitions, reused=False))
        tables.put_in_force(after, partitions)

    def _exchange(self, ddl: Ddl, plain: TableName, parted: TableName) -> None:
        """The two change their columns (which are alike, but for ids and defaults); `plain` gets the partition's id."""
        tables = self._tables
        tables.settle(ddl, (plain, parted))
        one, other = tables.known(plain), tables.known(parted)
        if one is None or other is None:
            raise BadLine(
                "change_log.exchange",
                f"a partition is exchanged with a table, but nothing of {plain if one is None else parted} is known",
                plain if one is None else parted,
                hint="begin the log before the table's CREATE TABLE, or put the line aside: `on_bad_line: reject`",
            )
        tables.claim(ddl, (plain, parted))
        alike = _shape(one) == _shape(other)
        changes: list[TableChange] = []
        for name, mine, theirs in ((plain, one, other), (parted, other, one)):
            was = tables.was(name)
            table_id = None if name == plain else mine.table_id
            after = ddl.schema_of(name, theirs.columns if alike else mine.columns, table_id)
            partitions = ddl.partitions_of(name, was.schemas)
            query = ddl.query_in(plain.schema) if name == plain and plain.schema != ddl.database else ""
            changes += table_changes(was, after, partitions, reused=False, query=query)
            tables.put_in_force(after, partitions)
        tables.send(ddl, changes)

    def _schema_level(self, ddl: Ddl, database: str) -> None:
        tables = self._tables
        dropped = tables.of_database(database) if ddl.kind is DdlKind.DROP_SCHEMA else []
        tables.settle(ddl, [table.name for table in dropped])
        if ddl.kind is DdlKind.DROP_SCHEMA:
            tables.floor(database, ddl.commit_ts)
        for table in dropped:
            tables.drop_with_database(table, ddl.commit_ts)
        tables.send_barrier(ddl, database)

    def _unknown(self, ddl: Ddl) -> None:
        """What is not understood may have changed any table of its database: their next rows are right."""
        tables = self._tables
        doubtful = tables.of_database(ddl.database)
        tables.settle(ddl, [table.name for table in doubtful])
        tables.send_barrier(ddl, ddl.database)
        tables.floor(ddl.database, ddl.commit_ts)
        for table in doubtful:
            self._changed_unseen(table, ddl)

    def _changed_unseen(self, table: LogTable, ddl: Ddl) -> None:
        """The DDL may have made anything of the table: its columns are a guess until a row tells."""
        table.to_be_checked()
        table.altered(ddl.commit_ts)
        if table.schema is None:
            self._tables.forget(table.name, ddl.commit_ts)
        else:
            self._tables.doubt(table.name, ddl.commit_ts)

    def _never_met(self, ddl: Ddl, verb: str, unknown: dict[str, list[str]], *, whole: bool = False) -> None:
        """The part of a statement whose tables were never met, so that their columns are not known: a barrier each for
        their databases, with just that part as its query. `whole`: the part is all of it.
        """
        for database, parts in unknown.items():
            _log.warning("the DDL at %d is about tables that were never met: %s", ddl.commit_ts, ", ".join(parts))
            query = ddl.query if whole else f"{verb} {', '.join(parts)}"
            self._tables.send_barrier(replace(ddl, query=query), database)


def _last_names(pairs: Sequence[tuple[TableName, TableName]]) -> list[TableName]:
    """What the tables are called behind the whole statement: a name in between is none of a table's version."""
    sources = [table for table, _ in pairs]
    return [to for at, (_, to) in enumerate(pairs) if to not in sources[at + 1 :]]


def _shape(schema: TableSchema) -> list[tuple[str, str, bool]]:
    return [(column.name, column.type, column.unsigned) for column in schema.columns]
