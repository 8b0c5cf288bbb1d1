"""What a state directory says, read while a run goes on or without one.

The database is opened read-only and read in one snapshot, so that the figures belong together. Nothing is migrated:
what a later version added is read only where it is there, and a newer version is refused.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

from afterbay.errors import EnvironmentRefused
from afterbay.schema import Json
from afterbay.state.codec import decode_commit_ts, decode_object
from afterbay.state.database import BUSY_SECONDS, DATABASE_FILE, refusal, refuse_newer, unreadable
from afterbay.state.lock import Holder, lock_state


@dataclass(frozen=True, slots=True)
class CheckpointStatus:
    """A partition's checkpoint. `updated_at` is ISO 8601, when the row was committed."""

    commit_ts: int
    cursor: Mapping[str, Json]
    updated_at: str


@dataclass(frozen=True, slots=True)
class IntentStatus:
    """A file that was begun and is not finished: being written, or left by a dead run. `size` in bytes."""

    sink: str
    path: str
    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """What a sink has stored since the state was made. `positions`: tables (dispatchers) with a stored change."""

    files: int
    rows: int
    bytes: int
    ddls: int
    positions: int


@dataclass(frozen=True, slots=True)
class OutageStatus:
    """A store that the run cannot reach: what fails and is tried again, why, and since when (ISO 8601)."""

    operation: str
    key: str
    reason: str
    since: str


@dataclass(frozen=True, slots=True)
class StateStatus:
    """A state directory at one moment.

    `holder` is None also for an instant in which a starting run has not written its name. `schemas`: stored table
    schemas per partition. `migrations`: the database's version. `updated_at`: the last checkpoint's, ISO 8601, or None.
    `outages`: by sink, what the run that goes on cannot reach.
    """

    directory: Path
    pipeline: str
    locked: bool
    holder: Holder | None
    checkpoints: Mapping[str, CheckpointStatus]
    sinks: Mapping[str, SinkStatus]
    intents: tuple[IntentStatus, ...]
    schemas: Mapping[str, int]
    migrations: tuple[str, ...]
    created_at: str
    updated_at: str | None
    outages: Mapping[str, OutageStatus] = field(default_factory=dict)

    @property
    def files(self) -> int:
        """Data files stored, all sinks."""
        return sum(sink.files for sink in self.sinks.values())

    @property
    def rows(self) -> int:
        """Changes stored, all sinks."""
        return sum(sink.rows for sink in self.sinks.values())

    @property
    def bytes(self) -> int:
        """Bytes of data files stored, all sinks."""
        return sum(sink.bytes for sink in self.sinks.values())

    def to_dict(self) -> dict[str, object]:
        """Plain data, for `--json`."""
        out = asdict(self)
        out["directory"] = str(self.directory)
        out["intents"] = list(out["intents"])
        out["migrations"] = list(self.migrations)
        return {**out, "files": self.files, "rows": self.rows, "bytes": self.bytes}


def read_status(directory: Path) -> StateStatus:
    """Reads `directory`. Disturbs no run.

    Raises EnvironmentRefused: `state.absent` (no state was made there yet), `state.newer`, `state.corrupt`,
    `state.folder` (not readable).
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
        with closing(connect_read_only(path)) as connection:
            connection.execute("begin")
            migrations = applied_migrations(connection)
            refuse_newer(migrations, directory)
            row = connection.execute("select pipeline, created_at from state").fetchone() if migrations else None
            if row is None:
                raise absent(directory)
            checkpoints = _checkpoints(connection)
            return StateStatus(
                directory=directory,
                pipeline=row[0],
                locked=lock.locked,
                holder=lock.holder,
                checkpoints=checkpoints,
                sinks=_sinks(connection),
                intents=_intents(connection),
                schemas=dict(
                    connection.execute(
                        "select partition, count(*) from schemas where schema is not null group by partition"
                    )
                ),
                migrations=migrations,
                created_at=row[1],
                updated_at=max((item.updated_at for item in checkpoints.values()), default=None),
                outages=_outages(connection) if lock.locked and "m0004_outages" in migrations else {},
            )
    except sqlite3.Error as error:
        raise refusal(error, directory) from error
    except ValueError as error:
        raise unreadable(error, directory) from error


def connect_read_only(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing, not even the database's version."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def applied_migrations(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Applied steps, in order; none if a run is just making the database."""
    made = connection.execute("select count(*) from sqlite_master where name = '_sqlite_migrations'").fetchone()[0]
    if not made:
        return ()
    rows = connection.execute("select name from _sqlite_migrations order by id")
    return tuple(str(row[0]) for row in rows)


def _checkpoints(connection: sqlite3.Connection) -> dict[str, CheckpointStatus]:
    rows = connection.execute("select partition, commit_ts, cursor, updated_at from checkpoints order by partition")
    return {
        partition: CheckpointStatus(decode_commit_ts(commit_ts), decode_object(cursor), updated_at)
        for partition, commit_ts, cursor, updated_at in rows
    }


def _sinks(connection: sqlite3.Connection) -> dict[str, SinkStatus]:
    positions = dict(connection.execute("select sink, count(*) from positions group by sink"))
    rows = connection.execute("select sink, files, rows, bytes, ddls from sinks order by sink")
    return {
        sink: SinkStatus(files, stored, size, ddls, positions.get(sink, 0)) for sink, files, stored, size, ddls in rows
    }


def _outages(connection: sqlite3.Connection) -> dict[str, OutageStatus]:
    rows = connection.execute("select sink, operation, key, reason, since from outages order by sink")
    return {sink: OutageStatus(operation, key, reason, since) for sink, operation, key, reason, since in rows}


def _intents(connection: sqlite3.Connection) -> tuple[IntentStatus, ...]:
    rows = connection.execute("select sink, path, rows, size from intents order by id")
    return tuple(IntentStatus(sink, path, stored, size) for sink, path, stored, size in rows)


def absent(directory: Path) -> EnvironmentRefused:
    """The error for a directory in which no state was made."""
    return EnvironmentRefused(
        "state.absent", f"there is no state in {directory}", hint="run the pipeline once, or name its state directory"
    )
