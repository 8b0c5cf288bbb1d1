"""The cloud storage sink at work on a folder: what lands, in which order, and after a crash at each step (I1-I6)."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from afterbay.compile.plan import Plan
from afterbay.errors import EnvironmentRefused, RunFailed
from afterbay.node import Outlet
from afterbay.runtime.report import RunReport
from afterbay.runtime.run import start
from afterbay.state.status import read_status
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.sinks.storage_sink import CheckpointWriter
from afterbay_nodes.storage.local import LocalStore
from afterbay_nodes.transforms.spool import Spool
from tests.support import faulty_store
from tests.support.flow import SCRIPTS, Alter, Event, Promise, Rows, Scripted, plan


def rows(name: str, first: int, last: int, version: int = 0) -> Rows:
    return Rows(name, tuple((ts, 0) for ts in range(first, last + 1)), version)


class Lake:
    """A root, a state, and the pipeline between a script and them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "lake"
        self.options: dict[str, object] = {"date_separator": "none", "shards": 4}
        self.spool: dict[str, object] = {}

    def plan(self) -> Plan:
        return plan(
            self.folder / "state",
            ("log", Scripted(script="s"), ()),
            ("csv", EncodeCsv(include_commit_ts=True), ("log",)),
            ("spool", Spool(**self.spool), ("csv",)),  # type: ignore[arg-type]
            ("lake", CloudStorage(uri=str(self.root), **self.options), ("spool",)),  # type: ignore[arg-type]
            parallelism={"csv": 2},
        )

    def run(self, *events: Event, adopt: bool = False) -> RunReport:
        SCRIPTS["s"] = {"": events}
        report = start(self.plan(), adopt=adopt).wait(60)
        assert report is not None
        return report

    def files(self, directory: str) -> list[str]:
        """The indexed files of a directory, by number; every number from 1 on must be there."""
        index = self.root / directory / "meta" / "CDC.index"
        last = int(index.read_text().removeprefix("CDC").removesuffix(".csv\n"))
        names = [f"CDC{number:020d}.csv" for number in range(1, last + 1)]
        there = sorted(path.name for path in (self.root / directory).glob("CDC*.csv"))
        assert there == names, "contiguous, and nothing that is not indexed"
        return names

    def stored(self, directory: str) -> list[int]:
        """The commit-ts of every row, in order, where every file must be indexed."""
        self.files(directory)
        return self.indexed(directory)

    def indexed(self, directory: str) -> list[int]:
        """The commit-ts of every indexed row, in order; files behind the index do not count."""
        index = self.root / directory / "meta" / "CDC.index"
        last = index.read_text().strip() if index.exists() else ""
        found: list[int] = []
        for path in sorted((self.root / directory).glob("CDC*.csv")):
            if path.name <= last:
                with path.open(newline="") as file:
                    found.extend(int(line[3]) for line in csv.reader(file))
        return found

    def reached(self) -> int:
        """The durable checkpoint in the state, 0 before the first."""
        return max((point.commit_ts for point in read_status(self.folder / "state").checkpoints.values()), default=0)

    def checkpoint(self) -> int:
        return int(json.loads((self.root / "metadata").read_text())["checkpoint-ts"])


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    SCRIPTS.clear()
    return Lake(tmp_path)


def test_rows_index_schema_file_and_checkpoint(lake: Lake) -> None:
    report = lake.run(rows("a", 1, 10), rows("b", 5, 6), Promise(10))
    assert lake.stored("s/a/0") == list(range(1, 11))
    assert lake.stored("s/b/0") == [5, 6]
    assert (lake.root / "s/a/0/CDC00000000000000000001.csv").read_bytes().startswith(b'"I","a","s",1,100\r\n"I"')
    assert len(list((lake.root / "s/a/meta").glob("schema_0_*.json"))) == 1
    assert lake.checkpoint() == 10
    assert report.flushes == {"close": 2}
    assert (report.rows_stored, report.files) == (12, 2)


def test_nothing_but_protocol_names_stays_under_the_root(lake: Lake) -> None:
    lake.run(rows("a", 1, 10), Promise(10))
    names = {path.relative_to(lake.root).as_posix() for path in lake.root.rglob("*") if path.is_file()}
    schema = next(name for name in names if "schema_" in name)
    assert names == {"metadata", "s/a/0/CDC00000000000000000001.csv", "s/a/0/meta/CDC.index", schema}
    assert not list(lake.root.rglob(".*"))


def test_a_full_file_is_flushed_by_size_and_its_rows_stay_in_order(lake: Lake) -> None:
    lake.options["file_size"] = "1KiB"
    events: list[Event] = [rows("a", ts, ts + 9) for ts in range(1, 1000, 10)]
    report = lake.run(*events, Promise(1000))
    assert lake.stored("s/a/0") == list(range(1, 1001))
    assert report.flushes["size"] > 5
    assert len(lake.files("s/a/0")) == report.files


