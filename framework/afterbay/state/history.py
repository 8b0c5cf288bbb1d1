"""Schema history: which schema of a table is in force at a checkpoint.

Rows are (partition, dispatcher, commit-ts, schema or null for dropped). At or below the checkpoint only the newest of
a dispatcher matters; what is above it comes again, because the source sends everything above its resume point.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from afterbay.errors import Place, RunFailed
from afterbay.positions import ResumePoint
from afterbay.schema import TableSchema
from afterbay.state.codec import encode_commit_ts


@dataclass(frozen=True, slots=True)
class SchemaRecord:
    """A schema of `dispatcher` from `commit_ts` on, as JSON text; None: dropped there."""

    partition: str
    dispatcher: str
    commit_ts: int
    schema: str | None


class SchemaHistory:
    """The table `schemas`. Runs inside the owner's transaction, on the owner's thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._unpruned: dict[str, list[tuple[int, str]]] = {}  # per partition a heap of what this run recorded

    def record(self, record: SchemaRecord, checkpoint: ResumePoint | None) -> None:
        """Adds a row. Above the checkpoint a replay may bring other content, which wins.

        At or below it, the same content again changes nothing and other content raises RunFailed (`state.schema`):
        files of that version are stored.
        """
        key = (record.partition, record.dispatcher, encode_commit_ts(record.commit_ts))
        row = self._connection.execute(
            "select schema from schemas where partition = ? and dispatcher = ? and commit_ts = ?", key
        ).fetchone()
        if row is not None and row[0] == record.schema:
            return
        if row is not None and checkpoint is not None and record.commit_ts <= checkpoint.commit_ts:
            raise RunFailed(
                "state.schema",
                f"another schema came for {record.commit_ts}, which is stored already (I3)",
                place=Place(table=record.dispatcher, position=str(record.commit_ts)),
                hint="the source gave two schemas one version",
            )
        self._connection.execute(
            "insert or replace into schemas (partition, dispatcher, commit_ts, schema) values (?, ?, ?, ?)",
            (*key, record.schema),
        )
        heapq.heappush(self._unpruned.setdefault(record.partition, []), (record.commit_ts, record.dispatcher))

    def prune(self, partition: str, checkpoint: ResumePoint) -> None:
        """Removes what the rows that the checkpoint has reached stand in for, and drops of tables (I8)."""
        waiting = self._unpruned.get(partition, [])
        reached: list[tuple[str, str, str, str]] = []
        while waiting and waiting[0][0] <= checkpoint.commit_ts:
            commit_ts, dispatcher = heapq.heappop(waiting)
            at = encode_commit_ts(commit_ts)
            reached.append((partition, dispatcher, at, at))
        self._connection.executemany(
            "delete from schemas where partition = ? and dispatcher = ? "
            "and (commit_ts < ? or (commit_ts = ? and schema is null))",
            reached,
        )

    def keep_in_force(self, checkpoints: Mapping[str, ResumePoint]) -> None:
        """For a start: removes rows above their partition's checkpoint, which the source sends anew."""
        self._connection.execute("delete from schemas where partition not in (select partition from checkpoints)")
        self._connection.executemany(
            "delete from schemas where partition = ? and commit_ts > ?",
            [(partition, encode_commit_ts(point.commit_ts)) for partition, point in checkpoints.items()],
        )

    def in_force(self) -> dict[str, dict[str, TableSchema]]:
        """Partition -> dispatcher -> the newest schema of those that `keep_in_force` left; dropped ones left out."""
        found: dict[str, dict[str, TableSchema]] = {}
        rows = self._connection.execute(
            "select partition, dispatcher, max(commit_ts), schema from schemas group by partition, dispatcher"
        )
        for partition, dispatcher, _, schema in rows:
            if schema is not None:
                found.setdefault(partition, {})[dispatcher] = TableSchema.from_json(schema)
        return found
