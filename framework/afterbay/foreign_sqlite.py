"""An SQLite file that may be somebody else's work, opened so that reading it does what it says and no more.

A schema can carry code: triggers, views, generated columns, virtual tables. What Afterbay makes has none of them, so a
file that has is refused before a row of it is read.
"""

from __future__ import annotations

import sqlite3

LARGEST_VALUE = 64 << 20
"""Bytes of a value, and of a row. The largest that is written is the schema of a table or a source's cursor."""

LONGEST_SQL = 1 << 20
"""Bytes of a statement. A schema with a longer one is refused by SQLite itself."""

_LIMITS = (
    (sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE),
    (sqlite3.SQLITE_LIMIT_SQL_LENGTH, LONGEST_SQL),
    (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
    (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 1),
    (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000),
)


def distrust(connection: sqlite3.Connection) -> None:
    """Sets limits and pragmas; reads nothing of the file yet. Raises sqlite3.Error."""
    for limit, value in _LIMITS:
        connection.setlimit(limit, value)
    connection.execute("pragma trusted_schema = off")  # no function with side effects from within the schema
    connection.execute("pragma cell_size_check = on")  # a damaged page is an error, not a read beyond it
    connection.execute("pragma mmap_size = 0")  # a file that is cut short is an error, not a signal


def code_in_schema(connection: sqlite3.Connection) -> str | None:
    """What in the schema would run or hide something, in words; None if there is nothing. Raises sqlite3.Error."""
    for kind, name, sql in connection.execute("select type, name, sql from sqlite_master"):
        if kind not in ("table", "index"):
            return f"a {kind} called {name!r}"
        if str(sql or "").lstrip().lower().startswith("create virtual"):
            return f"a virtual table called {name!r}"
        if kind == "index":
            # A column that is no column is an expression.
            columns = connection.execute("select count(*) from pragma_index_info(?) where name is null", (name,))
        else:
            columns = connection.execute("select count(*) from pragma_table_xinfo(?) where hidden <> 0", (name,))
        if columns.fetchone()[0]:
            return f"computed columns in the {kind} {name!r}"
    return None
