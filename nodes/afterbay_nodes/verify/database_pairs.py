"""A database beside a scratch copy of the same kind, which a store is applied to: both seen by one SQL.

The database is only read. The scratch copy is a file in a temporary folder or, in PostgreSQL, temporary tables of the
session, which nobody else sees and which end with it.
"""

from __future__ import annotations

import sqlite3
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from afterbay.errors import EnvironmentRefused, PipelineInvalid
from afterbay.schema import Column, TableName
from afterbay_nodes.apply.sql_dialect import SqlDialect, text_literal
from afterbay_nodes.apply.sql_target import first_line
from afterbay_nodes.apply.target import Target
from afterbay_nodes.apply.targets.open import open_target
from afterbay_nodes.apply.type_table import Temporal
from afterbay_nodes.verify.original_columns import OriginalColumns

DATABASE_SCHEMES = ("sqlite", "duckdb", "postgresql", "postgres")
Row = tuple[Any, ...]


class Pair(ABC):
    """One database and its scratch copy. Owns both connections; used by one thread.

    `target` is where the store is applied; after `filled` both sides are there for `rows`. `difference` is the SQL
    between two queries whose rows are to be subtracted; with `is_set` it takes equal rows for one.
    """

    difference = "EXCEPT ALL"
    is_set = False

    def __init__(self, target: Target) -> None:
        self.target = target

    @property
    def dialect(self) -> SqlDialect:
        """How the SQL of both is spoken."""
        assert isinstance(self.target, SqlDialect)
        return self.target

    def compared(self, column: Column) -> str:
        """A column as it can be compared."""
        return self.dialect.quoted(column)

    def compared_there(self, name: TableName, column: Column) -> str:
        """A column of the database's table as it can be compared with the store's."""
        return self.compared(column)

    def is_original(self, name: TableName, column: Column) -> bool:
        """True if the database's column is another type's, whose values the store's column has."""
        return False

    @abstractmethod
    def filled(self) -> None:
        """The store was applied."""

    @abstractmethod
    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """The rows of a query; `?` stands for each value."""

    @abstractmethod
    def stored(self, name: TableName) -> str:
        """The scratch copy's table in SQL."""

    @abstractmethod
    def there(self, name: TableName) -> str:
        """The database's table in SQL."""

    @abstractmethod
    def shape(self, name: TableName) -> dict[str, str] | None:
        """The columns of the database's table: name -> type, as the catalog has them; None if there is none."""

    @abstractmethod
    def close(self) -> None:
        """Gives both connections back."""


@contextmanager
def open_pair(uri: str, temporal: Temporal) -> Iterator[Pair]:
    """Opens a database, and a scratch copy beside it. Its folder is removed at the end.

    Raises PipelineInvalid for a URI that is wrong, EnvironmentRefused for a database that is out of reach and for a
    driver that is not installed.
    """
    scheme, _, rest = uri.partition("://")
    with tempfile.TemporaryDirectory(prefix="afterbay-verify-") as folder:
        if scheme in ("postgresql", "postgres"):
            pair = _postgres(uri, temporal)
        else:
            path = _path(rest)
            # The query of a DuckDB URI sets DuckDB's own options, for the scratch copy too.
            query = f"?{rest.partition('?')[2]}" if "?" in rest else ""
            target = open_target(f"{scheme}:///{Path(folder) / 'scratch'}{query}", temporal)
            kind = {"sqlite": _SqlitePair, "duckdb": _DuckdbPair}[scheme]
            pair = kind(target, path, Path(folder) / "scratch")
        try:
            yield pair
        finally:
            pair.close()


def _path(rest: str) -> Path:
    """The file of a database that is to be there; `rest` is its URI behind the scheme."""
    text = unquote(rest.partition("?")[0])
    if not text.startswith("/") or len(text) < 2:
        raise PipelineInvalid("target.path", "the database names no file", hint="for example sqlite:///copy.db")
    path = Path(text[1:])
    if not path.is_file():
        raise EnvironmentRefused("target.missing", f"there is no file '{path}'", hint="a database is made by apply")
    return path


