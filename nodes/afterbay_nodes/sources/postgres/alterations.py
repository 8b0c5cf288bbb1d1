"""What changed between two versions of a table, as the DDL number and the statement that a reader of the store expects.

PostgreSQL's own statement is not used: readers speak MySQL's (docs/adr/0100). The statement says what became of the
columns, in clauses that the readers' own understanding takes from the one version to the other.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from afterbay.messages import DdlKind
from afterbay.schema import Column, TableName, TableSchema
from afterbay_nodes.sources.ddl_in_hand import quoted

_WITH_LENGTH = frozenset({"char", "varchar", "tinyint"})
_WITH_DIGITS = frozenset({"datetime", "timestamp", "time"})


@dataclass(frozen=True, slots=True)
class Alteration:
    """A DDL of one table."""

    kind: DdlKind
    query: str


def created(schema: TableSchema, *, replaces: bool = False) -> Alteration:
    """A table that is new. `replaces`: what may be there under its name is not it, and goes."""
    columns = [f"{_name(column.name)} {_definition(column)}" for column in schema.columns]
    key = [column.name for column in schema.columns if column.primary_key]
    if key:
        columns.append(f"PRIMARY KEY ({_names(key)})")
    verb = "CREATE OR REPLACE TABLE" if replaces else "CREATE TABLE"
    return Alteration(DdlKind.CREATE_TABLE, f"{verb} {quoted(schema.name)} ({', '.join(columns)})")


def dropped(name: TableName) -> Alteration:
    """A table that is gone."""
    return Alteration(DdlKind.DROP_TABLE, f"DROP TABLE {quoted(name)}")


def truncated(name: TableName) -> Alteration:
    """A table that was emptied."""
    return Alteration(DdlKind.TRUNCATE_TABLE, f"TRUNCATE TABLE {quoted(name)}")


def renamed(before: TableName, after: TableName) -> Alteration:
    """A table under another name."""
    return Alteration(DdlKind.RENAME_TABLE, f"RENAME TABLE {quoted(before)} TO {quoted(after)}")


def altered(before: TableSchema, after: TableSchema) -> Alteration | None:
    """Other columns, or another key; None if there is no difference. Both have one name."""
    was = dict(_pairs(before.columns, after.columns))
    kept = {old.name for old in was.values()}
    gone = [column.name for column in before.columns if column.name not in kept]
    clauses = [(DdlKind.DROP_COLUMN, f"DROP COLUMN {_name(name)}") for name in gone]
    for column in after.columns:
        old = was.get(column.name)
        if old is None:
            continue
        if old.name != column.name:
            clauses.append((DdlKind.MODIFY_COLUMN, f"RENAME COLUMN {_name(old.name)} TO {_name(column.name)}"))
        if _definition(old) != _definition(column):
            clauses.append((DdlKind.MODIFY_COLUMN, f"MODIFY COLUMN {_name(column.name)} {_definition(column)}"))
    for index, column in enumerate(after.columns):
        if column.name not in was:
            clause = f"ADD COLUMN {_name(column.name)} {_definition(column)}"
            if column.default is not None:
                clause += f" DEFAULT {_literal(str(column.default))}"
            clauses.append((DdlKind.ADD_COLUMN, clause + _place(after.columns, index, was.keys())))
    clauses += _key_clauses(before, after, {old.name: name for name, old in was.items()})
    if not clauses:
        return None
    kinds = {kind for kind, _ in clauses}
    kind = kinds.pop() if len(kinds) == 1 else DdlKind.MULTI_SCHEMA_CHANGE
    return Alteration(kind, f"ALTER TABLE {quoted(after.name)} {', '.join(clause for _, clause in clauses)}")


def _pairs(before: Sequence[Column], after: Sequence[Column]) -> list[tuple[str, Column]]:
    """(name, what it was) of each column that was there before.

    A column is known by its id (`pg_attribute.attnum`, which is never given twice). Where that is not told, by its
    name; and one whose name is new, at the place and with the type of one whose name is gone, was renamed.
    """
    by_id = {column.id: column for column in before if column.id is not None}
    by_name = {column.name: column for column in before}
    found: list[tuple[str, Column]] = []
    taken: set[str] = set()
    unknown: list[tuple[int, Column]] = []
    for index, column in enumerate(after):
        old = by_id.get(column.id) if column.id is not None else None
        if old is None and (same := by_name.get(column.name)) is not None and None in (same.id, column.id):
            old = same
        if old is not None:
            found.append((column.name, old))
            taken.add(old.name)
        else:
            unknown.append((index, column))
    for index, column in unknown:
        old = before[index] if len(before) == len(after) else None
        told = old is not None and None not in (old.id, column.id)
        if old is not None and not told and old.name not in taken and _definition(old) == _definition(column):
            found.append((column.name, old))
            taken.add(old.name)
    return found


def _key_clauses(before: TableSchema, after: TableSchema, now: dict[str, str]) -> list[tuple[DdlKind, str]]:
    was = [now.get(column.name, "") for column in before.columns if column.primary_key]
    key = [column.name for column in after.columns if column.primary_key]
    if was == key:
        return []
    clauses = [(DdlKind.DROP_PRIMARY_KEY, "DROP PRIMARY KEY")] if any(was) else []
    if key:
        clauses.append((DdlKind.ADD_PRIMARY_KEY, f"ADD PRIMARY KEY ({_names(key)})"))
    return clauses


def _place(columns: Sequence[Column], index: int, kept: Collection[str]) -> str:
    """Where a new column stands, if not at the end, where PostgreSQL puts them."""
    if all(column.name not in kept for column in columns[index:]):
        return ""
    return f" AFTER {_name(columns[index - 1].name)}" if index else " FIRST"


def _definition(column: Column) -> str:
    kind = column.type.upper()
    if column.type == "decimal":
        kind += f"({column.length},{column.scale})"
    elif column.type in _WITH_LENGTH and column.length is not None:
        kind += f"({column.length})"
    elif column.type in _WITH_DIGITS and column.scale is not None:
        kind += f"({column.scale})"
    return kind + (" UNSIGNED" if column.unsigned else "") + ("" if column.nullable else " NOT NULL")


def _name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(_name, names))
