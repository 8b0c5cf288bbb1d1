"""The first tables of `checkpoint.db`.

Commit-ts columns are TEXT of exactly 20 digits: the values are unsigned 64-bit, SQLite's integers are signed.
`WITHOUT ROWID` where the key is the row: one B-tree to write at each commit instead of two.
"""

from __future__ import annotations

from sqlite_utils import Database

# "ABAY": tells a state database from any other SQLite file.
APPLICATION_ID = 0x41424159

_TABLES = (
    """
    create table state (
        id integer primary key check (id = 1),
        pipeline text not null,
        identity text not null,
        created_at text not null
    ) strict
    """,
    """
    create table checkpoints (
        partition text primary key,
        commit_ts text not null check (length(commit_ts) = 20),
        cursor text not null,
        updated_at text not null
    ) strict, without rowid
    """,
    """
    create table positions (
        sink text not null,
        partition text not null,
        dispatcher text not null,
        commit_ts text not null check (length(commit_ts) = 20),
        ordinal integer not null,
        primary key (sink, partition, dispatcher)
    ) strict, without rowid
    """,
    """
    create table intents (
        id integer primary key,
        sink text not null,
        partition text not null,
        dispatcher text not null,
        directory text not null,
        number integer not null,
        path text not null,
        first_commit_ts text not null check (length(first_commit_ts) = 20),
        first_ordinal integer not null,
        last_commit_ts text not null check (length(last_commit_ts) = 20),
        last_ordinal integer not null,
        rows integer not null,
        size integer not null,
        crc integer not null,
        unique (sink, directory)
    ) strict
    """,
    """
    create table directories (
        sink text not null,
        directory text not null,
        number integer not null,
        primary key (sink, directory)
    ) strict, without rowid
    """,
    """
    create table schemas (
        partition text not null,
        dispatcher text not null,
        commit_ts text not null check (length(commit_ts) = 20),
        schema text,
        primary key (partition, dispatcher, commit_ts)
    ) strict, without rowid
    """,
    """
    create table ddls (
        sink text not null,
        key text not null,
        commit_ts text not null check (length(commit_ts) = 20),
        primary key (sink, key, commit_ts)
    ) strict, without rowid
    """,
    """
    create table sinks (
        sink text primary key,
        files integer not null default 0,
        rows integer not null default 0,
        bytes integer not null default 0,
        ddls integer not null default 0,
        claimed_at text not null
    ) strict, without rowid
    """,
)


def migrate(db: Database) -> None:
    """Makes all tables of an empty database."""
    db.execute(f"pragma application_id = {APPLICATION_ID}")
    for table in _TABLES:
        db.execute(table)
