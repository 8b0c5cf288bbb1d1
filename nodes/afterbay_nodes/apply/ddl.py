"""DDLs of a store run on a target: what each statement means for the tables that are there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeGuard

from afterbay.errors import RunFailed
from afterbay.messages import DdlKind
from afterbay.printable import visible
from afterbay.schema import TableName, TableSchema
from afterbay_nodes.apply.alteration import Added, Alteration, Kept
from afterbay_nodes.apply.defaults import fill_of
from afterbay_nodes.apply.lineage import origins
from afterbay_nodes.apply.partition_clauses import (
    Clause,
    DropParts,
    EmptyParts,
    ExchangePart,
    divided,
    partition_clause,
)
from afterbay_nodes.apply.places import about
from afterbay_nodes.apply.states import ASIDE, TableState, same_columns
from afterbay_nodes.apply.tables import Tables
from afterbay_nodes.apply.target import Target
from afterbay_nodes.bucket.steps import FileStep, SchemaStep, Step
from afterbay_nodes.sources.ddl.alter import parse_qualified
from afterbay_nodes.sources.ddl.classify import classify
from afterbay_nodes.sources.ddl.statement import (
    AlterTable,
    CreateTable,
    CreateTables,
    DropTables,
    ExchangePartition,
    RenameTables,
    SchemaStatement,
    Statement,
    TruncateTable,
    Unknown,
)
from afterbay_nodes.sources.ddl.tokenizer import Cursor, SqlError
from afterbay_nodes.transforms.table_rules import TableRules

_BY_NUMBER = {
    DdlKind.CREATE_TABLE: DdlKind.CREATE_TABLE,
    DdlKind.CREATE_TABLES: DdlKind.CREATE_TABLE,
    DdlKind.DROP_TABLE: DdlKind.DROP_TABLE,
    DdlKind.TRUNCATE_TABLE: DdlKind.TRUNCATE_TABLE,
}


class Ddls:
    """Runs the schema steps of one store. Used by one thread, inside the engine's transactions."""

    def __init__(
        self,
        target: Target,
        tables: Tables,
        source: str,
        rules: TableRules | None,
        note: Callable[[str], None],
    ) -> None:
        self._store: Sequence[Step] = ()
        self._target = target
        self._tables = tables
        self._source = source
        self._rules = rules
        self._note = note

    def includes(self, name: TableName) -> bool:
        """True if a table is to be applied."""
        return self._rules is None or self._rules.matches(name)

    def concerns(self, step: SchemaStep) -> bool:
        """True if a step is about a table, or a database, that is to be applied."""
        if step.table is None:
            return self._rules is None or self._rules.reaches(step.database)
        return self.includes(step.table) or (step.renamed_from is not None and self.includes(step.renamed_from))

    def is_due_again(self, step: Step) -> bool:
        """True for the drop of a database, taken before, of which a table older than it is there now."""
        if isinstance(step, FileStep) or step.table is not None:
            return False
        tables = [state for state in self._tables.of_database(step.database) if state.version < step.version]
        return bool(tables) and _drops_database(classify(step.query, ""))

    def run(self, steps: Sequence[SchemaStep], store: Sequence[Step]) -> None:
        """Runs the steps of one version, in their order; the caller makes one transaction of them.

        `store` are all steps of the store, those that were taken before included.
        """
        self._store = store
        names = {name for step in steps for name in (step.table, step.renamed_from) if name is not None}
        # As it was before: a rename of this version may leave a name that another one of it takes.
        versions = {name: self._tables.version(name) for name in names}
        aside: dict[TableName, TableName] = {}
        for place, step in enumerate(steps):
            with about(step.keys[0], step.table):
                if step.table is None or step.schema is None:
                    self._database(step)
                elif max(versions[step.table], versions.get(step.renamed_from or step.table, -1)) >= step.version:
                    continue
                elif step.renamed_from is not None:
                    self._rename(step, step.schema, step.renamed_from, steps[place + 1 :], aside)
                elif self.includes(step.table):
                    self._table(step, step.schema, steps)

    # -- one table

    def _table(self, step: SchemaStep, schema: TableSchema, group: Sequence[SchemaStep]) -> None:
        statement = classify(step.query, step.database) if step.is_ddl else None
        kind = _kind(step, statement)
        state = self._tables.find(schema.name)
        clause = partition_clause(step.query) if step.is_ddl else None
        if kind is DdlKind.DROP_TABLE:
            if state is not None:
                self._tables.drop(state, step.version)
            return
        if kind is DdlKind.RECOVER_TABLE:
            self._refuse_dropped_rows(step, schema.name)
        if kind is DdlKind.CREATE_TABLE and state is not None and not _if_absent(step.query):
            self._tables.drop(state, step.version)
            state = None
        if state is None:
            parts = divided(None, clause)
            if isinstance(statement, CreateTable) and statement.like is not None:
                parts = self._tables.partitions(statement.like)
            self._tables.create(replace(TableState.of(schema, self._source), partitions=parts))
            if kind is not DdlKind.EXCHANGE_PARTITION:
                return
            state = self._tables.find(schema.name)
            assert state is not None
        if kind is DdlKind.TRUNCATE_TABLE:
            self._tables.truncate(state)
        elif kind is DdlKind.EXCHANGE_PARTITION:
            self._exchange(step, state, clause, statement, group)
        elif isinstance(clause, DropParts | EmptyParts):
            self._empty_parts(state, clause)
        self._evolve(state, schema, statement, clause)

    def _refuse_dropped_rows(self, step: SchemaStep, name: TableName) -> None:
        """A table that comes back from the bin has its rows at the source; here they went with it, unless none came."""
        if self._tables.version(name) >= 0 or not _under_its_name(step.query):
            raise _unrunnable(step, "the rows that come back are not in the store")
        self._note(f"table {visible(str(name))} came back from the bin with rows that are not in the store")

    def _evolve(
        self, state: TableState, schema: TableSchema, statement: Statement | None, clause: Clause | None = None
    ) -> None:
        """The table gets the columns of its new version."""
        after = replace(TableState.of(schema, self._source), partitions=divided(state.partitions, clause))
        sources = origins(state.columns, after.columns, statement)
        stays = all(origin is not None and origin.name == name for name, origin in sources.items())
        if stays and same_columns(state, schema):
            self._tables.remember(after)
            return
        kept = [Kept(origin, column) for column in after.columns if (origin := sources[column.name]) is not None]
        added = []
        for column in after.columns:
            if sources[column.name] is None:
                fill = fill_of(column)
                added.append(Added(column, fill.value))
                if fill.unknown and not self._target.is_empty(state.name):
                    self._note(
                        f"table {visible(str(schema.name))}, version {schema.version}: rows that were there have NULL "
                        f"in the new column {visible(column.name)!r}: {visible(fill.unknown)}"
                    )
        self._tables.alter(Alteration(state, after, tuple(kept), tuple(added)))

    def _rename(
        self,
        step: SchemaStep,
        schema: TableSchema,
        old: TableName,
        later: Sequence[SchemaStep],
        aside: dict[TableName, TableName],
    ) -> None:
        """`later` are the version's steps still to come; `aside` has the tables that made room for others of them."""
        made_room = aside.pop(old, None)
        state = self._tables.find(made_room or old)
        if not self.includes(schema.name):
            if state is not None:
                # The target holds the tables that the rules include, and this one is called otherwise now.
                self._tables.drop(state, step.version)
            return
        if not self.includes(old):
            raise RunFailed(
                "apply.unseen",
                f"{visible(str(old))}, which --tables leaves out, was renamed to {visible(str(schema.name))}, which it "
                "includes: its earlier rows were not applied",
                hint="include both names from the start, in a fresh target, or leave both out",
            )
        taken = self._tables.find(schema.name)
        if taken is not None and any(other.renamed_from == schema.name for other in later):
            aside[schema.name] = TableName(schema.name.schema, f"{ASIDE}_{len(aside)}")
            self._tables.rename(taken, aside[schema.name], step.version)
        elif taken is not None:
            self._tables.drop(taken, step.version)
        if state is None:
            self._tables.create(TableState.of(schema, self._source))
            return
        renamed = self._tables.rename(state, schema.name, None if made_room else step.version)
        self._evolve(renamed, schema, classify(step.query, step.database))

    # -- partitions

    def _exchange(
        self,
        step: SchemaStep,
        plain: TableState,
        clause: Clause | None,
        statement: Statement | None,
        group: Sequence[SchemaStep],
    ) -> None:
        partners = [other for other in group if other is not step and not other.is_ddl and other.table is not None]
        named = statement.table if isinstance(statement, ExchangePartition) else None
        partner = next((other.table for other in partners if other.table == named), None)
        if partner is None and len(partners) == 1:
            partner = partners[0].table  # routed: the statement has the name of the source
        partner = partner or named
        if partner is None or not isinstance(clause, ExchangePart) or not self.includes(partner):
            raise RunFailed(
                "apply.exchange",
                "a partition is exchanged, and it cannot be told with which table, or --tables leaves one of them out",
                hint="include both tables from the start, or leave both out",
            )
        parted = self._tables.find(partner)
        if parted is None or (self._target.is_empty(parted.name) and self._target.is_empty(plain.name)):
            return
        self._target.exchange(parted, self._condition(parted, clause.name), plain)

    def _empty_parts(self, state: TableState, clause: DropParts | EmptyParts) -> None:
        if isinstance(clause, EmptyParts) and not clause.names:
            self._tables.truncate(state)
            return
        if self._target.is_empty(state.name):
            return
        for name in clause.names:
            self._target.delete(state, self._condition(state, name))

    def _condition(self, state: TableState, partition: str) -> str:
        condition = self._target.partition_condition(state, partition)
        if condition is None:
            raise RunFailed(
                "apply.partition",
                f"which rows of {visible(str(state.name))} are in partition {visible(partition)!r} cannot be told",
                hint="known are RANGE, LIST and HASH over one whole-number or date column, of a table whose CREATE "
                "is in the store; leave the table out with --tables",
            )
        return condition

    # -- databases

    def _database(self, step: SchemaStep) -> None:
        statement = classify(step.query, "")
        if isinstance(statement, SchemaStatement) and statement.kind is DdlKind.CREATE_SCHEMA:
            self._target.create_database(step.database)
        elif _drops_database(statement):
            if others := spoken_databases(self._store, step.database) - {statement.database}:
                raise RunFailed(
                    "apply.routed_drop",
                    f"database {visible(statement.database)!r} was dropped; the store has its tables in "
                    f"{visible(step.database)!r}, beside those of {visible(min(others))!r}: whose is whose is not told",
                    hint=f"leave them out with --tables '!{visible(step.database)}.*'",
                )
            for state in self._tables.of_database(step.database):
                if state.version < step.version and self.includes(state.name):
                    self._tables.drop(state, step.version)
            self._target.drop_database(step.database)
        elif isinstance(statement, Unknown):
            self._note(
                f"{visible(step.keys[0])}: a statement that is not understood was passed over: "
                f"{visible(step.query[:120])}"
            )


