"""A position carries the file that it was stored in; an intent says how much of its file is header."""

from __future__ import annotations

from sqlite_utils import Database


def migrate(db: Database) -> None:
    """Adds the columns. Positions stored before name no file; files begun before have no counted header."""
    db.execute("alter table positions add column directory text not null default ''")
    db.execute("alter table positions add column number integer not null default 0")
    db.execute("alter table intents add column header integer not null default 0")
