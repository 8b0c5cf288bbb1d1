"""What went wrong inside such systems (protocol §11): 5–11 and 16, each named for its failure."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from afterbay.clock import SystemClock
from afterbay.errors import RunFailed
from afterbay.messages import SpoolEntry
from afterbay.node import Outlet
from afterbay.runtime import assembly
from afterbay.runtime.run import start
from afterbay.spool.budget import Budget, Placement
from afterbay.spool.spool import Reservoir
from afterbay_nodes.sinks.shard import StorageShard
from afterbay_nodes.transforms.spool import Spool
from tests.reader.bucket import read_bucket
from tests.reader.csv_rows import CsvDialect
from tests.reader.paths import StoreShape
from tests.sinks.test_storage_sink import Lake, rows
from tests.support import faulty_store
from tests.support.canal import ddl, row, watermark
from tests.support.clock import ManualClock
from tests.support.flow import SCRIPTS, Event, Promise, Rows
from tests.support.road import Road, small_batches

CREATE = "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(99))"
MIB = 1 << 20


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    SCRIPTS.clear()
    return Lake(tmp_path)


class Dam:
    """A store that takes no data until `open` is set."""

    def __init__(self) -> None:
        self.open = threading.Event()

    def __call__(self, call: str, key: str, when: str) -> None:
        if call == "put_if_absent" and key.endswith(".csv") and when == "before":
            assert self.open.wait(60)


def test_05_the_source_is_woken_only_after_the_remote_flush(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store takes nothing; the source sends ten times what it may have under way, to its end."""
    monkeypatch.setattr(assembly, "CREDIT_WINDOW", 4096)
    dam, sent_all = Dam(), threading.Event()
    faulty_store.install(monkeypatch, dam)
    events: list[Event] = [rows("a", 20 * n + 1, 20 * n + 20) for n in range(100)]
    SCRIPTS["s"] = {"": [*events, lambda out: sent_all.set(), Promise(2001)]}

    run = start(lake.plan())
    try:
        assert sent_all.wait(20), "the source waits for the store"
        assert lake.reached() == 0, "and yet nothing counts as stored"
    finally:
        dam.open.set()
        run.wait(60)
    assert lake.stored("s/a/0") == list(range(1, 2001))


