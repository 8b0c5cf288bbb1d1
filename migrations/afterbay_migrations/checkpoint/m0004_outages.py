"""What a run cannot reach now, for whoever asks how far it is. Emptied by each start."""

from __future__ import annotations

from sqlite_utils import Database


def migrate(db: Database) -> None:
    """Makes the table. `since` is ISO 8601."""
    db.execute(
        """
        create table outages (
            sink text primary key,
            operation text not null,
            key text not null,
            reason text not null,
            since text not null
        ) strict, without rowid
        """
    )
