"""Columns of the database that a store was copied from: in types of their own, whose values the store has in its way.

A copy that `apply` made has the types of docs/apply.md. The original has those that its source maps to them: such a
column is compared as the value that the source sends of it.
"""

from __future__ import annotations

from typing import Any, Protocol

from afterbay.schema import Column, TableName
from afterbay_nodes.apply.type_table import Temporal, postgres_type
from afterbay_nodes.sources.postgres.type_facts import QUERY, TypeFacts, type_catalog
from afterbay_nodes.sources.postgres.type_table import mapped

_COLUMNS = (
    "SELECT a.attname::text, a.atttypid::int8, a.atttypmod, format_type(a.atttypid, a.atttypmod) "
    "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = ? AND c.relname = ? AND a.attnum > 0 AND NOT a.attisdropped"
)


class Session(Protocol):
    """Who asks the database."""

    def rows(self, sql: str, values: Any = ()) -> list[tuple[Any, ...]]: ...


class OriginalColumns:
    """The columns of one table. `temporal` as `apply` was told."""

    def __init__(self, session: Session, name: TableName, temporal: Temporal) -> None:
        self._temporal = temporal
        self._types = {
            str(column): (int(oid), int(typmod), str(text))
            for column, oid, typmod, text in session.rows(_COLUMNS, tuple(name))
        }
        oids = sorted({oid for oid, _, _ in self._types.values()})
        self._catalog: dict[int, TypeFacts] = type_catalog(session.rows(QUERY.replace("%s", "?"), (oids,)))

    def holds(self, column: Column, called: str) -> bool:
        """True if the database's column is one whose values the store's column has."""
        if called not in self._types:
            return False
        oid, typmod, _ = self._types[called]
        wanted = postgres_type(column, self._temporal)
        # Any column may have been copied as text (`as_text`).
        return wanted == "text" or postgres_type(mapped(oid, typmod, self._catalog).column, self._temporal) == wanted

    def compared(self, column: Column, called: str, quoted: str) -> str:
        """The database's column in SQL, as a value of the store's column. Exact: nothing is rounded or trimmed."""
        wanted, (_, _, there) = postgres_type(column, self._temporal), self._types[called]
        if wanted == there:
            return quoted
        if wanted == "text":
            # By its output function: a cast would drop the blanks of a char.
            return f"CASE WHEN {quoted} IS NOT NULL THEN format('%s', {quoted}) END"
        if there == "boolean":
            return f"CAST(CAST({quoted} AS int) AS {wanted})"
        if wanted.startswith("timestamp") and there.endswith("with time zone"):
            return f"({quoted} AT TIME ZONE 'UTC')"
        if wanted == "interval":
            return f"CAST({quoted} AS interval)"
        return f"CAST(CAST({quoted} AS text) AS {wanted})"
