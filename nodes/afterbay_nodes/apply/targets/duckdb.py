"""DuckDB: one file, rows brought in as Arrow columns.

Keys are no constraints here: DuckDB's index makes every merge slower by an order of magnitude, and the merge itself
leaves each key once (docs/adr/0074).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa

from afterbay.errors import AfterbayError, EnvironmentRefused, RunFailed
from afterbay.printable import visible
from afterbay.schema import Column, TableName
from afterbay_nodes.apply.alteration import Alteration
from afterbay_nodes.apply.netting import Net
from afterbay_nodes.apply.sql_dialect import Row, ascii_lower, quote, text_literal
from afterbay_nodes.apply.sql_target import SqlTarget, first_line
from afterbay_nodes.apply.states import LOG_COLUMNS, REBUILT, STAGED, TableState
from afterbay_nodes.apply.target import LogRows
from afterbay_nodes.apply.targets.duckdb_conversion import conversion
from afterbay_nodes.apply.type_table import DUCKDB_DIGITS, Temporal, digits_of, duckdb_type, is_named
from afterbay_nodes.apply.values import dates, decimal_text, decimals, names, spans, timestamps, unplaced

if TYPE_CHECKING:
    import duckdb

CATALOG = "_afterbay_database"
"""What the file is called inside: a name of its own, so that a schema called like the file is no ambiguity."""

INCOMING = "_afterbay_incoming"
"""The name under which DuckDB sees the Arrow columns of one merge."""


class DuckdbTarget(SqlTarget):
    """A DuckDB file. Owns its one connection; used by one thread."""

    text_type: ClassVar[str] = "VARCHAR"
    commit_ts_type: ClassVar[str] = "UBIGINT"
    has_keys: ClassVar[bool] = False

    def __init__(self, path: Path, display: str, temporal: Temporal, settings: dict[str, str]) -> None:
        """Opens or makes the file. Raises EnvironmentRefused."""
        import duckdb

        super().__init__(display, temporal)
        self.driver_errors = (duckdb.Error,)
        self._io_errors = (duckdb.IOException, duckdb.OutOfMemoryException)
        with self.guarded():
            self._db: duckdb.DuckDBPyConnection = duckdb.connect(":memory:", config=dict(settings))
            self._db.execute(f"ATTACH {text_literal(str(path))} AS {CATALOG}")
            self._db.execute(f"USE {CATALOG}")

    def close(self) -> None:
        self._db.close()

    # -- speaking

    def run(self, sql: str, values: Sequence[object] = ()) -> int:
        with self.guarded():
            found = self._db.execute(sql, list(values)) if values else self._db.execute(sql)
            row = found.fetchone() if found.description else None
            return int(row[0]) if row is not None and isinstance(row[0], int) else 0

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        with self.guarded():
            return (self._db.execute(sql, list(values)) if values else self._db.execute(sql)).fetchall()

    def rollback(self) -> None:
        with suppress(*self.driver_errors):
            self._db.execute("ROLLBACK")

    def explained(self, error: Exception) -> AfterbayError:
        if isinstance(error, self._io_errors):
            hint = "is another program at it, is it a DuckDB file, is there room?"
            return EnvironmentRefused("target.unavailable", f"{self.display}: {first_line(error)}", hint=hint)
        return RunFailed("apply.refused", f"{self.display} refuses it: {first_line(error)}")

    def place(self, name: TableName) -> str:
        return f"{CATALOG}.{quote(name.schema)}.{quote(name.table)}"

    def bare(self, name: TableName) -> str:
        return name.table

    def column_name(self, name: str) -> str:
        return name

    def folded(self, name: TableName) -> str:
        return ascii_lower(self.place(name))

    def type_of(self, column: Column) -> str:
        return duckdb_type(column, self.temporal)

    def shape(self, name: TableName) -> dict[str, str] | None:
        found = self.rows(
            "SELECT column_name, data_type FROM duckdb_columns() "
            "WHERE database_name = ? AND schema_name = ? AND table_name = ? ORDER BY column_index",
            (CATALOG, *name),
        )
        return dict(found) if found else None

    def key_of(self, name: TableName) -> tuple[str, ...] | None:
        return None

    def literal(self, column: Column, value: pa.Array) -> str:
        one = self._physical(column, value)[0].as_py()
        text = "".join(f"\\x{byte:02X}" for byte in one) if isinstance(one, bytes) else str(one)
        return f"CAST({text_literal(text)} AS {self.type_of(column)})"

    def converted(self, before: Column, after: Column, value: str) -> str:
        return conversion(before, after, value, self.type_of, self.temporal)

    # -- tables

    def create_database(self, database: str) -> None:
        """Makes a schema."""
        self.run(f"CREATE SCHEMA IF NOT EXISTS {CATALOG}.{quote(database)}")

    def drop_database(self, database: str) -> None:
        """Drops a schema if nothing is left in it."""
        place = (CATALOG, database)
        there = self.rows(
            "SELECT 1 FROM duckdb_schemas() WHERE database_name = ? AND schema_name = ? AND NOT internal", place
        )
        held = self.rows("SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? LIMIT 1", place)
        if there and not held:
            self.run(f"DROP SCHEMA {CATALOG}.{quote(database)}")

    def rename(self, table: TableState, to: TableName) -> None:
        """Gives a table another name. DuckDB moves no table to another schema: its rows are copied."""
        before, after = self.place(table.name), replace(table, name=to)
        if table.name.schema == to.schema:
            self.run(f"ALTER TABLE {before} RENAME TO {quote(to.table)}")
            return
        self.create(after)
        columns = self.listed(table)
        self.run(f"INSERT INTO {self.place(to)} ({columns}) SELECT {columns} FROM {before}")
        self.drop(table.name)

    def must_rebuild(self, change: Alteration) -> bool:
        return False

    def rebuild(self, change: Alteration) -> None:
        """Makes the table anew beside the old one, and gives it its name."""
        aside = self.place(TableName(change.after.name.schema, REBUILT))
        self.fill_anew(change, aside)
        self.drop(change.before.name)
        self.run(f"ALTER TABLE {aside} RENAME TO {quote(change.after.name.table)}")

    def add_key(self, change: Alteration) -> None:
        """No constraint would find two rows of one key: they are looked for."""
        after = change.after
        keys = ", ".join(map(self.quoted_name, after.keys))
        if self.rows(f"SELECT 1 FROM {self.place(after.name)} GROUP BY {keys} HAVING COUNT(*) > 1 LIMIT 1"):
            raise RunFailed("apply.refused", f"two rows of {visible(str(after.name))} have the same new key ({keys})")

    # -- rows

    def merge(self, table: TableState, net: Net) -> None:
        """Deletes every key that is in `net`, then inserts what stands."""
        keys = [column for column in table.columns if column.primary_key]
        stand = self._table(table.columns, net.stand)
        with unplaced():
            gone = self._table(keys, net.gone)
        place = self.place(table.name)
        names = [self.quoted(key) for key in keys]
        chosen = ", ".join(f"{self._read(key)} AS {self.quoted(key)}" for key in keys)
        match = " AND ".join(f"{place}.{name} = {STAGED}.{name}" for name in names)
        with self._seen(pa.concat_tables([stand.select(gone.column_names), gone])):
            self.run(f"DELETE FROM {place} USING (SELECT {chosen} FROM {INCOMING}) AS {STAGED} WHERE {match}")
        if stand.num_rows:
            with self._seen(stand):
                self._insert(table, ())

    def append(self, table: TableState, rows: LogRows) -> None:
        """Adds changes at their places."""
        n = rows.rows.num_rows
        commit_ts = pa.nulls(n, pa.uint64()) if rows.commit_ts is None else rows.commit_ts
        number = pa.repeat(pa.scalar(rows.number, pa.int64()), n)
        places = (rows.ops, commit_ts, pa.repeat(rows.series, n), number, rows.numbers)
        incoming = self._table(table.columns, rows.rows)
        for name, values in zip(LOG_COLUMNS, places, strict=True):
            incoming = incoming.append_column(name, values)
        with self._seen(incoming):
            self._insert(table, LOG_COLUMNS)

    def _insert(self, table: TableState, more: Sequence[str]) -> None:
        into = [*map(self.quoted, table.columns), *more]
        chosen = [*map(self._read, table.columns), *more]
        place = self.place(table.name)
        self.run(f"INSERT INTO {place} ({', '.join(into)}) SELECT {', '.join(chosen)} FROM {INCOMING}")

    def _read(self, column: Column) -> str:
        """An incoming column in SQL; what Arrow has no type for is read from its text."""
        kind = self.type_of(column)
        return f"CAST({self.quoted(column)} AS {kind})" if kind in ("INTERVAL", "JSON") else self.quoted(column)

    @contextmanager
    def _seen(self, incoming: pa.Table) -> Iterator[None]:
        """Lets SQL see Arrow columns as `INCOMING`, without a copy."""
        with self.guarded():
            self._db.register(INCOMING, incoming)
        try:
            yield
        finally:
            with suppress(*self.driver_errors):  # an aborted transaction has taken it away already
                self._db.unregister(INCOMING)

    def _table(self, columns: Sequence[Column], rows: pa.Table) -> pa.Table:
        """The columns as DuckDB takes them, named as it has them."""
        arrays = [self._physical(column, rows[column.name]) for column in columns]
        return pa.table(arrays, names=[self.column_name(column.name) for column in columns])

    def _physical(self, column: Column, values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        if is_named(column):
            return names(column, _whole(values))
        if column.type == "decimal" and digits_of(column)[0] <= DUCKDB_DIGITS:
            return decimals(column, _whole(values))
        if column.type == "decimal":
            return decimal_text(column, _whole(values))
        make = None if self.temporal is Temporal.TEXT else _TEMPORAL.get(column.type)
        return values if make is None else make(column, _whole(values))


_TEMPORAL: Mapping[str, Callable[[Column, pa.Array], pa.Array]] = {
    "date": dates,
    "datetime": timestamps,
    "timestamp": timestamps,
    "time": spans,
}


def _whole(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
