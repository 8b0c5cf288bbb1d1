"""Where the columns of a table come from across a DDL: what two lists of columns alone cannot tell.

`a, b` becoming `a, c` is a rename or a drop and an add; a column dropped and added again has lost its values. The
statement says which, or, where it is not understood, the columns' ids if the store has them. Where nothing says it, it
is refused (I10).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from afterbay.errors import RunFailed
from afterbay.printable import visible
from afterbay.schema import Column
from afterbay_nodes.sources.ddl.statement import (
    Action,
    AddColumns,
    AlterTable,
    ChangeColumn,
    DropColumn,
    RenameColumn,
    Statement,
)


def origins(before: Sequence[Column], after: Sequence[Column], statement: Statement | None) -> dict[str, Column | None]:
    """For each column of `after`, by name, the one of `before` whose values it keeps; None for a new one.

    Raises RunFailed `apply.lineage` if a column went and another came and nothing says whether that is a rename.
    """
    if isinstance(statement, AlterTable) and statement.actions is not None:
        return _by_actions(before, after, statement.actions)
    # An id tells a rename. A column that was rebuilt in place (another type) has a new one: its name tells it.
    ids = {column.id: column for column in before if column.id}
    found = {column.name: ids.get(column.id) if column.id else None for column in after}
    taken = {origin.name for origin in found.values() if origin is not None}
    there = {column.name.lower(): column for column in before if column.name not in taken}
    found = {name: origin or there.get(name.lower()) for name, origin in found.items()}
    came = [column for column in after if found[column.name] is None]
    kept = {origin.name for origin in found.values() if origin is not None}
    went = [column for column in before if column.name not in kept]
    if came and went and not all(column.id for column in (*came, *went)):
        raise RunFailed(
            "apply.lineage",
            f"column {visible(went[0].name)!r} went and {visible(came[0].name)!r} came, and nothing says whether that "
            "is a rename",
            hint="let the writer store column ids (output_column_id), or leave the table out with --tables",
        )
    return found


def _by_actions(
    before: Sequence[Column], after: Sequence[Column], actions: Sequence[Action]
) -> dict[str, Column | None]:
    """By what the statement does, clause by clause. MySQL's names have no case; a column that no clause names stays."""
    now: dict[str, Column | None] = {column.name.lower(): column for column in before}
    for action in actions:
        match action:
            case AddColumns(definitions):
                now |= {definition.column.name.lower(): None for definition in definitions}
            case DropColumn(name):
                now.pop(name.lower(), None)
            case ChangeColumn(name, definition):
                _renamed(now, before, name, definition.column.name)
            case RenameColumn(name, to):
                _renamed(now, before, name, to)
    return {column.name: now.get(column.name.lower()) for column in after}


def _renamed(now: dict[str, Column | None], before: Sequence[Column], name: str, to: str) -> None:
    """RENAME a TO b, RENAME b TO a swaps: every clause speaks of the names that the table had."""
    if name.lower() == to.lower():
        return
    there: Mapping[str, Column] = {column.name.lower(): column for column in before}
    origin = there.get(name.lower(), now.get(name.lower()))
    if now.get(name.lower()) is origin:
        del now[name.lower()]
    now[to.lower()] = origin
