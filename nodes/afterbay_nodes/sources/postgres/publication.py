"""The publication: which tables the server sends."""

from __future__ import annotations

from collections.abc import Sequence

from afterbay.schema import TableName
from afterbay_nodes.sources.postgres.connection import Server
from afterbay_nodes.sources.postgres.names import literal, quoted

_FOUND = "SELECT 1 FROM pg_catalog.pg_publication WHERE pubname = %s"
_ALL = "SELECT puballtables FROM pg_catalog.pg_publication WHERE pubname = %s"
_OWNED = "SELECT pg_catalog.pg_has_role(pubowner, 'USAGE') FROM pg_catalog.pg_publication WHERE pubname = %s"
_COMMENT = """\
SELECT pg_catalog.obj_description(oid, 'pg_publication') FROM pg_catalog.pg_publication WHERE pubname = %s
"""
_TABLES = "SELECT schemaname::text, tablename::text FROM pg_catalog.pg_publication_tables WHERE pubname = %s"


def exists(server: Server, name: str) -> bool:
    """True if it is there."""
    return bool(server.rows(_FOUND, [name]))


def tables(server: Server, name: str) -> set[TableName]:
    """The tables that it sends now."""
    return {TableName(schema, table) for schema, table in server.rows(_TABLES, [name])}


def is_owned(server: Server, name: str) -> bool:
    """True if the role may alter it."""
    return bool(server.value(_OWNED, [name]))


def is_for_all(server: Server, name: str) -> bool:
    """True if it sends every table, also those that are not made yet."""
    return bool(server.value(_ALL, [name]))


def is_made_for(server: Server, name: str, slot: str) -> bool:
    """True if `creation` made it, for that slot: it may be dropped with it."""
    return bool(server.value(_COMMENT, [name]) == _made_for(slot))


def creation(name: str, tables: Sequence[TableName], slot: str, *, everything: bool) -> str:
    """The SQL that makes it: for some tables, or (which only a superuser may) for all that are and will be.

    It says in a comment that it was made for `slot`.
    """
    whole = "ALL TABLES" if everything else "TABLE " + ", ".join(map(sql_name, tables))
    comment = f"COMMENT ON PUBLICATION {quoted(name)} IS {literal(_made_for(slot))}"
    return f"CREATE PUBLICATION {quoted(name)} FOR {whole}; {comment}"


def addition(name: str, tables: Sequence[TableName]) -> str:
    """The SQL that adds tables to it."""
    return f"ALTER PUBLICATION {quoted(name)} ADD TABLE {', '.join(map(sql_name, tables))}"


def sql_name(name: TableName) -> str:
    """A table in SQL."""
    return f"{quoted(name.schema)}.{quoted(name.table)}"


def _made_for(slot: str) -> str:
    return f"made by Afterbay for the replication slot {slot}"
