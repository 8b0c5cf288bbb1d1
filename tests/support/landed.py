"""What landed in a target, looked at by its own driver: nothing of `afterbay_nodes.apply` is used."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import psycopg

KINDS = ("sqlite", "duckdb", "postgres")


@dataclass(frozen=True, slots=True)
class Landed:
    """One target: `uri` as the command line takes it, `path` of its file ("" for a server)."""

    kind: str
    uri: str
    path: str = ""

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self._each([sql])[0]

    def queries(self, statements: Sequence[str]) -> list[list[tuple[Any, ...]]]:
        """The rows of each of several queries."""
        return self._each(statements)

    def run(self, *statements: str) -> None:
        """Statements, each committed: what somebody else does to the target."""
        self._each(list(statements))

    def name(self, table: str) -> str:
        """`schema.table` as SQL of this target."""
        schema, _, bare = table.partition(".")
        if self.kind == "sqlite":
            return '"' + table.replace('"', '""') + '"'
        return ".".join('"' + part.replace('"', '""') + '"' for part in (schema, bare))

    def rows(self, table: str, columns: str = "*", where: str = "1 = 1") -> list[tuple[Any, ...]]:
        """All rows of a table, sorted."""
        found = self.query(f"SELECT {columns} FROM {self.name(table)} WHERE {where}")
        return sorted(found, key=lambda row: tuple((value is not None, str(type(value)), value) for value in row))

    def columns(self, table: str) -> list[str]:
        """The names of a table's columns."""
        return [row[0] for row in self._columns(table)]

    def all_columns(self) -> dict[str, list[str]]:
        """The names of the columns of all tables but the target's own, by `schema.table`."""
        if self.kind == "sqlite":
            sql = "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
        else:
            sql = "SELECT table_schema || '.' || table_name, column_name FROM information_schema.columns"
        known = self.tables()
        found: dict[str, list[str]] = {name: [] for name in known}
        for table, column in self.query(sql):
            if table in known:
                found[table].append(column)
        return found

    def types(self, table: str) -> dict[str, str]:
        """The columns' types."""
        return dict(self._columns(table))  # type: ignore[arg-type]

    def tables(self) -> set[str]:
        """`schema.table` of all tables but the target's own."""
        if self.kind == "sqlite":
            found = self.query("SELECT name FROM sqlite_master WHERE type = 'table'")
        else:
            found = self.query(
                "SELECT table_schema || '.' || table_name FROM information_schema.tables "
                "WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
            )
        return {row[0] for row in found if not row[0].rpartition(".")[2].startswith("_afterbay_")}

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every table's rows, the target's own tables included."""
        main = {"sqlite": "", "duckdb": "main.", "postgres": "public."}[self.kind]
        own = {f"{main}_afterbay_{name}" for name in ("applied", "ddls", "tables")}
        return {table: self.rows(table) for table in sorted(self.tables() | own)}

    def _columns(self, table: str) -> list[tuple[Any, ...]]:
        schema, _, bare = table.partition(".")
        if self.kind == "sqlite":
            return self.query(f"SELECT name, type FROM pragma_table_info('{table}')")
        return self.query(
            f"SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = '{schema}' "
            f"AND table_name = '{bare}' ORDER BY ordinal_position"
        )

    def _each(self, statements: Sequence[str]) -> list[list[tuple[Any, ...]]]:
        if self.kind == "sqlite":
            with sqlite3.connect(self.path) as db:
                found = [db.execute(sql).fetchall() for sql in statements]
            db.close()
            return found
        if self.kind == "duckdb":
            with duckdb.connect(self.path) as duck:
                return [duck.execute(sql).fetchall() for sql in statements]
        with psycopg.connect(self.uri, autocommit=True) as server:
            cursors = [server.execute(sql) for sql in statements]
            return [cursor.fetchall() if cursor.description else [] for cursor in cursors]
