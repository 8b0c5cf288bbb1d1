"""What a DDL statement says, as data. Names without a schema belong to the statement's default database."""

from __future__ import annotations

from dataclasses import dataclass

from afterbay.messages import DdlKind
from afterbay.schema import Column, TableName
from afterbay_nodes.sources.ddl.columns import ColumnDefinition


@dataclass(frozen=True, slots=True)
class AddColumns:
    """Columns added, each at its place."""

    definitions: tuple[ColumnDefinition, ...]


@dataclass(frozen=True, slots=True)
class DropColumn:
    """A column dropped. `if_exists`: it may be absent."""

    name: str
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class ChangeColumn:
    """A column redefined, under the same or another name. It stays where it is unless `definition` says a place."""

    name: str
    definition: ColumnDefinition


@dataclass(frozen=True, slots=True)
class RenameColumn:
    """A column renamed."""

    name: str
    to: str


@dataclass(frozen=True, slots=True)
class SetDefault:
    """A column's default, set or (None) dropped."""

    name: str
    default: str | None


@dataclass(frozen=True, slots=True)
class AddKey:
    """A primary or unique key over columns."""

    columns: tuple[str, ...]
    primary: bool


@dataclass(frozen=True, slots=True)
class DropPrimaryKey:
    """The primary key dropped."""


@dataclass(frozen=True, slots=True)
class MakeBinary:
    """All text converted to the character set `binary`."""


Action = AddColumns | DropColumn | ChangeColumn | RenameColumn | SetDefault | AddKey | DropPrimaryKey | MakeBinary


@dataclass(frozen=True, slots=True)
class CreateTable:
    """A new table. `columns` None: they are not in the statement, or cannot be read; `like`: those of another."""

    table: TableName
    columns: tuple[Column, ...] | None
    like: TableName | None = None


@dataclass(frozen=True, slots=True)
class CreateTables:
    """Several new tables in one text, each with its own statement."""

    tables: tuple[tuple[CreateTable, str], ...]


@dataclass(frozen=True, slots=True)
class AlterTable:
    """An altered table. `actions` None: its columns cannot be known from the statement."""

    table: TableName
    kind: DdlKind
    actions: tuple[Action, ...] | None
    renamed_to: TableName | None = None


@dataclass(frozen=True, slots=True)
class RenameTables:
    """Tables renamed, one after the other."""

    pairs: tuple[tuple[TableName, TableName], ...]


@dataclass(frozen=True, slots=True)
class DropTables:
    """Tables dropped."""

    tables: tuple[TableName, ...]


@dataclass(frozen=True, slots=True)
class TruncateTable:
    """A table emptied."""

    table: TableName


@dataclass(frozen=True, slots=True)
class ExchangePartition:
    """A partition of `table` exchanged with the table `other`."""

    table: TableName
    other: TableName


@dataclass(frozen=True, slots=True)
class SchemaStatement:
    """A statement about a database, or one (a view's) that concerns no table's rows."""

    database: str
    kind: DdlKind


@dataclass(frozen=True, slots=True)
class Unknown:
    """A statement that is not understood. `why` is for the log."""

    why: str


Statement = (
    CreateTable
    | CreateTables
    | AlterTable
    | RenameTables
    | DropTables
    | TruncateTable
    | ExchangePartition
    | SchemaStatement
    | Unknown
)
