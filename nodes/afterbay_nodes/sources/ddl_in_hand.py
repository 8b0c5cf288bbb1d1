"""A DDL of the log between its line and the schema change that is sent for it."""

from __future__ import annotations

from dataclasses import dataclass

from afterbay.messages import DdlKind, TableChange
from afterbay.schema import Column, TableName


@dataclass(frozen=True, slots=True)
class Ddl:
    """A DDL line. `database` is the default of its names, or what a schema-level statement is about."""

    commit_ts: int
    query: str
    database: str
    kind: DdlKind = DdlKind.NONE


@dataclass(frozen=True, slots=True)
class Held:
    """A DDL of one table that waits for the table's columns. `change` lacks only `after`; `guess`: the likeliest."""

    ddl: Ddl
    change: TableChange
    guess: tuple[Column, ...] | None


def quoted(name: TableName) -> str:
    """A table's name as SQL."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in name)
