"""Cleanup in a whole pipeline: a clock far ahead, a flush at the same time, a restart with the clock set back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from afterbay.compile.plan import Plan
from afterbay.errors import RunFailed
from afterbay.node import Outlet
from afterbay.runtime.report import RunReport
from afterbay.runtime.run import start
from afterbay.state.status import read_status
from afterbay.telemetry import Telemetry
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.transforms.spool import Spool
from tests.reader.bucket import read_bucket
from tests.reader.csv_rows import CsvDialect
from tests.reader.paths import StoreShape
from tests.sinks.test_storage_sink import Lake
from tests.support import faulty_store
from tests.support.clock import LeapClock
from tests.support.flow import SCRIPTS, Event, Promise, Rows, Scripted, plan

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)
EVERY_SECOND = "* * * * * *"


def tso(moment: datetime) -> int:
    return int(moment.timestamp() * 1000) << 18


def at(name: str, moment: datetime, count: int = 3, version: int = 0) -> Rows:
    return Rows(name, tuple((tso(moment) + n, 0) for n in range(count)), version)


class Basin(Lake):
    """A lake whose files expire after three days."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.clock = LeapClock(NOON)
        self.telemetry = Telemetry("test")
        self.options = {
            "shards": 2,
            "flush_interval": "100ms",
            "file_expiration_days": 3,
            "file_cleanup_cron_spec": EVERY_SECOND,
            "time_zone": "UTC",
        }

    def play(self, *events: Event) -> RunReport:
        SCRIPTS["s"] = {"": events}
        self.telemetry = Telemetry("test")
        report = start(self.plan(), clock=self.clock, telemetry=self.telemetry).wait(120)
        assert report is not None
        return report

    def days(self, table: str, version: int = 0) -> list[str]:
        try:
            names = [path.name for path in (self.root / "s" / table / str(version)).iterdir()]
        except FileNotFoundError:  # not there yet, or not any more: a cleanup takes the empty folder as well
            return []
        return sorted(name for name in names if name.startswith("20"))

    def until(self, true: Callable[[], bool]) -> Callable[[Outlet], None]:
        def wait(out: Outlet) -> None:
            while not true():
                out.wait(0.01)

        return wait

    def indexed_on(self, table: str, day: str) -> Callable[[Outlet], None]:
        index = self.root / "s" / table / "0" / day / "meta" / "CDC.index"
        return self.until(index.exists)

    def leap(self, days: int) -> Callable[[Outlet], None]:
        return lambda _: self.clock.leap(timedelta(days=days))

    def closed(self) -> bool:
        """The state knows of a day below which files go."""
        database = f"{(self.folder / 'state' / 'checkpoint.db').as_uri()}?mode=ro"
        with closing(sqlite3.connect(database, uri=True)) as connection:
            (day,) = connection.execute("select cleaned_before from sinks where sink = 'lake'").fetchone()
        return str(day) > "2024-05-17"

    def cleanups(self, result: str) -> int:
        return self.telemetry.node("lake").totals.cleanups[result]


@pytest.fixture
def basin(tmp_path: Path) -> Basin:
    SCRIPTS.clear()
    return Basin(tmp_path)


def later(days: int) -> datetime:
    return NOON + timedelta(days=days)


def test_files_expire_while_the_pipeline_goes_on_and_numbers_start_anew_in_new_days(basin: Basin) -> None:
    report = basin.play(
        at("a", NOON),
        at("2024-01-02", NOON),
        Promise(tso(NOON) + 9),
        basin.indexed_on("a", "2024-05-17"),
        basin.indexed_on("2024-01-02", "2024-05-17"),
        basin.leap(10),
        at("b", later(10)),
        Promise(tso(later(10)) + 9),
        basin.until(lambda: basin.days("a") + basin.days("2024-01-02") == []),
        at("a", later(10) + timedelta(minutes=1)),
        Promise(tso(later(10) + timedelta(minutes=1)) + 9),
    )
    assert report.rows_stored == 12
    assert basin.days("a") == basin.days("b") == ["2024-05-27"]
    assert basin.stored("s/a/0/2024-05-27") == [tso(later(10) + timedelta(minutes=1)) + n for n in range(3)]
    assert basin.files("s/a/0/2024-05-27") == ["CDC00000000000000000001.csv"]
    for table in ("a", "b", "2024-01-02"):
        assert len(list((basin.root / "s" / table / "meta").glob("schema_0_*.json"))) == 1
    totals = basin.telemetry.node("lake").totals
    assert (totals.files_removed, totals.bytes_removed > 0) == (2, True)
    assert totals.cleanups["done"] >= 1
    seen = read_bucket(basin.root, StoreShape("csv"), CsvDialect(commit_ts=True))
    assert seen.findings == ()
    assert {table: len(seen.rows("s", table)) for _, table in seen.tables} == {"a": 3, "b": 3, "2024-01-02": 0}