def test_06_events_are_held_by_callbacks_while_a_thousand_tables_wait_for_a_slow_store(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20 MiB of files wait for the store; what the spool keeps in memory stays within its 8 MiB, and so does Arrow."""
    dam, sent_all = Dam(), threading.Event()
    faulty_store.install(monkeypatch, dam)
    lake.spool.update(disk_quota="256MiB", memory="8MiB", segment="8MiB")
    lake.options["flush_interval"] = "10m"
    at = tuple((ts, 0) for ts in range(10**9, 10**9 + 600))
    events: list[Event] = [Rows(f"t{n}", at) for n in range(1000)]
    SCRIPTS["s"] = {"": [*events, lambda out: sent_all.set(), Promise(2 * 10**9)]}
    before = pa.total_allocated_bytes()

    run = start(lake.plan())
    try:
        assert sent_all.wait(60)
        until(lambda: run.telemetry.spools()["spool"].entries == 1000)
        levels, arrow = run.telemetry.spools()["spool"], pa.total_allocated_bytes() - before
    finally:
        dam.open.set()
        report = run.wait(120)
    assert report is not None
    assert report.rows_stored == 600_000
    assert levels.disk > 10 * MIB
    assert levels.memory <= 8 * MIB
    assert arrow < 10 * MIB


def test_07_the_memory_of_the_spool_is_a_share_of_a_large_quota() -> None:
    """Of the default 10 GiB a fifth would be 2 GiB of heap: no more than 256 MiB are taken."""
    limits = Spool().limits
    budget = Budget(limits, SystemClock())
    placed = [budget.admit(MIB, MIB).placement for _ in range(1024)]

    assert limits.quota == 10 << 30
    assert budget.usage().heap <= 256 * MIB
    assert placed.count(Placement.MEMORY) >= 150
    assert set(placed[256:]) == {Placement.SEGMENT}


def test_08_one_spool_entry_a_row_and_one_read_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries: list[SpoolEntry] = []
    reads: list[SpoolEntry] = []
    put, read = Reservoir.put, Reservoir.read

    def noted_put(self: Reservoir, batch: object) -> object:
        entry = put(self, batch)  # type: ignore[arg-type]
        entries.append(entry)
        return entry

    def noted_read(self: Reservoir, entry: object) -> object:
        reads.append(entry)  # type: ignore[arg-type]
        return read(self, entry)  # type: ignore[arg-type]

    monkeypatch.setattr(Reservoir, "put", noted_put)
    monkeypatch.setattr(Reservoir, "read", noted_read)
    road = Road(tmp_path, spool={"memory": "4KiB", "disk_quota": "64MiB"})
    lines = [row("t", 10 + n, {"id": str(n), "v": "x" * 60}) for n in range(5000)]

    report = road.run(ddl(5, CREATE), *lines, watermark(6000))

    assert report.rows_stored == 5000
    assert len(reads) == len(entries) <= 10


def test_09_a_local_clock_step_makes_dates_jump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody turns the wall clock back by a day behind each file: all files stay in the newest date."""
    small_batches(monkeypatch)
    clock = ManualClock()
    road = Road(tmp_path, {"file_size": "1KiB", "time_zone": "UTC", "upload_concurrency": 1}, clock=clock)

    def steps_back(call: str, key: str, when: str) -> None:
        if call == "replace" and key.endswith(".index") and when == "after":
            clock.step(-24 * 3600)

    faulty_store.install(monkeypatch, steps_back)
    lines = [row("t", 10 + n, {"id": str(n), "v": "x" * 60}) for n in range(100)]

    assert road.run(ddl(5, CREATE), *lines, watermark(1000)).files > 3
    assert road.directories() == ["shop/t/5/2026-01-01"]


class Look:
    """Counts a table's rows below `at` that a reader sees when the schema file of the DDL at `at` becomes visible."""

    def __init__(self, road: Road, table: str, at: int) -> None:
        self.road, self.table, self.at = road, table, at
        self.seen: list[int] = []

    def __call__(self, call: str, key: str, when: str) -> None:
        if call == "put_if_absent" and f"schema_{self.at}_" in key and when == "before":
            bucket = read_bucket(self.road.lake, StoreShape("csv", date="none"), CsvDialect(commit_ts=True))
            found = bucket.rows("shop", self.table)
            self.seen.append(sum(1 for one in found if (one.commit_ts or 0) < self.at))


@pytest.mark.parametrize(
    "sql",
    ["ALTER TABLE t ADD COLUMN w INT", "TRUNCATE TABLE t", "DROP TABLE t", "SOMETHING UNKNOWN"],
    ids=["in band", "graph-wide", "graph-wide, and the table gone", "graph-wide, for a database"],
)
def test_10_old_version_rows_are_applied_after_the_ddl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    road = Road(tmp_path, {"date_separator": "none", "flush_interval": "10m"})
    look = Look(road, "t", 500)
    faulty_store.install(monkeypatch, look)
    lines = [row("t", 100 + n, {"id": str(n), "v": "x"}) for n in range(50)]

    road.run(ddl(5, CREATE), *lines, ddl(500, sql), watermark(900))

    assert look.seen == [50]


def test_11_an_interval_tick_sweeps_fresh_batches_into_tiny_files(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Table a has waited its 5 s when b has waited 2: only a is flushed, and b goes at the end."""
    clock = ManualClock()
    accepted = threading.Semaphore(0)
    flushed: list[str] = []
    due = threading.Event()
    accept = StorageShard.accept

    def noted(self: StorageShard, *given: object) -> None:
        accept(self, *given)  # type: ignore[arg-type]
        accepted.release()

    def indexed(call: str, key: str, when: str) -> None:
        if call == "replace" and key.endswith(".index") and when == "after":
            flushed.append(key.split("/")[1])
            due.set()

    def passes(seconds: float, after_an_entry: bool) -> Event:
        def turn(out: Outlet) -> None:
            assert not after_an_entry or accepted.acquire(timeout=20)
            clock.advance(seconds)

        return turn

    def wait_for_a(out: Outlet) -> None:
        assert due.wait(20)

    monkeypatch.setattr(StorageShard, "accept", noted)
    faulty_store.install(monkeypatch, indexed)
    lake.options["flush_interval"] = "5s"
    events = [rows("a", 1, 3), passes(3, True), rows("b", 4, 6), passes(2, True), wait_for_a, Promise(6)]
    SCRIPTS["s"] = {"": events}

    run = start(lake.plan(), clock=clock)
    assert due.wait(20)
    report = run.wait(20)

    assert report is not None
    assert flushed == ["a", "b"]
    assert report.flushes == {"interval": 1, "close": 1}


class Crash(Exception):
    """Stands for the end of the process at that point."""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    "part", ["shop/t/5/CDC", "shop/t2/meta/schema_500_", "shop/t2/500/CDC", "t2/500/meta/CDC.index"]
)
def test_16_a_rename_and_the_old_names_rows_are_replayed_in_the_wrong_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, moment: str
) -> None:
    """It dies at each step around the rename and starts again: all rows of the old name are visible before the rename
    is, and each row is under the name that it had, once.
    """
    road = Road(tmp_path, {"date_separator": "none", "flush_interval": "10m"})
    old = [row("t", 100 + n, {"id": str(n), "v": "old"}) for n in range(20)]
    new = [row("t2", 600 + n, {"id": str(n), "v": "new"}) for n in range(20)]
    lines = [ddl(5, CREATE), *old, ddl(500, "RENAME TABLE t TO t2"), *new, watermark(900)]
    look = Look(road, "t", 500)

    def dies(call: str, key: str, when: str) -> None:
        look(call, key, when)
        if part in key and when == moment:
            raise Crash(key)

    with monkeypatch.context() as faults:
        faulty_store.install(faults, dies)
        with pytest.raises((RunFailed, ExceptionGroup)):
            road.run(*lines)
    with monkeypatch.context() as faults:
        faulty_store.install(faults, look)
        road.run(*lines)

    assert look.seen
    assert set(look.seen) == {20}
    bucket = road.read(date="none")
    assert [found.values for found in bucket.rows("shop", "t")] == [(str(n), "old") for n in range(20)]
    assert [found.values for found in bucket.rows("shop", "t2")] == [(str(n), "new") for n in range(20)]


def until(holds: Callable[[], bool]) -> None:
    """Waits, at most 20 s, until it holds."""
    turn = threading.Event()
    for _ in range(2000):
        if holds():
            return
        turn.wait(0.01)
    raise AssertionError("it never held")
