"""The first tables of `spool.db`.

Commit-ts columns are TEXT of exactly 20 digits: the values are unsigned 64-bit, SQLite's integers are signed.
"""

from __future__ import annotations

from sqlite_utils import Database

_TABLES = (
    """
    create table segments (
        id integer primary key,
        path text not null,
        bytes integer not null,
        refs integer not null check (refs >= 0),
        state text not null check (state in ('active', 'sealed', 'deleting'))
    ) strict
    """,
    """
    create table entries (
        id integer primary key,
        segment integer not null,
        offset integer not null,
        length integer not null,
        crc integer not null,
        dispatcher text not null,
        rows integer not null,
        first_commit_ts text not null check (length(first_commit_ts) = 20),
        first_ordinal integer not null,
        last_commit_ts text not null check (length(last_commit_ts) = 20),
        last_ordinal integer not null
    ) strict
    """,
)


def migrate(db: Database) -> None:
    """Makes the tables. An entry's header is at `offset` of its segment's file; `length` counts its payload."""
    for statement in _TABLES:
        db.execute(statement)
