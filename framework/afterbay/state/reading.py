"""A state directory, read while a run goes on or without one.

The database is opened read-only and read in one snapshot, so that what is read belongs together. Nothing is migrated: a
reader asks for what a later version added only where it is there, and a newer version is refused.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from afterbay.errors import EnvironmentRefused
from afterbay.foreign_sqlite import distrust
from afterbay.state.database import (
    BUSY_SECONDS,
    DATABASE_FILE,
    UNREADABLE_ROW,
    refusal,
    refuse_foreign,
    refuse_newer,
    unreadable,
)
from afterbay.state.lock import LockState, lock_state


@dataclass(frozen=True, slots=True)
class Reading:
    """A snapshot of a state. `migrations`: the database's version. The connection is `reading`'s own."""

    connection: sqlite3.Connection
    lock: LockState
    migrations: tuple[str, ...]


@contextmanager
def reading(directory: Path) -> Iterator[Reading]:
    """The state in `directory`, for the length of the block; disturbs no run.

    Raises EnvironmentRefused: `state.absent` (no state was made there yet), `state.newer`, `state.foreign` (another
    program's), `state.corrupt` (also for what the block raises at a row that cannot be read), `state.folder`.
    """
    path = directory / DATABASE_FILE
    try:
        if not path.is_file():
            raise absent(directory)
        lock = lock_state(directory)
    except OSError as error:
        raise EnvironmentRefused(
            "state.folder",
            f"the state directory {directory} cannot be read: {error.strerror}",
            hint="ask as a user that may read it",
        ) from error
    try:
        with closing(_connect(path)) as connection:
            distrust(connection)
            connection.execute("begin")
            refuse_foreign(connection, directory)
            migrations = _applied(connection)
            refuse_newer(migrations, directory)
            if not migrations or connection.execute("select 1 from state").fetchone() is None:
                raise absent(directory)
            yield Reading(connection, lock, migrations)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY_ROLLBACK:
            # A rollback journal is there only until the new file is switched to WAL: its making was cut off.
            raise absent(directory) from error
        raise refusal(error, directory) from error
    except UNREADABLE_ROW as error:
        raise unreadable(error, directory) from error


def absent(directory: Path) -> EnvironmentRefused:
    """The error for a directory in which no state was made."""
    return EnvironmentRefused(
        "state.absent", f"there is no state in {directory}", hint="run the pipeline once, or name its state directory"
    )


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def _applied(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Applied steps, in order; none if a run is just making the database."""
    made = connection.execute("select count(*) from sqlite_master where name = '_sqlite_migrations'").fetchone()[0]
    if not made:
        return ()
    rows = connection.execute("select name from _sqlite_migrations order by id")
    return tuple(str(row[0]) for row in rows)
