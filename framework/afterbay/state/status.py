"""How far a pipeline is: what a state directory says at one moment (see `reading`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from afterbay.schema import Json
from afterbay.state.codec import decode_commit_ts, decode_object
from afterbay.state.lock import Holder
from afterbay.state.reading import reading


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

    Raises EnvironmentRefused, as `reading`.
    """
    with reading(directory) as state:
        connection, lock, migrations = state.connection, state.lock, state.migrations
        pipeline, created_at = connection.execute("select pipeline, created_at from state").fetchone()
        checkpoints = _checkpoints(connection)
        return StateStatus(
            directory=directory,
            pipeline=pipeline,
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
            created_at=created_at,
            updated_at=max((item.updated_at for item in checkpoints.values()), default=None),
            outages=_outages(connection) if lock.locked and "m0004_outages" in migrations else {},
        )


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
