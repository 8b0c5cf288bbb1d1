"""PostgreSQL: rows brought in by COPY into a temporary table, then merged by two statements.

A name may have 63 bytes here and is cut beyond them, with a part of its digest; `_afterbay_tables` has both names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

import pyarrow as pa

from afterbay.errors import AfterbayError, EnvironmentRefused, RunFailed
from afterbay.schema import Column, TableName
from afterbay_nodes.apply.alteration import Alteration
from afterbay_nodes.apply.netting import Net
from afterbay_nodes.apply.sql_dialect import Row, quote
from afterbay_nodes.apply.sql_target import SqlTarget, first_line
from afterbay_nodes.apply.states import LOG_COLUMNS, REBUILT, STAGED, TableState
from afterbay_nodes.apply.target import LogRows
from afterbay_nodes.apply.targets.postgres_conversion import conversion
from afterbay_nodes.apply.targets.postgres_copy import copied, copy_lines
from afterbay_nodes.apply.type_table import Temporal, postgres_type
from afterbay_nodes.apply.values import unplaced

if TYPE_CHECKING:
    import psycopg

LONGEST_NAME = 63
KEPT_BYTES = 46
CONNECT_SECONDS = 10
STATEMENT_SECONDS = 900
LOCK_SECONDS = 60
"""Every call to a server ends: a connection, a statement, the wait for another's lock."""

_SETTINGS = (
    f"SET statement_timeout = '{STATEMENT_SECONDS}s'",
    f"SET lock_timeout = '{LOCK_SECONDS}s'",
    "SET standard_conforming_strings = on",
    "SET datestyle = 'ISO, YMD'",
    "SET intervalstyle = 'postgres'",
    "SET extra_float_digits = 1",
    "SET client_min_messages = warning",
)


