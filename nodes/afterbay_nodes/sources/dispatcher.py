"""Names of dispatchers: one for each table, stable, and the same for no two tables."""

from __future__ import annotations

from urllib.parse import quote, unquote

from afterbay.schema import TableName


def dispatcher_of(name: TableName) -> str:
    """``schema.table``, in which a point, and all but letters, digits, ``_``, ``-`` and ``~``, is percent-encoded."""
    return f"{_escaped(name.schema)}.{_escaped(name.table)}"


def table_of(dispatcher: str) -> TableName:
    """The inverse of `dispatcher_of`."""
    schema, _, table = dispatcher.partition(".")
    return TableName(unquote(schema), unquote(table))


def _escaped(name: str) -> str:
    return quote(name, safe="").replace(".", "%2E")