def _drops_database(statement: Statement) -> TypeGuard[SchemaStatement]:
    return isinstance(statement, SchemaStatement) and statement.kind is DdlKind.DROP_SCHEMA


def spoken_databases(store: Sequence[Step], database: str) -> set[str]:
    """What the statements about `database` and its tables call it: another name, or several, if tables were routed."""
    spoken: set[str] = set()
    for step in store:
        if isinstance(step, SchemaStep) and step.is_ddl and step.database == database:
            match classify(step.query, ""):
                case SchemaStatement(name):
                    spoken.add(name)
                case CreateTable(table=table) | AlterTable(table=table) | TruncateTable(table=table):
                    spoken.add(table.schema)
                case RenameTables(pairs):
                    spoken |= {new.schema for _, new in pairs}
    return spoken - {""}


def _kind(step: SchemaStep, statement: Statement | None) -> DdlKind | None:
    """What to do besides bringing the columns up to date. A statement that is not understood is told by its number."""
    if (statement.kind if isinstance(statement, AlterTable) else step.type) == DdlKind.RECOVER_TABLE:
        return DdlKind.RECOVER_TABLE
    if isinstance(statement, Unknown) and step.type in (DdlKind.RENAME_TABLE, DdlKind.EXCHANGE_PARTITION):
        raise _unrunnable(step, "it is not understood")
    match statement:
        case None | AlterTable() | RenameTables() | SchemaStatement():
            return None
        case CreateTable() | CreateTables():
            return DdlKind.CREATE_TABLE
        case DropTables():
            return DdlKind.DROP_TABLE
        case TruncateTable():
            return DdlKind.TRUNCATE_TABLE
        case ExchangePartition():
            return DdlKind.EXCHANGE_PARTITION
    return next((kind for told, kind in _BY_NUMBER.items() if told == step.type), None)


def _unrunnable(step: SchemaStep, why: str) -> RunFailed:
    return RunFailed(
        "apply.statement",
        f"the statement cannot be run here, for {why}: {visible(step.query[:200])}",
        hint="leave the table out with --tables",
    )


def _under_its_name(sql: str) -> bool:
    """True for RECOVER TABLE and FLASHBACK TABLE without a new name for the table."""
    try:
        cursor = Cursor(sql)
        if cursor.takes_any("RECOVER", "FLASHBACK") is None or not cursor.takes("TABLE"):
            return False
        parse_qualified(cursor)
    except SqlError:
        return False
    return cursor.ended


def _if_absent(sql: str) -> bool:
    """True for CREATE TABLE IF NOT EXISTS, which leaves a table that is there alone."""
    try:
        cursor = Cursor(sql)
    except SqlError:
        return False
    cursor.takes("CREATE")
    return cursor.takes("TABLE") and cursor.sees("IF", "NOT", "EXISTS")