def test_an_in_band_ddl_has_every_earlier_row_stored_when_it_is_visible(lake: Lake) -> None:
    seen: list[list[int]] = []
    lake.options["file_size"] = "64MiB"

    def look(out: Outlet) -> None:
        seen.append(lake.stored("s/a/0"))

    # The graph-wide DDL of another table makes the source wait until the in-band one is through.
    report = lake.run(
        rows("a", 1, 5),
        Alter("a", 6),
        rows("a", 7, 9, 6),
        rows("z", 7, 7),
        Alter("z", 10, graph=True),
        look,
        Promise(11),
    )
    assert seen == [[1, 2, 3, 4, 5]]
    assert lake.stored("s/a/6") == [7, 8, 9]
    schema = json.loads(next((lake.root / "s/a/meta").glob("schema_6_*.json")).read_text())
    assert (schema["TableVersion"], schema["Query"]) == (6, "ddl 6")
    assert report.ddls == 2
    assert next((lake.root / "s/z_r/meta").glob("schema_10_*.json"))


def test_a_table_with_a_hostile_name_stays_inside_the_root(lake: Lake) -> None:
    name = "../../etc"
    lake.run(Rows(name, ((1, 0),)), Promise(1))
    outside = [path for path in lake.folder.rglob("*.csv") if lake.root not in path.parents]
    assert outside == []
    assert len(list(lake.root.rglob("*.csv"))) == 1


class Crash(Exception):
    """Stands for the end of the process at that point."""


def crash_at(call: str, part: str, when: str, on: int = 1) -> faulty_store.Hook:
    left = [on]

    def hook(name: str, key: str, moment: str) -> None:
        if (name, moment) == (call, when) and part in key:
            left[0] -= 1
            if left[0] == 0:
                raise Crash(key)

    return hook


STEPS = [
    ("put_if_absent", "schema_", "before"),
    ("put_if_absent", "schema_", "after"),
    ("put_if_absent", "CDC", "before"),
    ("put_if_absent", "CDC", "after"),
    ("replace", "CDC.index", "before"),
    ("replace", "CDC.index", "after"),
]


@pytest.mark.parametrize("on", [1, 2])
@pytest.mark.parametrize(("call", "part", "when"), STEPS)
@pytest.mark.parametrize("late_writers", [False, True])
def test_crash_between_data_file_index_and_commit(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, call: str, part: str, when: str, on: int, late_writers: bool
) -> None:
    lake.options["file_size"] = "1KiB"
    events: list[Event] = [
        *(event for ts in range(1, 200, 20) for event in (rows("a", ts, ts + 19), Promise(ts + 19))),
        Alter("a", 201),
        rows("a", 202, 220, 201),
        Promise(220),
    ]
    with monkeypatch.context() as faults:
        faulty_store.install(faults, crash_at(call, part, when, on), late_writers=late_writers)
        with pytest.raises((RunFailed, ExceptionGroup), match=r"Crash|failed"):
            lake.run(*events)
        assert lake.reached() <= len(lake.indexed("s/a/0")) + len(lake.indexed("s/a/201")) + 1, "I1: never ahead"
    with monkeypatch.context() as faults:
        faulty_store.install(faults, lambda *_: None, late_writers=late_writers)
        report = lake.run(*events)
    assert lake.stored("s/a/0") == list(range(1, 201)), "nothing lost, nothing twice"
    assert lake.stored("s/a/201") == list(range(202, 221))
    assert len(list((lake.root / "s/a/meta").glob("schema_*.json"))) == 2
    assert lake.checkpoint() == 220
    assert report.checkpoints == {"log": 220}


