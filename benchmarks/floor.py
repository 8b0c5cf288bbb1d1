"""The floors: what a good engineer's thin script takes for the same bytes, without any guarantee beyond fsync."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.csv as pacsv

from benchmarks.rows import ROW_SCHEMA, SCHEMA, Mapped, TableBatch, table_schema

OPS = pa.array(["I", "U", "D"])
CSV = pacsv.WriteOptions(include_header=False, quoting_style="needed", eol="\r\n", null_string="\\N")
STORED = pa.schema(
    [
        pa.field("op", pa.string()),
        pa.field("table", pa.string()),
        pa.field("schema", pa.string()),
        pa.field("commit_ts", pa.uint64()),
        *ROW_SCHEMA,
    ]
)


class Log:
    """The script's checkpoint: one row a file, committed with synchronous FULL. Owns its connection and lock."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE file (path TEXT PRIMARY KEY, bytes INTEGER, commit_ts INTEGER)")

    def add(self, path: str, size: int, commit_ts: int) -> None:
        """One durable row."""
        with self._lock:
            self._db.execute("INSERT INTO file VALUES (?, ?, ?)", (path, size, commit_ts))

    def close(self) -> None:
        self._db.close()


@dataclass(slots=True)
class TableFile:
    """One table's open file, and its number. Used by one thread."""

    folder: Path
    log: Log
    limit: int
    number: int = 0
    size: int = 0
    last_ts: int = 0
    fd: int = field(default=-1)

    def write(self, body: pa.Buffer | bytes, last_ts: int) -> None:
        if self.fd < 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.number += 1
            self.fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self.size += os.write(self.fd, body)
        self.last_ts = last_ts
        if self.size >= self.limit:
            self.finish()

    def finish(self) -> None:
        if self.fd >= 0:
            os.fsync(self.fd)
            os.close(self.fd)
            self.log.add(str(self._path), self.size, self.last_ts)
            self.fd, self.size = -1, 0

    @property
    def _path(self) -> Path:
        return self.folder / f"{self.number:06d}.csv"


def stored_columns(batch: TableBatch) -> pa.RecordBatch:
    """A batch with the columns that a stored row has before its own: op, table, schema, commit-ts."""
    n = batch.rows.num_rows
    table = pa.repeat(pa.scalar(table_schema(batch.table).name.table), n)
    columns = [OPS.take(batch.ops), table, pa.repeat(pa.scalar(SCHEMA), n), batch.commit_ts, *batch.rows.columns]
    return pa.RecordBatch.from_arrays(columns, schema=STORED)


def csv(batch: TableBatch) -> pa.Buffer:
    """A batch as CSV, by the bare library."""
    out = pa.BufferOutputStream()
    pacsv.write_csv(stored_columns(batch), out, CSV)
    return out.getvalue()


_JSON = msgspec.json.Encoder()
_SQL_TYPES = {"id": 4, "k": 4, "c": 12, "pad": 12}
_MYSQL_TYPES = {"id": "int", "k": "int", "c": "varchar", "pad": "varchar"}
_KINDS = ("INSERT", "UPDATE", "DELETE")


def canal_json(batch: TableBatch) -> bytes:
    """A batch as canal-json, one msgspec call a row."""
    head = {"id": 0, "database": SCHEMA, "table": table_schema(batch.table).name.table, "pkNames": ["id"]}
    names = ROW_SCHEMA.names
    columns = [column.cast(pa.string()).to_pylist() for column in batch.rows.columns]
    before = [column.cast(pa.string()).to_pylist() for column in batch.before.columns]
    lines: list[bytes] = []
    for op, ts, now, then in zip(
        batch.ops.to_pylist(),
        batch.commit_ts.to_pylist(),
        zip(*columns, strict=True),
        zip(*before, strict=True),
        strict=True,
    ):
        row = {**head, "isDdl": False, "type": _KINDS[op], "es": ts >> 18, "ts": ts >> 18, "sql": ""}
        row |= {"sqlType": _SQL_TYPES, "mysqlType": _MYSQL_TYPES}
        row |= {"old": [dict(zip(names, then, strict=True))] if op == 1 else None}
        row |= {"data": [dict(zip(names, now, strict=True))], "_tidb": {"commitTs": ts}}
        lines.append(_JSON.encode(row))
    lines.append(b"")
    return b"\r\n".join(lines)


def write_files(
    source: Mapped, root: Path, encode: Callable[[TableBatch], pa.Buffer | bytes], threads: int, limit: int = 8 << 20
) -> int:
    """The whole thin script: each thread takes its share of the tables. Returns the number of files."""
    root.mkdir(parents=True)
    log = Log(root / "log.db")

    def work(share: int) -> int:
        files: dict[int, TableFile] = {}
        for batch in source.batches():
            if batch.table % threads == share:
                if batch.table not in files:
                    folder = root / SCHEMA / table_schema(batch.table).name.table
                    files[batch.table] = TableFile(folder, log, limit)
                files[batch.table].write(encode(batch), batch.commit_ts[-1].as_py())
        for file in files.values():
            file.finish()
        return sum(file.number for file in files.values())

    with ThreadPoolExecutor(threads) as pool:
        written = sum(pool.map(work, range(threads)))
    log.close()
    return written
