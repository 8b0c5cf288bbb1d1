"""What a database has to offer so that a store can be applied to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from afterbay.schema import TableName
from afterbay_nodes.apply.alteration import Alteration
from afterbay_nodes.apply.netting import Net
from afterbay_nodes.apply.states import SeriesMark, TableState


@dataclass(frozen=True, slots=True)
class LogRows:
    """Rows of a table without a key, as they are appended: where in the store each stands.

    For n rows: `rows` the stored columns, `ops` utf8[n] (`I`, `U`, `D`), `commit_ts` uint64[n] or None, `numbers`
    int64[n] the row numbers in file `number` of `series`.
    """

    rows: pa.Table
    ops: pa.Array
    commit_ts: pa.Array | None
    series: str
    number: int
    numbers: pa.Array


class Target(Protocol):
    """One database. Owns its connection; used by one thread.

    Everything that changes something is called inside `transaction`. Raises RunFailed where the database refuses what
    it is told, EnvironmentRefused where it is out of reach or in use, `values.Unfit` for a value that does not fit.
    """

    @property
    def display(self) -> str:
        """Where the target is, without secrets."""
        ...

    def close(self) -> None:
        """Gives the connection back; an open transaction is undone."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing: committed at the end, undone if an error leaves it."""
        ...

    def prepare(self) -> None:
        """Makes the target's own tables if they are not there."""
        ...

    def series(self, source: str) -> Mapping[str, SeriesMark]:
        """How far each series of `source` was applied."""
        ...

    def ddls(self, source: str) -> Mapping[str, int]:
        """The last schema version of each owner of `source`."""
        ...

    def tables(self) -> Mapping[TableName, TableState]:
        """Every table that was made here, dropped ones included, of all sources."""
        ...

    def advance(self, source: str, series: str, before: SeriesMark, after: SeriesMark) -> None:
        """Moves a series' mark. Raises RunFailed `apply.concurrent` if it is not at `before`: another is at work."""
        ...

    def raise_ddls(self, source: str, owners: Mapping[str, int | None], version: int) -> None:
        """The DDLs of `owners` are applied up to `version`. Called before they are, in the same transaction.

        Raises RunFailed `apply.concurrent` if an owner is not at the version given (None: none): another is at work.
        """
        ...

    def remember(self, state: TableState) -> None:
        """What a table looks like from now on."""
        ...

    def forget(self, name: TableName) -> None:
        """A name was never a table's."""
        ...

    def exists(self, name: TableName) -> bool:
        """True if there is a table of that name, whoever made it."""
        ...

    def is_empty(self, name: TableName) -> bool:
        """True if a table that is there has no rows."""
        ...

    def differences(self, state: TableState) -> list[str]:
        """In which ways the table that is there differs from `state`, in words; none if it is as it should be."""
        ...

    def refuse_name(self, state: TableState, others: Iterable[TableName]) -> str | None:
        """Why a table cannot have its name or its columns theirs here, in words; None if it can."""
        ...

    def create_database(self, database: str) -> None:
        """Makes a schema, where the target has such a thing."""
        ...

    def drop_database(self, database: str) -> None:
        """Drops a schema if nothing is left in it."""
        ...

    def create(self, state: TableState) -> None:
        """Makes an empty table."""
        ...

    def drop(self, name: TableName) -> None:
        """Drops a table."""
        ...

    def rename(self, table: TableState, to: TableName) -> None:
        """Gives a table another name, also in another schema."""
        ...

    def truncate(self, name: TableName) -> None:
        """Empties a table."""
        ...

    def alter(self, change: Alteration) -> None:
        """Makes a table's columns and key those of `change.after`; the rows keep what they have."""
        ...

    def partition_condition(self, table: TableState, partition: str) -> str | None:
        """Which rows are in a partition, in the target's SQL; None if that cannot be told."""
        ...

    def delete(self, table: TableState, rows: str) -> None:
        """Removes the rows of one partition."""
        ...

    def exchange(self, parted: TableState, rows: str, plain: TableState) -> None:
        """The rows of a partition and those of a table change places."""
        ...

    def merge(self, table: TableState, net: Net) -> None:
        """Rows of a table with a key: those that are gone are removed, those that stand are there afterwards."""
        ...

    def append(self, table: TableState, rows: LogRows) -> None:
        """Rows of a table without a key."""
        ...
