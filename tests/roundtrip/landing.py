"""What a copy holds, and what it must hold, side by side in the same plain form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tests.roundtrip.upstream import Col, Row, Table
from tests.support.landed import Landed
from tests.support.landed_values import found, wanted

LOG = ("_afterbay_op", "_afterbay_commit_ts")
PLACE = ("_afterbay_series", "_afterbay_number", "_afterbay_row")
Contents = list[tuple[Any, ...]]


def differences(tables: Mapping[str, Table], landed: Landed, named: Callable[[str], str]) -> list[str]:
    """Where the copy is not what the source is, in words. `named` gives a table's name in the copy."""
    there, called = landed.all_columns(), {named(name): table for name, table in tables.items()}
    told = [f"{name} is missing" for name in sorted(called.keys() - there.keys())]
    told += [f"{name} is too much" for name in sorted(there.keys() - called.keys())]
    common = {name: table for name, table in called.items() if name in there}
    for name, table in common.items():
        if sorted(there[name]) != _columns(table):
            told.append(f"{name} has columns {sorted(there[name])}, not {_columns(table)}")
    if told:
        return told
    contents = landed.queries([_select(table, name, landed) for name, table in common.items()])
    for (name, table), found_rows in zip(common.items(), contents, strict=True):
        rows, copy = _held(table, landed), _copied(table, found_rows)
        told += [f"{name} lacks {row}" for row in rows if row not in copy]
        told += [f"{name} has {row}" for row in copy if row not in rows]
        if len(rows) != len(copy):
            told.append(f"{name} has {len(copy)} rows, not {len(rows)}")
    return told


def _columns(table: Table) -> list[str]:
    names = [column.name for column in table.stored]
    return sorted(names if table.key else [*names, *LOG, *PLACE])


def _held(table: Table, landed: Landed) -> Contents:
    """The rows of the source's table, as `landed` must have them."""
    if table.key:
        return [_values(table.stored, row, landed) for row in table.rows]
    return [(op, commit_ts, *_values(table.stored, row, landed)) for op, commit_ts, row in table.log]


def _select(table: Table, name: str, landed: Landed) -> str:
    chosen = [] if table.key else list(LOG)
    chosen += [_chosen(column, landed) for column in table.stored]
    return f"SELECT {', '.join(chosen)} FROM {landed.name(name)}"


def _copied(table: Table, rows: Contents) -> Contents:
    """The same of the copy. A row of a log begins with its operation and its commit-ts."""
    first = 0 if table.key else len(LOG)
    return [
        (
            *(int(value) if isinstance(value, Decimal) else value for value in row[:first]),
            *(found(column.facts, value) for column, value in zip(table.stored, row[first:], strict=True)),
        )
        for row in rows
    ]


def _values(columns: list[Col], row: Row, landed: Landed) -> tuple[Any, ...]:
    values = [wanted(column.facts, row[column.name]) for column in columns]
    # SQLite has no negative zero.
    return tuple("0.0" if value == "-0.0" and landed.kind == "sqlite" else value for value in values)


def _chosen(column: Col, landed: Landed) -> str:
    """The column, as its text where the driver would make something of it that loses what it was."""
    name = '"' + column.name.replace('"', '""') + '"'
    if column.facts.type == "json" or (landed.kind == "duckdb" and column.facts.type == "time"):
        return f"CAST({name} AS {'varchar' if landed.kind == 'duckdb' else 'text'})"
    return name
