"""All that a state knows, as plain data of a documented, versioned form (docs/operations.md).

Read by `reading`: in one snapshot, beside a run or without one; nothing is migrated.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from afterbay.clock import Clock
from afterbay.schema import Json
from afterbay.state.codec import decode_commit_ts, decode_object
from afterbay.state.reading import reading

FORM = "afterbay.state"
VERSION = 1
"""Rises when a key changes its meaning or goes; keys may be added without."""

_Row = dict[str, Json]


def export_state(directory: Path, clock: Clock) -> dict[str, Json]:
    """The whole state in `directory`. Raises EnvironmentRefused, as `reading`."""
    with reading(directory) as state:
        connection = state.connection
        connection.row_factory = sqlite3.Row
        (own,) = _rows(connection, "state", "id")
        return {
            "form": FORM,
            "version": VERSION,
            "exported_at": clock.now().isoformat(timespec="milliseconds"),
            "directory": str(directory),
            "locked": state.lock.locked,
            "holder": None if state.lock.holder is None else str(state.lock.holder),
            "pipeline": own["pipeline"],
            "created_at": own["created_at"],
            "identity": decode_object(str(own["identity"])),
            "migrations": list(state.migrations),
            "checkpoints": [
                {**row, "cursor": decode_object(str(row["cursor"]))}
                for row in _rows(connection, "checkpoints", "partition")
            ],
            "schemas": [
                {**row, "schema": None if row["schema"] is None else json.loads(str(row["schema"]))}
                for row in _rows(connection, "schemas", "partition, dispatcher, commit_ts")
            ],
            "sinks": _sinks(connection),
        }


def _sinks(connection: sqlite3.Connection) -> dict[str, Json]:
    sinks: dict[str, Json] = {}
    parts: Mapping[str, str] = {
        "directories": "directory",
        "positions": "partition, dispatcher",
        "intents": "id",
        "ddls": "commit_ts, key",
        "outages": "since",
    }
    of_sink: dict[str, dict[str, list[Json]]] = {}
    for part, order in parts.items():
        for row in _rows(connection, part, order):
            of_sink.setdefault(str(row.pop("sink")), {}).setdefault(part, []).append(row)
    for row in _rows(connection, "sinks", "sink"):
        name = str(row.pop("sink"))
        stored: Json = {total: row.pop(total) for total in ("files", "rows", "bytes", "ddls")}
        sinks[name] = {**row, "stored": stored, **{part: of_sink.get(name, {}).get(part, []) for part in parts}}
    return sinks


def _rows(connection: sqlite3.Connection, table: str, order: str) -> Iterator[_Row]:
    """The rows of a table, none if it came with a later version. Commit-ts are numbers, yes and no are booleans."""
    if not connection.execute("select count(*) from sqlite_master where name = ?", (table,)).fetchone()[0]:
        return
    for row in connection.execute(f"select * from {table} order by {order}"):  # noqa: S608
        yield {key: _value(key, row[key]) for key in row.keys()}  # noqa: SIM118


def _value(key: str, value: str | int | None) -> Json:
    if key == "counted":
        return bool(value)
    return decode_commit_ts(str(value)) if key.endswith("commit_ts") else value