class PostgresTarget(SqlTarget):
    """A PostgreSQL database. Owns its one connection; used by one thread."""

    text_type: ClassVar[str] = "text"
    commit_ts_type: ClassVar[str] = "numeric(20,0)"

    def __init__(self, uri: str, display: str, temporal: Temporal) -> None:
        """Connects. Raises EnvironmentRefused if the server is out of reach or refuses the role."""
        import psycopg

        super().__init__(display, temporal)
        self.driver_errors = (psycopg.Error,)
        self._lost = (psycopg.OperationalError, psycopg.InterfaceError)
        settings = {"keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3"}
        if "connect_timeout" not in urlsplit(uri).query:
            settings["connect_timeout"] = str(CONNECT_SECONDS)
        with self.guarded():
            self._db: psycopg.Connection[Row] = psycopg.connect(uri, autocommit=True, **settings)  # type: ignore[arg-type]
            for setting in _SETTINGS:
                self._db.execute(setting)

    def close(self) -> None:
        self._db.close()

    # -- speaking

    def run(self, sql: str, values: Sequence[object] = ()) -> int:
        with self.guarded():
            found = self._db.execute(sql.replace("?", "%s"), values) if values else self._db.execute(sql)
            return found.rowcount

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        with self.guarded():
            found = self._db.execute(sql.replace("?", "%s"), values) if values else self._db.execute(sql)
            return found.fetchall()

    def rollback(self) -> None:
        with suppress(*self.driver_errors):
            self._db.execute("ROLLBACK")

    def explained(self, error: Exception) -> AfterbayError:
        state = str(getattr(error, "sqlstate", None) or "")
        message = f"{self.display}: {first_line(error)}"
        if state.startswith("22"):
            return RunFailed("apply.value", f"{self.display} refuses a value: {first_line(error)}")
        if isinstance(error, self._lost) or state[:2] in ("08", "28", "3D", "53", "57") or state == "42501":
            return EnvironmentRefused(
                "target.unavailable", message, hint="is the server there, and may the role use it?"
            )
        return RunFailed("apply.refused", f"{self.display} refuses it: {first_line(error)}")

    def place(self, name: TableName) -> str:
        return f"{quote(cut(name.schema))}.{quote(cut(name.table))}"

    def bare(self, name: TableName) -> str:
        return cut(name.table)

    def column_name(self, name: str) -> str:
        return cut(name)

    def type_of(self, column: Column) -> str:
        return postgres_type(column, self.temporal)

    def shape(self, name: TableName) -> dict[str, str] | None:
        found = self.rows(
            "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a "
            "JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = ? AND c.relname = ? AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
            (cut(name.schema), cut(name.table)),
        )
        return dict(found) if found else None

    def key_of(self, name: TableName) -> tuple[str, ...] | None:
        found = self.rows(
            "SELECT a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) "
            "WHERE i.indisprimary AND n.nspname = ? AND c.relname = ?",
            (cut(name.schema), cut(name.table)),
        )
        return tuple(row[0] for row in found)

    def literal(self, column: Column, value: pa.Array) -> str:
        text = copied(column, value, self.temporal)[0].as_py()
        return f"CAST(E'{text.replace(chr(39), chr(39) * 2)}' AS {self.type_of(column)})"

    def converted(self, before: Column, after: Column, value: str) -> str:
        return conversion(before, after, value, self.type_of, self.temporal)

    # -- tables

    def create_database(self, database: str) -> None:
        """Makes a schema. Looked for first: a role may use a schema without the right to make one."""
        if not self.rows("SELECT 1 FROM pg_namespace WHERE nspname = ?", (cut(database),)):
            self.run(f"CREATE SCHEMA {quote(cut(database))}")

    def drop_database(self, database: str) -> None:
        """Drops a schema if nothing is left in it."""
        name = (cut(database),)
        there = self.rows("SELECT oid FROM pg_namespace WHERE nspname = ?", name)
        held = self.rows(
            "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ? LIMIT 1", name
        )
        if there and not held:
            self.run(f"DROP SCHEMA {quote(cut(database))}")

    def rename(self, table: TableState, to: TableName) -> None:
        """Gives a table another name, in another schema if need be."""
        place = self.place(table.name)
        if cut(table.name.schema) != cut(to.schema):
            # By way of a name that neither schema has: the new one may be taken in the old schema.
            self.create_database(to.schema)
            self.run(f"ALTER TABLE {place} RENAME TO {REBUILT}")
            self.run(f"ALTER TABLE {quote(cut(table.name.schema))}.{REBUILT} SET SCHEMA {quote(cut(to.schema))}")
            place = f"{quote(cut(to.schema))}.{REBUILT}"
        self.run(f"ALTER TABLE {place} RENAME TO {quote(cut(to.table))}")

    def truncate(self, name: TableName) -> None:
        self.run(f"TRUNCATE TABLE {self.place(name)}")

    def must_rebuild(self, change: Alteration) -> bool:
        return False

    def rebuild(self, change: Alteration) -> None:
        """Makes the table anew beside the old one, and gives it its name."""
        name = change.after.name
        aside = f"{quote(cut(name.schema))}.{REBUILT}"
        self.fill_anew(change, aside)
        self.drop(change.before.name)
        self.run(f"ALTER TABLE {aside} RENAME TO {quote(cut(name.table))}")

    def drop_key(self, change: Alteration) -> None:
        name = change.before.name
        found = self.rows(
            "SELECT k.conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE k.contype = 'p' AND n.nspname = ? AND c.relname = ?",
            (cut(name.schema), cut(name.table)),
        )
        for (constraint,) in found:
            self.run(f"ALTER TABLE {self.place(name)} DROP CONSTRAINT {quote(constraint)}")
        for key in change.before.keys:
            self.run(f"ALTER TABLE {self.place(name)} ALTER COLUMN {self.quoted_name(key)} DROP NOT NULL")

    def add_key(self, change: Alteration) -> None:
        keys = ", ".join(map(self.quoted_name, change.after.keys))
        self.run(f"ALTER TABLE {self.place(change.after.name)} ADD PRIMARY KEY ({keys})")

    # -- rows

    def merge(self, table: TableState, net: Net) -> None:
        """Removes what is gone; inserts what stands, or updates what is there of it."""
        place, columns = self.place(table.name), table.columns
        keys = [column for column in columns if column.primary_key]
        stand = copy_lines([copied(column, net.stand[column.name], self.temporal) for column in columns])
        if net.gone.num_rows:
            with unplaced():
                gone = copy_lines([copied(key, net.gone[key.name], self.temporal) for key in keys])
            self._stage(table, keys, (), gone)
            match = " AND ".join(f"t.{name} = {STAGED}.{name}" for name in map(self.quoted, keys))
            self.run(f"DELETE FROM {place} AS t USING {STAGED} WHERE {match}")
            self.run(f"DROP TABLE {STAGED}")
        if net.stand.num_rows:
            self._stage(table, columns, (), stand)
            into, key = (", ".join(map(self.quoted, some)) for some in (columns, keys))
            others = [self.quoted(column) for column in columns if not column.primary_key]
            sets = ", ".join(f"{name} = excluded.{name}" for name in others)
            action = f"UPDATE SET {sets}" if sets else "NOTHING"
            self.run(f"INSERT INTO {place} ({into}) SELECT {into} FROM {STAGED} ON CONFLICT ({key}) DO {action}")
            self.run(f"DROP TABLE {STAGED}")

    def append(self, table: TableState, rows: LogRows) -> None:
        """Adds changes at their places."""
        n = rows.rows.num_rows
        commit_ts = pa.nulls(n, pa.utf8()) if rows.commit_ts is None else rows.commit_ts.cast(pa.utf8())
        series = copied(Column("", "text"), pa.repeat(rows.series, n), self.temporal)
        places = [rows.ops, commit_ts, series, pa.repeat(str(rows.number), n), rows.numbers.cast(pa.utf8())]
        values = [copied(column, rows.rows[column.name], self.temporal) for column in table.columns]
        into = ", ".join([*map(self.quoted, table.columns), *LOG_COLUMNS])
        self._copy(f"{self.place(table.name)} ({into})", copy_lines([*values, *places]))

    def _stage(self, table: TableState, columns: Sequence[Column], more: Sequence[str], lines: pa.Buffer) -> None:
        parts = ", ".join([f"{self.quoted(column)} {self.type_of(column)}" for column in columns])
        self.run(f"CREATE TEMPORARY TABLE {STAGED} ({parts}) ON COMMIT DROP")
        self._copy(STAGED, lines)

    def _copy(self, into: str, lines: pa.Buffer) -> None:
        with self.guarded(), self._db.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN") as copy:
            view = memoryview(lines)
            for at in range(0, len(view), 1 << 20):
                copy.write(view[at : at + (1 << 20)])


def cut(name: str) -> str:
    """A name as PostgreSQL takes it. One of more than 63 bytes keeps 46 and gets `~` and 16 digits of its SHA-256."""
    encoded = name.encode(errors="surrogatepass")
    if len(encoded) <= LONGEST_NAME:
        return name
    kept = encoded[:KEPT_BYTES].decode(errors="ignore")
    return f"{kept}~{hashlib.sha256(encoded).hexdigest()[:16]}"
