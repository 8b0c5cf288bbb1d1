"""A sink remembers the day below which it has removed files."""

from __future__ import annotations

from sqlite_utils import Database


def migrate(db: Database) -> None:
    """Adds the column; "" is no day."""
    db.execute("alter table sinks add column cleaned_before text not null default ''")
