"""DDLs from tables."""

from __future__ import annotations

from afterbay.messages import DdlKind, SchemaChange, TableChange
from afterbay.schema import TableSchema


def change(before: TableSchema | None, after: TableSchema | None, query: str = "") -> TableChange:
    """One table of a DDL; its dispatcher is named after the older side."""
    named = before or after
    assert named is not None
    return TableChange(
        str(named.name) if before else None, before, str(named.name) if after else None, after, query=query
    )


def ddl(kind: DdlKind, *tables: TableChange, database: str | None = None) -> SchemaChange:
    """A DDL at 500."""
    return SchemaChange("log", 500, kind, "the statement", tables, database)
