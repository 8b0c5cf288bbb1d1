"""A thousand tables and a store that takes two seconds a put: is it bounded, honest, and fair?

Bounded: memory (watched from outside) and spool stay within their limits. Honest: at every sample, all rows at or below
the checkpoint are stored with their index. Fair: when a data file becomes durable, its oldest row has waited no longer
than twice the table's share of the upload slots.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from afterbay.messages import ChangeBatch
from afterbay.node import Outlet, SinkContext, SinkOperator, SourceContext, SourceOperator
from afterbay.runtime.run import Run
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.storage.store import SMALL_OBJECT, ObjectInfo, ObjectStore, Part
from afterbay_nodes.storage.store import Seen as Version
from afterbay_nodes.transforms.spool import Spool
from benchmarks.mapped_source import MappedChanges
from benchmarks.measure import MB, Measurement, fresh
from benchmarks.rows import FIRST_TS, Shape, prepare
from benchmarks.sink import CSV, pipeline

SHAPE = Shape(1_000_000, tables=1000, batch=200)
PUT_SECONDS = 2.0
SLOTS = 128
PUTS_A_FILE = 2  # the data file and its index
QUOTA = 128 << 20


class SlowStore:
    """An ObjectStore whose puts take `PUT_SECONDS` more than the store's below. Reports each put when it is durable."""

    def __init__(self, below: ObjectStore, seen: Seen) -> None:
        self._below = below
        self._seen = seen

    @property
    def display(self) -> str:
        return self._below.display

    @property
    def late_writers(self) -> bool:
        return self._below.late_writers

    def check(self) -> None:
        self._below.check()

    def sweep(self) -> None:
        self._below.sweep()

    def put_if_absent(self, key: str, parts: Sequence[Part], size: int) -> None:
        time.sleep(PUT_SECONDS)
        self._below.put_if_absent(key, parts, size)
        if key.endswith(".csv"):
            body = b"".join(bytes(part) for part in parts)
            self._seen.data(key, _commit_ts(body[: body.index(b"\n")]), _commit_ts(body[body.rindex(b"\n", 0, -1) :]))

    def replace(self, key: str, data: bytes, previous: str | None) -> str:
        time.sleep(PUT_SECONDS)
        version = self._below.replace(key, data, previous)
        if key.endswith(".index"):
            self._seen.index(key)
        return version

    def see(self, key: str, limit: int = SMALL_OBJECT) -> Version:
        return self._below.see(key, limit)

    def get(self, key: str, limit: int = SMALL_OBJECT) -> bytes:
        return self._below.get(key, limit)

    def open_read(self, key: str) -> Iterator[memoryview]:
        return self._below.open_read(key)

    def head(self, key: str) -> ObjectInfo | None:
        return self._below.head(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self._below.list(prefix)

    def delete(self, keys: Sequence[str]) -> None:
        self._below.delete(keys)

    def close(self) -> None:
        self._below.close()


@dataclass(slots=True)
class Seen:
    """What left the source and what became durable, and when. Any thread; owns its lock."""

    sent: dict[int, list[tuple[int, float]]] = field(default_factory=dict)  # table -> (first commit-ts, monotonic)
    stored: dict[int, int] = field(default_factory=dict)  # table -> last indexed commit-ts
    ages: list[float] = field(default_factory=list)
    _last: dict[int, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def batch(self, table: int, first_ts: int) -> None:
        """A batch is about to leave the source."""
        with self._lock:
            self.sent.setdefault(table, []).append((first_ts, time.monotonic()))

    def data(self, key: str, first_ts: int, last_ts: int) -> None:
        """A data file is durable."""
        table, now = _table(key), time.monotonic()
        with self._lock:
            sent = self.sent[table]
            self.ages.append(now - sent[bisect_right(sent, (first_ts, now)) - 1][1])
            self._last[table] = last_ts

    def index(self, key: str) -> None:
        """A table's newest data file is in its index."""
        with self._lock:
            self.stored[_table(key)] = self._last[_table(key)]

    def ahead(self, checkpoint: int) -> int:
        """Tables with a row at or below `checkpoint` that is not stored: any is a lie (I1)."""
        with self._lock:
            return sum(self.stored.get(table, 0) < _last_commit(table, checkpoint) for table in range(SHAPE.tables))


class ObservedChanges(MappedChanges):
    """The mapped rows, noting when each batch leaves."""

    seen: Any = Field(exclude=True)

    def open(self, context: SourceContext) -> SourceOperator:
        return _Observed(super().open(context), self.seen)


class _Observed(SourceOperator):
    def __init__(self, below: SourceOperator, seen: Seen) -> None:
        self._below = below
        self._seen = seen

    def run(self, out: Outlet) -> None:
        self._below.run(_Outlet(out, self._seen))


class _Outlet:
    """The outlet below, with a note of each batch."""

    def __init__(self, below: Outlet, seen: Seen) -> None:
        self._below = below
        self._seen = seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)

    def batch(self, batch: ChangeBatch) -> None:
        self._seen.batch(int(batch.schema.name.table[1:]), batch.first.commit_ts)
        self._below.batch(batch)


class SlowStorage(CloudStorage):
    """`cloud_storage` over a :class:`SlowStore`."""

    seen: Any = Field(exclude=True)

    def open(self, context: SinkContext) -> SinkOperator[Any]:
        from afterbay_nodes.sinks import storage_sink

        plain = storage_sink.open_store
        storage_sink.open_store = lambda *given, **named: SlowStore(plain(*given, **named), self.seen)
        try:
            return super().open(context)
        finally:
            storage_sink.open_store = plain


@dataclass(slots=True)
class _Peaks:
    """The worst that was seen while it ran."""

    spool: int = 0
    disk: int = 0
    samples: int = 0
    lies: int = 0


def measure(work: Path) -> list[Measurement]:
    """Runs it once, sampling the spool and the checkpoint."""
    mapped = prepare(work, SHAPE)
    seen, peaks = Seen(), _Peaks()
    folder = fresh(work / "ours")
    source = ObservedChanges(seen=seen, **MappedChanges.of(mapped).model_dump())
    lake = SlowStorage(uri=str(folder / "lake"), upload_concurrency=SLOTS, seen=seen)
    made = pipeline(folder, source, CSV, Spool(disk_quota=QUOTA), lake)
    start = time.perf_counter()
    run = made.start(until="end")
    while (report := run.wait(0.1)) is None:
        _sample(run, seen, peaks, folder)
    _sample(run, seen, peaks, folder)
    seconds = time.perf_counter() - start
    fair = 2 * SHAPE.tables / SLOTS * PUTS_A_FILE * PUT_SECONDS
    oldest = max(seen.ages)
    verdict = [
        (report.rows_stored == SHAPE.rows, "rows were lost"),
        (peaks.lies == 0, "the checkpoint was ahead of the store"),
        (max(peaks.spool, peaks.disk) <= QUOTA, "the spool passed its quota"),
        (oldest <= fair, "a table was starved"),
    ]
    figures: dict[str, float | str] = {
        "spool peak MB": round(peaks.spool / MB, 1),
        "segment files peak MB": round(peaks.disk / MB, 1),
        "quota MB": round(QUOTA / MB, 1),
        "oldest row s": round(oldest, 1),
        "twice the share s": fair,
        "files": report.files,
        "checkpoint samples": peaks.samples,
        "verdict": ", ".join(text for good, text in verdict if not good) or "bounded, honest, fair",
    }
    name = f"{SHAPE.tables} tables, {PUT_SECONDS:g} s a put, {SLOTS} slots"
    target = "<= 600 MB, disk <= quota, honest, none starved"
    return [Measurement(name, SHAPE.rows, (seconds,), target, figures=figures)]


def alone(work: Path) -> None:
    """The same, for the peak of its memory."""
    measure(work)


def _sample(run: Run, seen: Seen, peaks: _Peaks, folder: Path) -> None:
    checkpoint = max((point.commit_ts for point in run.checkpoints().values()), default=0)
    peaks.lies += seen.ahead(checkpoint)
    peaks.samples += 1
    for levels in run.telemetry.spools().values():
        peaks.spool = max(peaks.spool, levels.memory + levels.disk)
    peaks.disk = max(peaks.disk, _disk(folder / "state"))


def _disk(folder: Path) -> int:
    """Bytes in the spool's segment files."""
    total = 0
    for path in folder.rglob("segment-*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue  # released between the listing and the look
    return total


def _commit_ts(line: bytes) -> int:
    return int(line.split(b",", 4)[3])


def _table(key: str) -> int:
    return int(key.split("/")[1][1:])


def _last_commit(table: int, at_most: int) -> int:
    """The last commit-ts of `table` at or below `at_most`; 0 if it has none."""
    commits = SHAPE.rows // SHAPE.tables // SHAPE.transaction
    number = min((at_most - FIRST_TS - 1 - table) // SHAPE.tables, commits - 1)
    return 0 if number < 0 else FIRST_TS + 1 + number * SHAPE.tables + table
