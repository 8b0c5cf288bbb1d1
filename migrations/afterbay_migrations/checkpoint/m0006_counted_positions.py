"""A position that was read back from a store may know how many changes of its commit-ts are stored, not which."""

from __future__ import annotations

from sqlite_utils import Database


def migrate(db: Database) -> None:
    """Adds the column. 1: `ordinal` + 1 changes at `commit_ts` are stored, and their ordinals are not known."""
    db.execute("alter table positions add column counted integer not null default 0")
