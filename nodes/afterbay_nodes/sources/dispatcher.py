"""Names of dispatchers: one for each table, or each physical partition of one; stable, and the same for no two."""

from __future__ import annotations

from urllib.parse import quote, unquote

from afterbay.schema import TableName


def dispatcher_of(name: TableName, partition: int | None = None) -> str:
    """``schema.table`` or ``schema.table.partition``.

    In the names a point, and all but letters, digits, ``_``, ``-`` and ``~``, is percent-encoded.
    """
    table = f"{_escaped(name.schema)}.{_escaped(name.table)}"
    return table if partition is None else f"{table}.{partition}"


def table_of(dispatcher: str) -> tuple[TableName, int | None]:
    """The inverse of `dispatcher_of`."""
    schema, table, *partition = dispatcher.split(".")
    return TableName(unquote(schema), unquote(table)), int(partition[0]) if partition else None


def _escaped(name: str) -> str:
    return quote(name, safe="").replace(".", "%2E")
