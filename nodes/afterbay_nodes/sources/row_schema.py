"""What a row's `mysqlType` and `pkNames` tell of a table, joined with what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from afterbay.schema import Column


def columns_told_by_row(row: Sequence[Column], known: tuple[Column, ...]) -> tuple[Column, ...]:
    """The table's columns, if a row has the columns `row`.

    Where the row has the known columns, they stay in their order; each keeps what a row cannot tell (length, default,
    nullability, elements) if the type agrees, else the row's column takes its place. A virtual column that rows do
    carry is not virtual. Otherwise the row's columns hold, in its order.
    """
    told = {column.name: column for column in row}
    known_by_name = {column.name: column for column in known}
    absent = [column for column in known if column.name not in told]
    if all(column.virtual for column in absent) and told.keys() <= known_by_name.keys():
        return tuple(_joined(told[column.name], column) if column.name in told else column for column in known)
    return tuple(
        _joined(column, known_by_name[column.name]) if column.name in known_by_name else column for column in row
    )


def key_told_by_row(columns: tuple[Column, ...], key: Sequence[str] | None) -> tuple[Column, ...]:
    """The columns with `key` (a row's `pkNames`) as their handle key; unchanged if it is theirs, or none is told."""
    if not key:
        return columns
    primary = {column.name for column in columns if column.primary_key}
    unique = {column.name for column in columns if column.unique_key and not column.nullable}
    if set(key) == primary or (not primary and set(key) <= unique):
        return columns
    return tuple(
        replace(column, primary_key=column.name in key, nullable=column.nullable and column.name not in key)
        for column in columns
    )


def _joined(row: Column, known: Column) -> Column:
    if row.type == known.type and row.unsigned == known.unsigned:
        return replace(known, virtual=False) if known.virtual else known
    return replace(
        row,
        nullable=known.nullable,
        primary_key=known.primary_key,
        unique_key=known.unique_key,
        default=known.default,
        id=known.id,
    )
