"""What the actions of a statement make of a table's columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from afterbay.schema import Column
from afterbay_nodes.sources.ddl.columns import ColumnDefinition, as_binary
from afterbay_nodes.sources.ddl.statement import (
    Action,
    AddColumns,
    AddKey,
    ChangeColumn,
    DropColumn,
    DropPrimaryKey,
    MakeBinary,
    RenameColumn,
    SetDefault,
)
from afterbay_nodes.sources.ddl.tokenizer import SqlError

MOST_COLUMNS = 4096
"""As many as a table of MySQL has at most; TiDB and PostgreSQL have fewer."""


def apply(actions: Sequence[Action], columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The columns after `actions`.

    Raises SqlError if one names a column that is not there, or there already, or makes more than `MOST_COLUMNS`.
    """
    table = _Table(columns)
    for action in actions:
        match action:
            case AddColumns(definitions):
                for definition in definitions:
                    table.add(definition, len(table.columns))
            case DropColumn(name, if_exists):
                if not if_exists or name.lower() in table.names:
                    table.pop(table.index(name))
            case ChangeColumn(name, definition):
                index = table.index(name)
                old = table.pop(index)
                # Keys belong to the table, not to the column's definition: they stay.
                column = definition.column
                kept = replace(
                    column,
                    primary_key=column.primary_key or old.primary_key,
                    unique_key=column.unique_key or old.unique_key,
                    nullable=column.nullable and not old.primary_key,
                    id=old.id,
                )
                table.insert(ColumnDefinition(kept, definition.after), index)
            case RenameColumn(name, to):
                index = table.index(name)
                table.insert(ColumnDefinition(replace(table.pop(index), name=to)), index)
            case SetDefault(name, default):
                index = table.index(name)
                table.columns[index] = replace(table.columns[index], default=default)
            case AddKey(names, primary):
                for name in names:
                    index = table.index(name)
                    table.columns[index] = (
                        replace(table.columns[index], primary_key=True, nullable=False)
                        if primary
                        else replace(table.columns[index], unique_key=True)
                    )
            case DropPrimaryKey():
                table.columns = [replace(column, primary_key=False) for column in table.columns]
            case MakeBinary():
                table.columns = [as_binary(column) for column in table.columns]
    return tuple(table.columns)


class _Table:
    """Columns that are being altered. `names` has their names in lower case, as MySQL compares them, in their order."""

    def __init__(self, columns: Iterable[Column]) -> None:
        self.columns = list(columns)
        self.names = [column.name.lower() for column in self.columns]

    def index(self, name: str) -> int:
        try:
            return self.names.index(name.lower())
        except ValueError:
            raise SqlError(f"there is no column {name!r}", 0) from None

    def add(self, definition: ColumnDefinition, default: int) -> None:
        """A new column, at the place that it asks for or at `default`."""
        if definition.column.name.lower() in self.names:
            raise SqlError(f"column {definition.column.name!r} is there already", 0)
        if len(self.columns) >= MOST_COLUMNS:
            raise SqlError(f"a table has {MOST_COLUMNS} columns at most", 0)
        self.insert(definition, default)

    def insert(self, definition: ColumnDefinition, default: int) -> None:
        match definition.after:
            case None:
                index = default
            case "":
                index = 0
            case after:
                index = self.index(after) + 1
        self.columns.insert(index, definition.column)
        self.names.insert(index, definition.column.name.lower())

    def pop(self, index: int) -> Column:
        del self.names[index]
        return self.columns.pop(index)
