"""Opens `checkpoint.db`: durable creation, pragmas, migrations, and what SQLite's errors mean for a run."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

from sqlite_utils import Database

from afterbay.durable import make_folder, sync_folder
from afterbay.errors import AfterbayError, EnvironmentRefused, RunFailed
from afterbay.foreign_sqlite import LARGEST_VALUE, code_in_schema, distrust
from afterbay_migrations.checkpoint import CHECKPOINT, STEPS
from afterbay_migrations.checkpoint.m0001_initial import APPLICATION_ID

DATABASE_FILE = "checkpoint.db"
BUSY_SECONDS = 10.0

Connect = Callable[[Path], sqlite3.Connection]

UNREADABLE_ROW = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, AssertionError)
"""What a row raises that is not what this program writes: SQLite keeps any text, and JSON may hold anything."""

_NO_WAY_ON = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_SURROUNDINGS = {
    sqlite3.SQLITE_FULL: ("state.full", "the disk is full", "free space on its disk, then run again"),
    sqlite3.SQLITE_IOERR: ("state.io", "reading or writing it failed", "check the disk, then run again"),
    sqlite3.SQLITE_READONLY: ("state.folder", "it is not writable", "give the pipeline's user write access to it"),
    sqlite3.SQLITE_PERM: ("state.folder", "it is not accessible", "give the pipeline's user write access to it"),
    sqlite3.SQLITE_CANTOPEN: ("state.folder", "it cannot be opened", "give the pipeline's user write access to it"),
    sqlite3.SQLITE_TOOBIG: (
        "state.large",
        f"a value of it has more than {LARGEST_VALUE} bytes",
        "no value that Afterbay writes is that large: was the file made by somebody else?",
    ),
    sqlite3.SQLITE_BUSY: ("state.busy", "another program has locked it", "end whatever has the file open for writing"),
}
_WAY_OUT_OF_DAMAGE = (
    "make it anew from what is stored (`afterbay state rebuild PIPELINE --from-store`), or start anew with another "
    "state directory and an empty root. A copy of checkpoint.db and checkpoint.db-wal serves only if it was made after "
    "the last run: an older one is refused, because changes would be stored a second time"
)


def connect(path: Path) -> sqlite3.Connection:
    """A connection that leaves transactions to its owner and may be handed to the owner's thread."""
    return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def create_directory(directory: Path) -> None:
    """Makes the directory and its missing parents, each durable in the one above it. Raises EnvironmentRefused."""
    try:
        make_folder(directory)
    except OSError as error:
        raise EnvironmentRefused(
            "state.folder",
            f"the state directory {directory} cannot be made: {error.strerror}",
            hint="choose a directory that the pipeline's user may write (`state:` or --state)",
        ) from error


def open_database(directory: Path, connector: Connect = connect) -> sqlite3.Connection:
    """Opens or makes the database of a locked `directory`, checks it, and brings its tables up to date.

    A crash at any point leaves an empty database or one with the first migrations: the next open goes on from there.
    Raises EnvironmentRefused.
    """
    try:
        connection = connector(directory / DATABASE_FILE)
    except sqlite3.Error as error:
        raise refusal(error, directory) from error
    try:
        distrust(connection)
        refuse_foreign(connection, directory)
        _refuse_damaged(connection, directory)
        connection.execute("pragma journal_mode = wal")
        # I2: a commit returns once it is on the disk (macOS reaches the disk by `fullfsync` only).
        connection.execute("pragma synchronous = full")
        connection.execute("pragma fullfsync = on")
        database = Database(connection, execute_plugins=False)
        refuse_newer((step.name for step in CHECKPOINT.applied(database)), directory)
        CHECKPOINT.apply(database)
        sync_folder(directory)
    except sqlite3.Error as error:
        connection.close()
        raise refusal(error, directory) from error
    except OSError as error:
        connection.close()
        raise EnvironmentRefused(
            "state.io", f"the state directory {directory} cannot be synced: {error.strerror}", hint="check the disk"
        ) from error
    except BaseException:
        connection.close()
        raise
    return connection


def refuse_newer(applied: Iterable[str], directory: Path) -> None:
    """Raises EnvironmentRefused (`state.newer`) if a migration that we do not know was applied."""
    unknown = sorted(set(applied) - STEPS.keys())
    if unknown:
        raise EnvironmentRefused(
            "state.newer",
            f"{directory / DATABASE_FILE} was written by a newer version of Afterbay: it has {', '.join(unknown)}",
            hint="run it with that version or a later one",
        )


def refusal(error: sqlite3.Error, directory: Path) -> AfterbayError:
    """The error that tells what an SQLite error means for the state in `directory`."""
    path = directory / DATABASE_FILE
    # Extended codes keep the primary one in the low byte; errors of the Python module have none.
    primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if primary in _NO_WAY_ON:
        return EnvironmentRefused("state.corrupt", f"{path} is damaged: {error}", hint=_WAY_OUT_OF_DAMAGE)
    if primary in _SURROUNDINGS:
        code, what, hint = _SURROUNDINGS[primary]
        return EnvironmentRefused(code, f"{path}: {what} ({error})", hint=hint)
    return RunFailed("state.database", f"{path}: {error}")


def unreadable(error: Exception, directory: Path) -> EnvironmentRefused:
    """The error for a row whose text is not what this program writes."""
    return EnvironmentRefused(
        "state.corrupt",
        f"{directory / DATABASE_FILE} holds a row that cannot be read: {error!r}",
        hint=_WAY_OUT_OF_DAMAGE,
    )


def refuse_foreign(connection: sqlite3.Connection, directory: Path) -> None:
    """Raises EnvironmentRefused (`state.foreign`) if the file is another program's, or its schema holds code."""
    path = directory / DATABASE_FILE
    (application,) = connection.execute("pragma application_id").fetchone()
    (tables,) = connection.execute("select count(*) from sqlite_master").fetchone()
    # The table of migrations is made in a commit of its own, before the first migration names the application.
    begun = connection.execute("select count(*) from sqlite_master where tbl_name = '_sqlite_migrations'").fetchone()[0]
    if application != APPLICATION_ID and tables != begun:
        raise EnvironmentRefused(
            "state.foreign",
            f"{path} is a database of another program",
            hint="choose another state directory (`state:` or --state)",
        )
    if (code := code_in_schema(connection)) is not None:
        raise EnvironmentRefused(
            "state.foreign",
            f"{path} has {code}: Afterbay makes none",
            hint="somebody else changed this file: use a copy that nobody did, or another state directory",
        )


def _refuse_damaged(connection: sqlite3.Connection, directory: Path) -> None:
    findings = [str(row[0]) for row in connection.execute("pragma quick_check(3)")]
    if findings != ["ok"]:
        path = directory / DATABASE_FILE
        raise EnvironmentRefused("state.corrupt", f"{path} is damaged: {'; '.join(findings)}", hint=_WAY_OUT_OF_DAMAGE)
