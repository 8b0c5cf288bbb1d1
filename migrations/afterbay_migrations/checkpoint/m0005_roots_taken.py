"""A sink remembers how it took its root, and a position the size of its file."""

from __future__ import annotations

from sqlite_utils import Database

NOT_KNOWN = "0" * 20


def migrate(db: Database) -> None:
    """Adds the columns.

    `adopted` is the checkpoint that a root showed which was taken with files in it (20 digits), null if it was empty.
    `mark` names who takes the root, until the mark is there. Sinks from before may have adopted theirs.
    """
    db.execute("alter table sinks add column adopted text")
    db.execute("alter table sinks add column mark text not null default ''")
    db.execute("update sinks set adopted = ?", (NOT_KNOWN,))
    db.execute("alter table positions add column size integer not null default -1")
