"""Tables in SQL: what is there, what should be there, and the statements that make, fill and drop whole tables."""

from __future__ import annotations

from collections.abc import Iterable

from afterbay.printable import visible
from afterbay.schema import Column, TableName
from afterbay_nodes.apply.partitions import condition
from afterbay_nodes.apply.sql_dialect import SqlDialect
from afterbay_nodes.apply.states import (
    LOG_COLUMNS,
    LOG_NUMBER,
    LOG_ROW,
    LOG_SERIES,
    OWN_TABLES,
    RESERVED,
    STAGED,
    TableState,
)


class SqlTables(SqlDialect):
    """Whole tables. Every statement runs in whatever transaction is open."""

    # -- what is there

    def exists(self, name: TableName) -> bool:
        """True if there is a table of that name, whoever made it."""
        return self.shape(name) is not None

    def is_empty(self, name: TableName) -> bool:
        """True if a table that is there has no rows."""
        return not self.rows(f"SELECT 1 FROM {self.place(name)} LIMIT 1")

    def differences(self, state: TableState) -> list[str]:
        """In which ways what is there differs from `state`, in words."""
        there = self.shape(state.name)
        if there is None:
            return ["it is not there"]
        wanted = {self.column_name(column.name): self.type_of(column) for column in state.columns}
        wanted |= self.log_types() if state.is_log else {}
        told = []
        for name, kind in wanted.items():
            if name not in there:
                told.append(f"column {visible(name)!r} is missing")
            elif there[name] != kind:
                told.append(f"column {visible(name)!r} is {there[name] or 'without a type'}, not {kind or 'without'}")
        told += [f"column {visible(name)!r} is none of the store's" for name in there if name not in wanted]
        key = None if state.is_log else self.key_of(state.name)
        if key is not None and set(key) != set(map(self.column_name, state.keys)):
            shown = (", ".join(map(visible, names)) or "nothing" for names in (key, state.keys))
            told.append("its primary key is {}, not {}".format(*shown))
        return told

    def refuse_name(self, state: TableState, others: Iterable[TableName]) -> str | None:
        """Why a table cannot have its name here, or its columns theirs; None if it can."""
        name = state.name
        if not name.table or not name.schema or "\0" in "".join(name):
            return "an empty name, or one with a NUL, is none here"
        if self.bare(name) in OWN_TABLES:
            return "the target keeps its own notes under this name"
        for other in others:
            if other != name and self.folded(other) == self.folded(name):
                return f"the target takes it for the same as {visible(str(other))}"
        seen: set[str] = set()
        for column in state.columns:
            folded = self.column_name(column.name).casefold()
            if not column.name or "\0" in column.name or folded.startswith(RESERVED):
                return f"its column {visible(column.name)!r} cannot be called so here"
            if folded in seen:
                return f"the target takes its column {visible(column.name)!r} for the same as another"
            seen.add(folded)
        return None

    def folded(self, name: TableName) -> str:
        """Equal for two names that the target takes for the same."""
        return self.place(name)

    # -- making and emptying

    def create_database(self, database: str) -> None:
        """Makes a schema; nothing where there is no such thing."""

    def drop_database(self, database: str) -> None:
        """Drops a schema if nothing is left in it; nothing where there is no such thing."""

    def create(self, state: TableState) -> None:
        """Makes an empty table, and its schema."""
        self.create_database(state.name.schema)
        self.create_at(self.place(state.name), state)

    def create_at(self, place: str, state: TableState) -> None:
        """Makes the table under a name in SQL."""
        parts = [f"{self.quoted(column)} {self.type_of(column)}".rstrip() for column in state.columns]
        if state.is_log:
            parts += [f"{name} {kind}" for name, kind in self.log_types().items()]
        if state.is_log and self.has_keys:
            parts.append(f"UNIQUE ({LOG_SERIES}, {LOG_NUMBER}, {LOG_ROW})")
        elif self.has_keys:
            parts.append(f"PRIMARY KEY ({', '.join(map(self.quoted_name, state.keys))})")
        self.run(f"CREATE TABLE {place} ({', '.join(parts)})")

    def log_types(self) -> dict[str, str]:
        """The columns that a table without a key has besides its own, with their types."""
        whole = self.type_of(Column("", "bigint"))
        kinds = (self.text_type, self.commit_ts_type, self.text_type, whole, whole)
        return dict(zip(LOG_COLUMNS, kinds, strict=True))

    def drop(self, name: TableName) -> None:
        """Drops a table."""
        self.run(f"DROP TABLE {self.place(name)}")

    def truncate(self, name: TableName) -> None:
        """Empties a table."""
        self.run(f"DELETE FROM {self.place(name)}")

    # -- partitions

    def partition_condition(self, table: TableState, partition: str) -> str | None:
        """Which rows are in a partition; None if that cannot be told."""
        if table.partitions is None:
            return None
        return condition(table.partitions, partition, table.columns, self.quoted_name)

    def delete(self, table: TableState, rows: str) -> None:
        """Removes the rows of one partition."""
        self.run(f"DELETE FROM {self.place(table.name)} WHERE {rows}")

    def exchange(self, parted: TableState, rows: str, plain: TableState) -> None:
        """The rows of a partition and those of a table change places, column by column."""
        one, other = self.place(parted.name), self.place(plain.name)
        columns, others = self.listed(parted), self.listed(plain)
        self.run(f"CREATE TEMPORARY TABLE {STAGED} AS SELECT {columns} FROM {one} WHERE {rows}")
        self.run(f"DELETE FROM {one} WHERE {rows}")
        self.run(f"INSERT INTO {one} ({columns}) SELECT {others} FROM {other}")
        self.run(f"DELETE FROM {other}")
        self.run(f"INSERT INTO {other} ({others}) SELECT {columns} FROM {STAGED}")
        self.run(f"DROP TABLE {STAGED}")

    def listed(self, table: TableState) -> str:
        """All columns of a table in SQL."""
        names = [self.quoted(column) for column in table.columns]
        return ", ".join([*names, *LOG_COLUMNS] if table.is_log else names)