class _SqlitePair(Pair):
    """Two files in one connection, which may write to neither."""

    difference = "EXCEPT"
    is_set = True

    def __init__(self, target: Target, path: Path, scratch: Path) -> None:
        super().__init__(target)
        self._path = path
        self._scratch = scratch
        self._db: sqlite3.Connection | None = None

    def filled(self) -> None:
        self.target.close()
        try:
            self._db = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
            self._db.execute("PRAGMA trusted_schema = OFF")  # the file may be anybody's: its views call no functions
            self._db.execute("PRAGMA cell_size_check = ON")
            self._db.execute(f"ATTACH {text_literal(f'{self._scratch.as_uri()}?mode=ro')} AS scratch")
            self._db.execute("SELECT count(*) FROM main.sqlite_master").fetchone()
        except sqlite3.Error as error:
            raise self.dialect.explained(error) from error

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        assert self._db is not None
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self.dialect.explained(error) from error

    def stored(self, name: TableName) -> str:
        return f"scratch.{self.dialect.place(name)}"

    def there(self, name: TableName) -> str:
        return f"main.{self.dialect.place(name)}"

    def shape(self, name: TableName) -> dict[str, str] | None:
        found = self.rows("SELECT name, type FROM pragma_table_info(?, 'main')", (self.dialect.bare(name),))
        return dict(found) if found else None

    def close(self) -> None:
        self.target.close()
        if self._db is not None:
            self._db.close()


class _DuckdbPair(Pair):
    """Two files attached to one database in memory, to be read only."""

    def __init__(self, target: Target, path: Path, scratch: Path) -> None:
        super().__init__(target)
        self._path = path
        self._scratch = scratch
        self._db: Any = None

    def filled(self) -> None:
        import duckdb

        self.target.close()
        self._db = duckdb.connect(":memory:")
        try:
            self._db.execute(f"ATTACH {text_literal(str(self._path))} AS _afterbay_there (READ_ONLY)")
            self._db.execute(f"ATTACH {text_literal(str(self._scratch))} AS _afterbay_stored (READ_ONLY)")
            self._db.execute(f"SET temp_directory = {text_literal(f'{self._scratch}.spill')}")
        except duckdb.Error as error:
            raise self.dialect.explained(error) from error

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        import duckdb

        try:
            found: list[Row] = self._db.execute(sql, list(values)).fetchall()
        except duckdb.Error as error:
            raise self.dialect.explained(error) from error
        return found

    def stored(self, name: TableName) -> str:
        return self._named("_afterbay_stored", name)

    def there(self, name: TableName) -> str:
        return self._named("_afterbay_there", name)

    def shape(self, name: TableName) -> dict[str, str] | None:
        found = self.rows(
            "SELECT column_name, data_type FROM duckdb_columns() "
            "WHERE database_name = '_afterbay_there' AND schema_name = ? AND table_name = ? ORDER BY column_index",
            tuple(name),
        )
        return dict(found) if found else None

    def close(self) -> None:
        self.target.close()
        if self._db is not None:
            self._db.close()

    def _named(self, catalog: str, name: TableName) -> str:
        place = self.dialect.place(name)
        return catalog + place[place.index(".") :]


def _postgres(uri: str, temporal: Temporal) -> Pair:
    try:
        import psycopg
    except ModuleNotFoundError as error:
        raise EnvironmentRefused(
            "target.driver", f"the driver is not installed ({error.name})", hint="pip install 'afterbay[postgres]'"
        ) from error
    from afterbay_nodes.verify.temporary_postgres import TemporaryPostgres

    with_display = open_target(uri, temporal)
    display = with_display.display
    with_display.close()
    try:
        return _PostgresPair(TemporaryPostgres(uri, display, temporal))
    except psycopg.Error as error:
        raise EnvironmentRefused("target.unavailable", f"{display}: {first_line(error)}") from error


class _PostgresPair(Pair):
    """One session, whose temporary tables are the scratch copy."""

    def __init__(self, target: Any) -> None:
        super().__init__(target)
        self._session = target
        self._originals: dict[TableName, OriginalColumns] = {}

    def compared(self, column: Column) -> str:
        """JSON has no equality: its text has."""
        name = self.dialect.quoted(column)
        return f"CAST({name} AS text)" if self.dialect.type_of(column) == "json" else name

    def is_original(self, name: TableName, column: Column) -> bool:
        return self._original(name).holds(column, self.dialect.column_name(column.name))

    def compared_there(self, name: TableName, column: Column) -> str:
        called, quoted = self.dialect.column_name(column.name), self.dialect.quoted(column)
        there = self._original(name).compared(column, called, quoted)
        return f"CAST({there} AS text)" if self.dialect.type_of(column) == "json" else there

    def _original(self, name: TableName) -> OriginalColumns:
        if name not in self._originals:
            self._originals[name] = OriginalColumns(self._session, name, self.dialect.temporal)
        return self._originals[name]

    def filled(self) -> None:
        """Nothing is to be done: the session sees both."""

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        found: list[Row] = self._session.rows(sql, values)
        return found

    def stored(self, name: TableName) -> str:
        return str(self._session.place(name))

    def there(self, name: TableName) -> str:
        return str(self._session.place_there(name))

    def shape(self, name: TableName) -> dict[str, str] | None:
        found: dict[str, str] | None = self._session.shape_there(name)
        return found

    def close(self) -> None:
        self.target.close()