def test_a_late_put_of_a_dead_process_meets_the_fence(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies with its put on the way; the restart fences the name; the put comes and is refused."""
    late: list[Callable[[], None]] = []

    def dies(call: str, key: str, when: str) -> None:
        if call == "put_if_absent" and "CDC" in key and when == "before" and not late:
            body = b'"I","a","s",1,100\r\n'
            late.append(lambda: store.put_if_absent(key, [body], len(body)))
            raise Crash

    with monkeypatch.context() as faults:
        faulty_store.install(faults, dies, late_writers=True)
        with pytest.raises(RunFailed, match="Crash"):
            lake.run(rows("a", 1, 3), Promise(3))
    with monkeypatch.context() as faults:
        faulty_store.install(faults, lambda *_: None, late_writers=True)
        lake.run(rows("a", 1, 3), Promise(3))
    store = _local(lake.root)
    with pytest.raises(RunFailed, match="exists already"):
        late[0]()
    assert lake.stored("s/a/0") == [1, 2, 3], "file 1 is the empty fence, file 2 has the rows"
    assert (lake.root / "s/a/0/CDC00000000000000000001.csv").read_bytes() == b""


def test_a_put_that_came_after_all_is_recognised(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(call: str, key: str, when: str) -> None:
        if call == "put_if_absent" and "CDC" in key and when == "after":
            raise Crash

    with monkeypatch.context() as faults:
        faulty_store.install(faults, dies, late_writers=True)
        with pytest.raises(RunFailed, match="Crash"):
            lake.run(rows("a", 1, 3), Promise(3))
    report = lake.run(rows("a", 1, 3), Promise(3))
    assert lake.stored("s/a/0") == [1, 2, 3]
    assert report.rows_stored == 0, "the dead run's file counts, nothing is written again"


def test_a_file_that_fits_no_case_is_refused_by_name(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as faults:
        faulty_store.install(faults, crash_at("replace", "CDC.index", "before"))
        with pytest.raises(RunFailed):
            lake.run(rows("a", 1, 3), Promise(3))
    (lake.root / "s/a/0/CDC00000000000000000001.csv").write_text("somebody else's")
    with pytest.raises(RunFailed, match=r"s/a/0/CDC00000000000000000001\.csv.*is not the file"):
        lake.run(rows("a", 1, 3), Promise(3))


def test_a_fresh_state_on_a_root_that_is_not_empty_is_refused(lake: Lake) -> None:
    lake.root.mkdir()
    (lake.root / "theirs.csv").write_text("x")
    with pytest.raises(EnvironmentRefused, match=r"theirs\.csv.*") as refused:
        lake.run(rows("a", 1, 3), Promise(3))
    assert "--adopt" in str(refused.value)
    lake.run(rows("a", 1, 3), Promise(3), adopt=True)
    assert lake.stored("s/a/0") == [1, 2, 3]


def test_a_tiny_quota_with_a_slow_store_neither_deadlocks_nor_grows(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store waits for each put until the spool has said that it is full; a graph-wide DDL comes in between."""
    lake.spool.update(disk_quota="8KiB", segment="2KiB", memory="2KiB")
    lake.options.update(file_size="64MiB", flush_interval="10m", shards=2)
    events: list[Event] = []
    for n in range(60):
        events.append(rows(f"t{n % 5}", 100 * n + 1, 100 * n + 60))
        if n == 30:
            events.append(Alter("t0", 100 * n + 61, graph=True))
        events.append(Promise(100 * n + 62))
    report = lake.run(*events)
    assert report.rows_stored == 60 * 60
    assert report.flushes["quota"] > 0
    for n in range(1, 5):
        expected = [ts for k in range(60) if k % 5 == n for ts in range(100 * k + 1, 100 * k + 61)]
        assert lake.stored(f"s/t{n}/0") == expected


def test_the_interval_is_per_table_and_does_not_sweep_fresh_rows(lake: Lake) -> None:
    lake.options["flush_interval"] = "100ms"
    flushed = threading.Event()

    def wait_for_a(out: Outlet) -> None:
        while not list(lake.root.glob("s/a/0/meta/CDC.index")):
            out.wait(0.01)
        flushed.set()

    report = lake.run(rows("a", 1, 3), wait_for_a, rows("b", 4, 5), Promise(5))
    assert flushed.is_set()
    assert report.flushes == {"interval": 1, "close": 1}


def _local(root: Path) -> LocalStore:
    from afterbay.clock import SystemClock
    from afterbay.telemetry import Telemetry
    from afterbay_nodes.storage.open import open_store

    store = open_store(str(root), clock=SystemClock(), meter=Telemetry("t").node("n"))
    assert isinstance(store, LocalStore)
    return store


def test_two_sinks_behind_one_spool_each_get_every_row(lake: Lake) -> None:
    SCRIPTS["s"] = {"": [rows("a", 1, 10), Alter("a", 11), rows("a", 12, 13, 11), Promise(13)]}
    pond = Lake(lake.folder)
    pond.root = lake.folder / "pond"
    forked = plan(
        lake.folder / "state",
        ("log", Scripted(script="s"), ()),
        ("csv", EncodeCsv(include_commit_ts=True), ("log",)),
        ("spool", Spool(), ("csv",)),
        ("lake", CloudStorage(uri=str(lake.root), date_separator="none"), ("spool",)),
        ("pond", CloudStorage(uri=str(pond.root), date_separator="none"), ("spool",)),
    )
    run = start(forked)
    assert run.wait(60) is not None
    for root in (lake, pond):
        assert root.stored("s/a/0") == list(range(1, 11))
        assert root.stored("s/a/11") == [12, 13]


def test_a_checkpoint_file_that_fails_while_the_run_ends_ends_it_with_the_error(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that writes it fails when all else is over; what the supervisor does then must not hang (I9)."""
    ending = threading.Event()
    stop = CheckpointWriter.stop
    failures = [True]

    def stops(self: CheckpointWriter, *, write: bool) -> None:
        ending.set()
        stop(self, write=write)

    def hook(call: str, key: str, when: str) -> None:
        if call == "replace" and key == "metadata" and when == "before" and failures and lake.reached():
            assert ending.wait(30)
            failures.pop()
            raise Crash(key)

    with monkeypatch.context() as faults:
        faults.setattr(CheckpointWriter, "stop", stops)
        faulty_store.install(faults, hook)
        with pytest.raises((RunFailed, ExceptionGroup), match=r"Crash|failed"):
            lake.run(rows("a", 1, 3), Promise(3))
    assert lake.reached() == 3
    lake.run(rows("a", 1, 3), Promise(3))
    assert lake.checkpoint() == 3, "nothing new was read, and yet the store shows what the state has"
