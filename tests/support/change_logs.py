"""Small change logs, played to a recorder."""

from __future__ import annotations

from pathlib import Path

from afterbay_nodes.sources.change_log import ChangeLog
from tests.support.canal import row
from tests.support.outlet import RecordingOutlet, record

CREATE = "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(10))"


def play(path: Path, **options: object) -> RecordingOutlet:
    return record(ChangeLog.model_validate({"path": str(path), **options}))


def stamps(outlet: RecordingOutlet) -> list[tuple[int, int]]:
    return [(row.stamp.commit_ts, row.stamp.ordinal) for row in outlet.rows]


def one(commit_ts: int, number: int, table: str = "t", partition: int | None = None) -> bytes:
    return row(table, commit_ts, {"id": str(number), "v": "x"}, partition=partition)


def behind(log: Path, count: int) -> tuple[int, int, bytes, int]:
    """What a mark says of the place behind the first `count` lines."""
    lines = log.read_bytes().split(b"\n")[:count]
    return sum(map(len, lines)) + count, count + 1, lines[-1], len(lines[-1]) + 1
