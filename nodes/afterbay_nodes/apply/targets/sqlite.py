"""SQLite: one file, no schemas (a table is called `schema.table`), rows brought in by `executemany`."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.errors import AfterbayError, EnvironmentRefused, RunFailed
from afterbay.schema import Column, TableName
from afterbay_nodes.apply.alteration import Added, Alteration
from afterbay_nodes.apply.netting import Net
from afterbay_nodes.apply.sql_dialect import Row, ascii_lower, quote, text_literal
from afterbay_nodes.apply.sql_target import SqlTarget, first_line
from afterbay_nodes.apply.states import REBUILT, TableState
from afterbay_nodes.apply.target import LogRows
from afterbay_nodes.apply.targets.sqlite_conversion import CONVERT, LARGEST, conversion, convert
from afterbay_nodes.apply.type_table import Temporal, is_named, is_wide, sqlite_type
from afterbay_nodes.apply.values import decimal_text, names, unplaced

BUSY_SECONDS = 30.0
"""How long a transaction waits for another process that has the file."""

_IN_USE = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_NOTADB", "SQLITE_PERM")


class SqliteTarget(SqlTarget):
    """A SQLite file. Owns its one connection; used by the thread that opened it."""

    text_type: ClassVar[str] = "TEXT"
    commit_ts_type: ClassVar[str] = ""
    driver_errors = (sqlite3.Error,)

    def __init__(self, path: Path, display: str, temporal: Temporal) -> None:
        """Opens or makes the file. Raises EnvironmentRefused."""
        super().__init__(display, temporal)
        with self.guarded():
            self._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            self._db.create_function(CONVERT, 2, convert, deterministic=True)
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()

    def close(self) -> None:
        self._db.close()

    # -- speaking

    def run(self, sql: str, values: Sequence[object] = ()) -> int:
        # IMMEDIATE: what is read in a transaction must not be changed by another before it writes.
        with self.guarded():
            return self._db.execute("BEGIN IMMEDIATE" if sql == "BEGIN" else sql, values).rowcount

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        with self.guarded():
            return self._db.execute(sql, values).fetchall()

    def rollback(self) -> None:
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def explained(self, error: Exception) -> AfterbayError:
        name = str(getattr(error, "sqlite_errorname", None) or "")
        if name.startswith(_IN_USE):
            hint = "is another program at it, is it a SQLite database, and may it be written?"
            return EnvironmentRefused("target.unavailable", f"{self.display}: {first_line(error)}", hint=hint)
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            return EnvironmentRefused("target.storage", f"{self.display}: {first_line(error)}")
        return RunFailed("apply.refused", f"{self.display} refuses it: {first_line(error)}")

    def place(self, name: TableName) -> str:
        return quote(self.bare(name))

    def folded(self, name: TableName) -> str:
        return ascii_lower(self.bare(name))

    def bare(self, name: TableName) -> str:
        # The first dot ends the schema: one inside of it is escaped.
        return f"{name.schema.replace('%', '%25').replace('.', '%2E')}.{name.table}"

    def column_name(self, name: str) -> str:
        return name

    def type_of(self, column: Column) -> str:
        return sqlite_type(column)

    def shape(self, name: TableName) -> dict[str, str] | None:
        found = self.rows("SELECT name, type FROM pragma_table_info(?)", (self.bare(name),))
        return dict(found) if found else None

    def key_of(self, name: TableName) -> tuple[str, ...] | None:
        found = self.rows("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (self.bare(name),))
        return tuple(row[0] for row in found)

    def literal(self, column: Column, value: pa.Array) -> str:
        (one,) = bound(column, value)
        if isinstance(one, bytes):
            return f"X'{one.hex()}'"
        return text_literal(one) if isinstance(one, str) else repr(one)

    def converted(self, before: Column, after: Column, value: str) -> str:
        return conversion(before, after, value)

    # -- tables

    def rename(self, table: TableState, to: TableName) -> None:
        """Gives a table another name."""
        self.run(f"ALTER TABLE {self.place(table.name)} RENAME TO {self.place(to)}")

    def must_rebuild(self, change: Alteration) -> bool:
        """SQLite changes neither a type nor a key, and drops a column only if another one stays."""
        kept = change.kept
        return change.changes_key or not kept or not all(self.is_same(one.before, one.after) for one in kept)

    def rebuild(self, change: Alteration) -> None:
        self.fill_anew(change, quote(REBUILT))
        self.drop(change.before.name)
        self.run(f"ALTER TABLE {quote(REBUILT)} RENAME TO {self.place(change.after.name)}")

    def add_column(self, table: str, added: Added) -> None:
        """A default stays with the column here; no insert leaves the column out, so it is never used again."""
        head = f"ALTER TABLE {table} ADD COLUMN {self.quoted(added.after)} {self.type_of(added.after)}".rstrip()
        self.run(head if added.fill.null_count else f"{head} DEFAULT {self.literal(added.after, added.fill)}")

    # -- rows

    def merge(self, table: TableState, net: Net) -> None:
        """Removes what is gone; inserts what stands, or updates what is there of it."""
        place, columns = self.place(table.name), table.columns
        keys = [column for column in columns if column.primary_key]
        stand = _bound_all(columns, net.stand)
        with unplaced():
            gone = _bound_all(keys, net.gone)
        if net.gone.num_rows:
            where = " AND ".join(f"{self.quoted(key)} = ?" for key in keys)
            self._many(f"DELETE FROM {place} WHERE {where}", gone)
        if net.stand.num_rows:
            into, key = (", ".join(map(self.quoted, some)) for some in (columns, keys))
            others = [self.quoted(column) for column in columns if not column.primary_key]
            sets = ", ".join(f"{name} = excluded.{name}" for name in others)
            conflict = f"ON CONFLICT ({key}) DO {f'UPDATE SET {sets}' if sets else 'NOTHING'}"
            self._many(f"INSERT INTO {place} ({into}) VALUES ({_marks(stand)}) {conflict}", stand)

    def append(self, table: TableState, rows: LogRows) -> None:
        """Adds changes at their places."""
        n = rows.rows.num_rows
        values = _bound_all(table.columns, rows.rows)
        ts = [None] * n if rows.commit_ts is None else _wide(rows.commit_ts)
        values += [rows.ops.to_pylist(), ts, [rows.series] * n, [rows.number] * n, rows.numbers.to_pylist()]
        self._many(f"INSERT INTO {self.place(table.name)} ({self.listed(table)}) VALUES ({_marks(values)})", values)

    def _many(self, sql: str, columns: Sequence[list[Any]]) -> None:
        with self.guarded():
            self._db.executemany(sql, zip(*columns, strict=True))


def bound(column: Column, values: pa.Array) -> list[Any]:
    """A column's values as SQLite's driver takes them. A NaN, which SQLite would make NULL, is the text `NaN`."""
    if is_wide(column):
        return _wide(values)
    if is_named(column):
        values = names(column, values)
    elif column.type == "decimal":
        values = decimal_text(column, values)
    elif column.type == "float":
        # Written with its own shortest digits: 0.1, not 0.10000000149011612.
        values = values.cast(pa.utf8()).cast(pa.float64())
    found: list[Any] = values.to_pylist()
    if column.type in ("float", "double") and pc.any(pc.is_nan(values)).as_py():
        return ["NaN" if one is not None and math.isnan(one) else one for one in found]
    return found


def _bound_all(columns: Sequence[Column], rows: pa.Table) -> list[list[Any]]:
    return [bound(column, rows[column.name].combine_chunks()) for column in columns]


def _wide(values: pa.Array) -> list[Any]:
    found: list[Any] = values.to_pylist()
    largest = pc.max(values).as_py()
    if largest is not None and largest > LARGEST:
        return [str(one) if one is not None and one > LARGEST else one for one in found]
    return found


def _marks(columns: Sequence[object]) -> str:
    return ", ".join("?" * len(columns))
