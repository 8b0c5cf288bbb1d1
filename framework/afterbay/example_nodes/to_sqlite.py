"""`to_sqlite`: a sink that keeps changes in a SQLite database, each once."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from afterbay import (
    Capabilities,
    ChangeBatch,
    Credit,
    Op,
    SchemaChange,
    ShardOperator,
    Sink,
    SinkContext,
    SinkOperator,
    Token,
)
from afterbay.schema import Json
from afterbay.telemetry import NodeMeter

TABLES = """
create table if not exists changes (
  tbl text, commit_ts text, ordinal integer, op text, row text, primary key (tbl, commit_ts, ordinal)) without rowid;
create table if not exists ddls (commit_ts text, query text, primary key (commit_ts, query)) without rowid;
"""


class ToSqlite(Sink[ChangeBatch]):
    """Keeps every change as a row of the table `changes`, every DDL in `ddls`. Small stores only: it writes at once."""

    type_name: ClassVar[str] = "to_sqlite"
    summary: ClassVar[str] = "changes as rows of a SQLite database"
    capabilities: ClassVar[Capabilities] = Capabilities(settles=True)

    path: Annotated[Path, Field(description="the database's file")]

    def identity(self) -> Mapping[str, Json]:
        """A state belongs to the database that it has filled."""
        return {"path": str(self.path)}

    def exclusive_root(self) -> str | None:
        """Two sinks do not share a database."""
        return str(self.path.resolve())

    def open(self, context: SinkContext) -> SinkOperator[ChangeBatch]:
        """Opens the database, or makes it."""
        return _Database(self.path, context.meter)


class _Database(SinkOperator[ChangeBatch]):
    """Owns the connection, and the lock that everything which writes takes."""

    def __init__(self, path: Path, meter: NodeMeter) -> None:
        self.meter = meter
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.execute("pragma synchronous = full")
        self._connection.executescript(TABLES)

    def open_shard(self, index: int, wake: Callable[[], None]) -> ShardOperator[ChangeBatch]:
        return _Shard(self)

    def write_schema(self, change: SchemaChange) -> None:
        """Keeps a DDL, durably. One that comes again after a restart changes nothing."""
        with self._lock, self._connection:
            self._connection.execute(
                "insert or ignore into ddls values (?, ?)", (f"{change.commit_ts:020}", change.query)
            )

    def write(self, batch: ChangeBatch) -> None:
        """Keeps the changes, durably. After a restart some come again, cut otherwise: the key recognises them (I6)."""
        rows = [
            (str(batch.schema.name), f"{commit_ts:020}", ordinal, Op(op).name, json.dumps(row, default=bytes.hex))
            for commit_ts, ordinal, op, row in zip(
                batch.commit_ts.to_pylist(),
                batch.ordinals.to_pylist(),
                batch.ops.to_pylist(),
                batch.rows.to_pylist(),
                strict=True,
            )
        ]
        with self._lock, self._connection:
            self._connection.executemany("insert or ignore into changes values (?, ?, ?, ?, ?)", rows)

    def close(self) -> None:
        self._connection.close()


class _Shard(ShardOperator[ChangeBatch]):
    """Writes what comes before it takes the next: nothing is ever pending."""

    def __init__(self, database: _Database) -> None:
        self._database = database

    def accept(self, item: ChangeBatch, token: Token, credit: Credit | None) -> None:
        self._database.write(item)
        self._database.meter.passed(item.num_rows, item.nbytes)
        if credit is not None:
            credit.give_back()
        token.settle()  # only now: the checkpoint may pass it from here on (I1)

    def schema_change(self, change: SchemaChange, token: Token) -> None:
        self._database.write_schema(change)
        token.settle()

    def drain(self, partition: str, close: bool) -> None:
        """Nothing waits here."""

    def drained(self, partition: str) -> bool:
        return True

    def tick(self) -> float | None:
        return None


def stored(path: Path) -> list[dict[str, Any]]:
    """What a database holds, in the order of tables and commits. For tests."""
    query = "select tbl, commit_ts, ordinal, op, row from changes order by tbl, commit_ts, ordinal"
    if not path.exists():
        return []
    connection = sqlite3.connect(path)
    try:
        found = connection.execute(query).fetchall()
    finally:
        connection.close()
    return [
        {"table": table, "commit_ts": int(ts), "ordinal": ordinal, "op": op, "row": json.loads(row)}
        for table, ts, ordinal, op, row in found
    ]
