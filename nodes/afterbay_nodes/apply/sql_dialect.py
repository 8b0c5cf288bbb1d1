"""How a database's SQL is spoken: what a target says of its names, types and statements for the shared parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import pyarrow as pa

from afterbay.errors import AfterbayError
from afterbay.schema import Column, TableName
from afterbay_nodes.apply.type_table import Temporal

Row = tuple[Any, ...]


def quote(name: str) -> str:
    """A name in SQL, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """Text in SQL, whatever it holds but NUL."""
    return "'" + text.replace("'", "''") + "'"


def ascii_lower(name: str) -> str:
    """As SQLite and DuckDB fold names."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


class SqlDialect(ABC):
    """One database's way to speak. Owns nothing; a subclass owns the connection and is used by one thread.

    Names *as the catalog has them* are what a target makes of a store's names: cut, joined or left alone.
    """

    text_type: ClassVar[str]
    commit_ts_type: ClassVar[str]
    has_keys: ClassVar[bool] = True
    """False where no constraint keeps a key, but the merge alone."""

    display: str
    temporal: Temporal

    @abstractmethod
    def run(self, sql: str, values: Sequence[object] = ()) -> int:
        """Runs a statement and returns the rows it touched. With values, `?` stands for each."""

    @abstractmethod
    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """The rows of a query, as `run` takes it."""

    @abstractmethod
    def explained(self, error: Exception) -> AfterbayError:
        """A driver's error as ours."""

    @abstractmethod
    def place(self, name: TableName) -> str:
        """A table's name in SQL, quoted, with its schema."""

    @abstractmethod
    def bare(self, name: TableName) -> str:
        """A table's name alone, as the catalog has it."""

    @abstractmethod
    def column_name(self, name: str) -> str:
        """A column's name as the catalog has it."""

    @abstractmethod
    def type_of(self, column: Column) -> str:
        """A column's type as the catalog spells it; "" for none."""

    @abstractmethod
    def shape(self, name: TableName) -> dict[str, str] | None:
        """The columns that are there: name -> type, as the catalog has them; None if there is no such table."""

    @abstractmethod
    def key_of(self, name: TableName) -> tuple[str, ...] | None:
        """The columns of the primary key that is there, in the catalog's names. None: nothing can be said."""

    @abstractmethod
    def literal(self, column: Column, value: pa.Array) -> str:
        """One value (an array of length 1, in the column's Arrow type) in SQL. Raises `values.Unfit`."""

    @abstractmethod
    def converted(self, before: Column, after: Column, value: str) -> str:
        """The SQL that makes `value`, of one column's type, one of another's as MySQL does; `value` if it is the same.

        Raises RunFailed `apply.conversion` for two types between which this target has no way.
        """

    def quoted_name(self, name: str) -> str:
        """A column's name in SQL."""
        return quote(self.column_name(name))

    def quoted(self, column: Column) -> str:
        """A column's name in SQL."""
        return self.quoted_name(column.name)