def test_a_restart_with_the_clock_set_back_writes_to_no_removed_day(basin: Basin) -> None:
    first = [
        at("a", NOON),
        Promise(tso(NOON) + 9),
        basin.indexed_on("a", "2024-05-17"),
        basin.leap(10),
        at("b", later(10)),
        Promise(tso(later(10)) + 9),
        basin.until(lambda: basin.days("a") == []),
    ]
    basin.play(*first)
    basin.clock.leap(timedelta(days=-10))

    # The clock says 05-17 again, where file 1 of `a` was. Its number is not used twice, nor is its folder there again.
    basin.play(*first, at("a", later(11)), at("c", later(11)), Promise(tso(later(11)) + 9))

    assert basin.days("a") == basin.days("c") == ["2024-05-24"]
    assert basin.stored("s/a/0/2024-05-24") == [tso(later(11)) + n for n in range(3)]
    assert basin.days("b") == ["2024-05-27"], "a directory's own date does not go back either"


def test_the_last_day_of_a_table_goes_while_its_next_one_is_flushed(basin: Basin) -> None:
    """Sixteen tables, each of whose folders is emptied at the moment in which it gets its new day."""
    tables = [f"t{n}" for n in range(16)]
    report = basin.play(
        *(at(table, NOON) for table in tables),
        Promise(tso(NOON) + 9),
        *(basin.indexed_on(table, "2024-05-17") for table in tables),
        basin.leap(10),
        at("clock", later(10)),
        Promise(tso(later(10)) + 9),
        *(at(table, later(10) + timedelta(seconds=n)) for n, table in enumerate(tables, 1)),
        Promise(tso(later(10) + timedelta(minutes=1))),
        basin.until(lambda: all(basin.days(table) == ["2024-05-27"] for table in tables)),
    )
    assert report.rows_stored == 3 * 16 * 2 + 3
    for n, table in enumerate(tables, 1):
        assert basin.stored(f"s/{table}/0/2024-05-27") == [tso(later(10) + timedelta(seconds=n)) + k for k in range(3)]


def test_a_store_that_refuses_to_delete_fails_no_pipeline(basin: Basin, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[str] = []

    def refuse(call: str, key: str, when: str) -> None:
        if (call, when) == ("delete", "before") and len(refused) < 2:
            refused.append(key)
            raise RunFailed("store.refused", "no right to delete")

    faulty_store.install(monkeypatch, refuse)
    report = basin.play(
        at("a", NOON),
        Promise(tso(NOON) + 9),
        basin.indexed_on("a", "2024-05-17"),
        basin.leap(10),
        at("b", later(10)),
        Promise(tso(later(10)) + 9),
        basin.until(lambda: basin.days("a") == []),
    )
    assert report.outcome == "completed"
    assert basin.cleanups("failed") == 2
    assert basin.cleanups("done") >= 1


@pytest.mark.parametrize("restarted", [False, True])
def test_rows_above_the_checkpoint_are_kept_however_old_their_day_is(
    basin: Basin, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    """The machine's clock was behind the source's: the day in the path is old, the rows in it are not."""
    checkpoints: list[int] = []

    def look(call: str, key: str, when: str) -> None:
        if (call, when) == ("delete", "before"):
            checkpoints.append(basin.reached())

    faulty_store.install(monkeypatch, look)
    stored = [Promise(tso(later(19))), at("a", later(20)), basin.indexed_on("a", "2024-05-17")]
    if restarted:
        basin.play(*stored)
    basin.play(
        *stored,
        basin.leap(20),
        basin.until(basin.closed),  # a run has begun; it waits for the checkpoint
        Promise(tso(later(20)) + 9),
        basin.until(lambda: basin.days("a") == []),
    )
    assert checkpoints
    assert min(checkpoints) >= tso(later(20)) + 2


def test_a_pipeline_that_ends_or_is_cancelled_does_not_wait_for_the_schedule(basin: Basin) -> None:
    basin.options["file_cleanup_cron_spec"] = "0 0 0 1 1 *"
    assert basin.play(at("a", NOON), Promise(tso(NOON) + 9)).outcome == "completed"

    SCRIPTS["s"] = {"": [Promise(tso(NOON) + 9), basin.until(lambda: False)]}
    run = start(basin.plan(), clock=basin.clock)
    run.cancel()
    report = run.wait(60)
    assert report is not None
    assert report.outcome == "cancelled"


def test_two_partitions_of_a_source_wait_for_the_later_one(basin: Basin) -> None:
    """The lowest checkpoint says which day it is."""

    def two(events: Sequence[Event]) -> Plan:
        SCRIPTS["s"] = {"one": events, "two": [Promise(tso(later(2)))]}
        return plan(
            basin.folder / "state",
            ("log", Scripted(script="s"), ()),
            ("csv", EncodeCsv(include_commit_ts=True), ("log",)),
            ("spool", Spool(), ("csv",)),
            ("lake", CloudStorage(uri=str(basin.root), **basin.options), ("spool",)),  # type: ignore[arg-type]
        )

    telemetry = Telemetry("test")
    done = telemetry.node("lake").totals.cleanups
    events: list[Event] = [
        at("a", NOON),
        Promise(tso(NOON) + 9),
        basin.indexed_on("a", "2024-05-17"),
        basin.leap(10),
        Promise(tso(later(10))),
        basin.until(lambda: done["done"] >= 2),
    ]
    report = start(two(events), clock=basin.clock, telemetry=telemetry).wait(60)
    assert report is not None
    assert basin.days("a") == ["2024-05-17"]
    assert read_status(basin.folder / "state").checkpoints.keys() == {"log/one", "log/two"}
