"""What a state remembers of the files of its sinks, for whoever holds them against the stores themselves.

Read by `reading`; what later versions added is read if it is there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from afterbay.positions import StoredPosition
from afterbay.schema import Json, RowPosition
from afterbay.state.codec import decode_commit_ts, decode_object
from afterbay.state.reading import reading
from afterbay.state.records import Intent


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """What one sink has stored since its state was made: `files` (of at least one change), `rows` changes, `bytes`.

    `directories` has the last number used in each directory (and series, behind a `|`), `positions` by (partition,
    dispatcher) the last change and its file, `intents` the files that were begun and are not finished. `cleaned_before`
    is the day (2006-01-02) below which files were removed, "" for none. `options` are those that shape the store.
    """

    sink: str
    files: int
    rows: int
    bytes: int
    directories: Mapping[str, int]
    positions: Mapping[tuple[str, str], StoredPosition]
    intents: tuple[Intent, ...]
    cleaned_before: str
    options: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class StoredState:
    """A state directory at one moment. `locked`: a run is at it; `checkpoints` are commit-ts by source partition."""

    directory: Path
    pipeline: str
    locked: bool
    checkpoints: Mapping[str, int]
    sinks: Mapping[str, StoredFiles]


def read_stored(directory: Path) -> StoredState:
    """Reads `directory`. Disturbs no run.

    Raises EnvironmentRefused, as `reading`.
    """
    with reading(directory) as state:
        connection = state.connection
        pipeline, identity = connection.execute("select pipeline, identity from state").fetchone()
        options = decode_object(identity)
        checkpoints = connection.execute("select partition, commit_ts from checkpoints")
        return StoredState(
            directory,
            pipeline,
            state.lock.locked,
            {partition: decode_commit_ts(commit_ts) for partition, commit_ts in checkpoints},
            {sink.sink: sink for sink in _sinks(connection, options)},
        )


def _sinks(connection: sqlite3.Connection, options: Mapping[str, Json]) -> Iterator[StoredFiles]:
    cleaned = "cleaned_before" if _has(connection, "sinks", "cleaned_before") else "''"
    rows = connection.execute(f"select sink, files, rows, bytes, {cleaned} from sinks order by sink")  # noqa: S608
    for sink, files, stored, size, cleaned_before in rows.fetchall():
        own = options.get(sink)
        yield StoredFiles(
            sink,
            files,
            stored,
            size,
            dict(connection.execute("select directory, number from directories where sink = ?", (sink,))),
            dict(_positions(connection, sink)),
            tuple(_intents(connection, sink)),
            cleaned_before,
            own if isinstance(own, dict) else {},
        )


def _positions(connection: sqlite3.Connection, sink: str) -> Iterator[tuple[tuple[str, str], StoredPosition]]:
    where = "directory, number" if _has(connection, "positions", "directory") else "'', 0"
    rows = connection.execute(
        f"select partition, dispatcher, commit_ts, ordinal, {where} from positions where sink = ?",  # noqa: S608
        (sink,),
    )
    for partition, dispatcher, commit_ts, ordinal, directory, number in rows:
        yield (
            (partition, dispatcher),
            StoredPosition(RowPosition(decode_commit_ts(commit_ts), ordinal), directory, number),
        )


def _intents(connection: sqlite3.Connection, sink: str) -> Iterator[Intent]:
    rows = connection.execute(
        "select sink, partition, dispatcher, directory, number, path, first_commit_ts, first_ordinal, last_commit_ts, "
        "last_ordinal, rows, size, crc from intents where sink = ? order by id",
        (sink,),
    )
    for sink_, partition, dispatcher, directory, number, path, *ends, stored, size, crc in rows:
        first, last = (RowPosition(decode_commit_ts(ends[at]), ends[at + 1]) for at in (0, 2))
        yield Intent(sink_, partition, dispatcher, directory, number, path, first, last, stored, size, crc)


def _has(connection: sqlite3.Connection, table: str, column: str) -> bool:
    return any(row[1] == column for row in connection.execute(f"pragma table_info({table})"))
