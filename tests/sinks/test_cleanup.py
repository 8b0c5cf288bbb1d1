"""Cleanup by hand: a clock that is turned, a state with a checkpoint, a store of each kind."""

from __future__ import annotations

import itertools
import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from afterbay.errors import Cancelled, RunFailed
from afterbay.telemetry import CleanupResult, NodeMeter, Telemetry
from afterbay_nodes.sinks.cleanup import LONGEST_SLEEP, LONGEST_WAIT, Cleanup, Expiry
from afterbay_nodes.sinks.flush_days import FlushDays
from afterbay_nodes.sinks.schedule import Schedule
from afterbay_nodes.storage.layout import Layout
from afterbay_nodes.storage.local import HIDDEN
from afterbay_nodes.storage.store import ObjectStore
from tests.support.clock import SleepersClock
from tests.support.faulty_proxy import Fault, Proxy, faulty_proxy
from tests.support.memory_store import MemoryStore
from tests.support.state import PATIENCE, SINK, SOURCE, Run, close_all
from tests.support.stores import Bench, s3_server, s3_uri

LAYOUT = Layout(file_index_digit=6)
NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)
HOUR, DAY = 3600.0, 86400.0
TO_TWO = 14 * HOUR  # from noon until two o'clock


def tso(moment: datetime) -> int:
    return int(moment.timestamp() * 1000) << 18


class ToldMeter(NodeMeter):
    """Hands out what it is told."""

    def __init__(self) -> None:
        super().__init__(Telemetry("p"), SINK)
        self.told: queue.Queue[tuple[CleanupResult, int, int, float]] = queue.Queue()

    def cleaned(self, result: CleanupResult, files: int, nbytes: int, seconds: float) -> None:
        super().cleaned(result, files, nbytes, seconds)
        self.told.put((result, files, nbytes, seconds))


class Yard:
    """A cleanup that keeps three days, with all that it needs. Ends with the test."""

    def __init__(self, folder: Path, store: ObjectStore) -> None:
        self.clock = SleepersClock(NOON)
        self.store = store
        self.state = Run(folder / "state")
        self.state.state.claim(SINK)
        self.files = itertools.count(1)
        self.days = FlushDays("", {})
        self.meter = ToldMeter()
        self.failures: list[BaseException] = []
        self.spec = "0 0 2 * * *"
        self.cleanup: Cleanup | None = None

    def start(self) -> None:
        self.cleanup = Cleanup(
            Expiry(SINK, 3, UTC, (SOURCE,), self.checkpoint_ms),
            Schedule(self.spec, UTC),
            store=self.store,
            layout=LAYOUT,
            days=self.days,
            state=self.state.state,
            clock=self.clock,
            meter=self.meter,
            fail=self.failures.append,
        )
        self.cleanup.start()

    def checkpoint_ms(self, partition: str) -> int | None:
        point = self.state.state.checkpoint_of(partition)
        return None if point is None else point.commit_ts >> 18

    def checkpoint(self, moment: datetime) -> None:
        self.state.store(tso(moment), next(self.files))
        if self.cleanup is not None:
            self.cleanup.advance()

    def put(self, *days: str, table: str = "shop/orders/445", files: int = 2) -> None:
        """Data files of ten bytes, an index, and a schema file."""
        for day in days:
            for number in range(1, files + 1):
                self.store.put_if_absent(LAYOUT.data_file(f"{table}/{day}", "CDC", number, "csv"), [b"x" * 10], 10)
            self.store.replace(LAYOUT.index_file(f"{table}/{day}", "CDC"), b"CDC000001.csv\n", None)
        owner = table.rpartition("/")[0]
        self.store.replace(f"{owner}/meta/schema_445_0000000001.json", b"{}", None)

    def left(self) -> list[str]:
        """The days that still have something."""
        found = [LAYOUT.parse(item.key) for item in self.store.list("")]
        return sorted({getattr(item, "day", "schema") for item in found})

    def result(self) -> tuple[CleanupResult, int, int]:
        return self.meter.told.get(timeout=PATIENCE)[:3]

    def close(self) -> None:
        if self.cleanup is not None:
            self.cleanup.stop()
            self.cleanup.join()
        self.state.state.close()


Opener = Callable[[ObjectStore], Yard]


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Opener]:
    """Makes the yard of a store, and ends it."""
    made: list[Yard] = []

    def opened(store: ObjectStore) -> Yard:
        made.append(Yard(tmp_path, store))
        return made[-1]

    yield opened
    for yard in made:
        yard.close()
        yard.store.close()
        assert yard.failures == []
    close_all()


@pytest.fixture
def yard(on: Opener) -> Yard:
    return on(MemoryStore())


def test_files_of_days_before_the_checkpoints_less_the_days_go_at_the_moment_of_the_schedule(yard: Yard) -> None:
    yard.put("2024-05-13", "2024-05-14", "2024-05-15", "2024-05-17")
    yard.checkpoint(NOON)
    yard.start()
    yard.clock.turn(TO_TWO - 1)
    yard.clock.turn(0.5)
    assert yard.left() == ["2024-05-13", "2024-05-14", "2024-05-15", "2024-05-17", "schema"]

    yard.clock.turn(0.5)

    assert yard.result() == (CleanupResult.DONE, 2, 20)
    assert yard.left() == ["2024-05-14", "2024-05-15", "2024-05-17", "schema"]


def test_it_is_the_checkpoints_day_that_counts_and_not_the_machines(yard: Yard) -> None:
    yard.put("2024-05-10")
    yard.checkpoint(NOON - timedelta(days=6))
    yard.start()
    yard.clock.turn(TO_TWO)
    assert yard.result() == (CleanupResult.DONE, 0, 0)

    yard.checkpoint(NOON)
    yard.clock.turn(DAY)
    assert yard.result() == (CleanupResult.DONE, 2, 20)


def test_a_source_whose_clock_is_ahead_expires_nothing_early(yard: Yard) -> None:
    yard.put("2024-05-14", "2024-05-15", "2024-05-16", "2024-05-17")
    yard.checkpoint(NOON + timedelta(days=400))
    yard.start()
    yard.clock.turn(TO_TWO)
    assert yard.result() == (CleanupResult.DONE, 2, 20)
    assert yard.left() == ["2024-05-15", "2024-05-16", "2024-05-17", "schema"]


@pytest.mark.parametrize("strange", [0, 5, 1 << 44, (1 << 64) - 1])
def test_numbers_that_are_no_times_remove_nothing_that_is_younger_than_the_days(yard: Yard, strange: int) -> None:
    yard.put("2024-05-15", "2024-05-17")
    yard.state.store(strange, 1)
    yard.start()
    yard.clock.turn(TO_TWO)
    assert yard.result() == (CleanupResult.DONE, 0, 0)


def test_without_a_checkpoint_nothing_goes_and_with_one_it_does(yard: Yard) -> None:
    yard.put("2024-01-01")
    yard.start()
    yard.clock.turn(TO_TWO)
    assert yard.result() == (CleanupResult.UNDATED, 0, 0)
    assert yard.left() == ["2024-01-01", "schema"]

    yard.checkpoint(NOON)
    yard.clock.turn(DAY)
    assert yard.result() == (CleanupResult.DONE, 2, 20)


def test_what_is_stored_above_the_checkpoint_stays_until_the_checkpoint_has_passed_it(yard: Yard) -> None:
    yard.put("2024-05-01")
    above = NOON + timedelta(hours=1)
    yard.days.done(yard.days.begin("2024-05-01"), SOURCE, tso(above))
    yard.checkpoint(NOON)
    yard.start()
    yard.clock.turn(TO_TWO)
    yard.clock.turn(1)  # it waits for the checkpoint now
    assert yard.left() == ["2024-05-01", "schema"]

    yard.checkpoint(above)

    assert yard.result() == (CleanupResult.DONE, 2, 20)


def test_a_checkpoint_that_stays_behind_ends_the_run_and_removes_nothing(
    yard: Yard, caplog: pytest.LogCaptureFixture
) -> None:
    yard.put("2024-05-01")
    yard.days.done(yard.days.begin("2024-05-01"), SOURCE, tso(NOON) + 1)
    yard.checkpoint(NOON)
    yard.start()
    with caplog.at_level(logging.WARNING):
        yard.clock.turn(TO_TWO)
        yard.clock.turn(LONGEST_WAIT)
        assert yard.result() == (CleanupResult.BEHIND, 0, 0)
    assert "the checkpoint is behind" in caplog.text
    assert yard.left() == ["2024-05-01", "schema"]


def test_the_directory_of_a_flush_under_way_stays_and_goes_the_next_time(yard: Yard) -> None:
    yard.put("2024-04-30", "2024-05-01", "2024-05-02")
    yard.checkpoint(NOON)
    writing = yard.days.begin("2024-05-01")
    yard.start()
    yard.clock.turn(TO_TWO)
    assert yard.result() == (CleanupResult.DONE, 2, 20)
    assert yard.left() == ["2024-05-01", "2024-05-02", "schema"]

    yard.days.done(writing, SOURCE, tso(NOON))
    yard.clock.turn(DAY)
    assert yard.result() == (CleanupResult.DONE, 4, 40)


def test_nobody_writes_to_a_removed_day_again_not_even_after_a_restart(yard: Yard, tmp_path: Path) -> None:
    yard.checkpoint(NOON)
    yard.start()
    yard.clock.turn(TO_TWO)
    yard.result()
    assert yard.days.begin("2024-05-01") == "2024-05-14"

    yard.close()
    again = Run(tmp_path / "state")
    assert again.state.restart.cleaned == {SINK: "2024-05-14"}
    again.state.cleaned_before(SINK, "2024-05-01")
    again.state.close()
    last = Run(tmp_path / "state")
    assert last.state.restart.cleaned == {SINK: "2024-05-14"}, "it never falls"
    last.state.close()


def test_the_state_knows_the_day_before_the_first_file_is_gone(yard: Yard) -> None:
    yard.put("2024-05-01")
    yard.checkpoint(NOON)
    known: list[object] = []
    delete = yard.store.delete

    def look(keys: Sequence[str]) -> None:
        known.append(yard.state.state._owner.call(lambda tables: tables.cleaned()))
        delete(keys)

    yard.store.delete = look  # type: ignore[method-assign]
    yard.start()
    yard.clock.turn(TO_TWO)
    yard.result()
    assert known == [{SINK: "2024-05-14"}] * 2


def test_the_index_goes_before_the_data_and_a_crash_between_them_is_mended_by_the_next_run(
    yard: Yard, caplog: pytest.LogCaptureFixture
) -> None:
    yard.put("2024-05-01", table="shop/a/1")
    yard.put("2024-05-01", table="shop/b/1")
    yard.checkpoint(NOON)
    delete, failures = yard.store.delete, [1]

    def fails(keys: Sequence[str]) -> None:
        if failures and not keys[0].endswith("CDC.index"):
            failures.pop()
            raise RunFailed("store.gave_up", "the store is away")
        delete(keys)

    yard.store.delete = fails  # type: ignore[method-assign]
    yard.start()
    with caplog.at_level(logging.WARNING):
        yard.clock.turn(TO_TWO)
        assert yard.result() == (CleanupResult.FAILED, 0, 0)
    assert "the store is away" in caplog.text
    assert sum(item.key.endswith(".csv") for item in yard.store.list("")) == 4
    assert not any(item.key.endswith(".index") for item in yard.store.list(""))

    yard.clock.turn(DAY)
    assert yard.result() == (CleanupResult.DONE, 4, 40)
    assert yard.left() == ["schema"]


def test_a_defect_is_not_swallowed(yard: Yard) -> None:
    yard.checkpoint(NOON)
    defect = TypeError("a defect")
    failed = threading.Event()

    def broken(prefix: str) -> Iterator[object]:
        raise defect

    yard.store.list = broken  # type: ignore[method-assign, assignment]
    yard.start()
    assert yard.cleanup is not None
    yard.cleanup._fail = lambda error: (yard.failures.append(error), failed.set())[1]
    yard.clock.turn(TO_TWO)
    assert failed.wait(PATIENCE)
    assert yard.failures == [defect]
    yard.failures.clear()


def held(yard: Yard) -> tuple[threading.Semaphore, threading.Semaphore]:
    """Makes each removal say that it has begun, and wait."""
    begun, go_on = threading.Semaphore(0), threading.Semaphore(0)
    delete = yard.store.delete

    def slow(keys: Sequence[str]) -> None:
        begun.release()
        assert go_on.acquire(timeout=PATIENCE)
        delete(keys)

    yard.store.delete = slow  # type: ignore[method-assign]
    return begun, go_on


def test_runs_never_overlap_and_a_moment_during_one_is_passed_over(yard: Yard) -> None:
    yard.put("2024-05-01")
    yard.checkpoint(NOON)
    begun, go_on = held(yard)
    yard.start()
    yard.clock.turn(TO_TWO)
    assert begun.acquire(timeout=PATIENCE)
    yard.clock.advance(3 * DAY)  # three more moments come up while the first run is at it
    assert not begun.acquire(blocking=False)
    go_on.release(2)
    assert yard.result() == (CleanupResult.DONE, 2, 20)

    yard.put("2024-05-01")
    yard.clock.turn(DAY - 1)
    assert yard.meter.told.empty()
    yard.clock.turn(1)
    go_on.release(2)
    assert yard.result() == (CleanupResult.DONE, 2, 20)
    assert yard.meter.totals.cleanups == {"done": 2}


def test_it_stops_at_once_from_its_sleep_and_between_two_calls_of_a_run(yard: Yard) -> None:
    yard.put("2024-05-01", "2024-05-02", table="shop/a/1", files=600)
    yard.put("2024-05-01", table="shop/b/1", files=600)
    yard.checkpoint(NOON)
    begun, go_on = held(yard)
    yard.start()
    yard.clock.turn(TO_TWO)
    assert begun.acquire(timeout=PATIENCE)
    assert yard.cleanup is not None
    yard.cleanup.stop()
    go_on.release(2)
    yard.cleanup.join()
    assert yard.result() == (CleanupResult.STOPPED, 1000, 10000)


def test_a_cancel_of_the_store_ends_it_quietly(yard: Yard) -> None:
    yard.put("2024-05-01")
    yard.checkpoint(NOON)

    def cancelled(keys: Sequence[str]) -> None:
        raise Cancelled

    yard.store.delete = cancelled  # type: ignore[method-assign]
    yard.start()
    yard.clock.turn(TO_TWO)
    assert yard.result() == (CleanupResult.STOPPED, 0, 0)


def test_a_wall_clock_that_jumps_is_noticed_within_a_minute_and_makes_one_run(yard: Yard) -> None:
    yard.put("2024-05-01")
    yard.checkpoint(NOON)
    yard.start()
    yard.clock.turn(1, wall=5 * DAY)
    yard.clock.turn(LONGEST_SLEEP - 1)
    assert yard.result() == (CleanupResult.DONE, 2, 20)
    yard.clock.turn(LONGEST_SLEEP)
    yard.clock.turn(1)
    assert yard.meter.totals.cleanups == {"done": 1}


def test_a_wall_clock_that_is_set_back_does_not_hold_runs_up(yard: Yard) -> None:
    yard.checkpoint(NOON)
    yard.start()
    yard.clock.turn(1, wall=-30 * DAY)
    yard.clock.turn(LONGEST_SLEEP - 1)
    yard.clock.turn(TO_TWO - LONGEST_SLEEP)
    assert yard.result() == (CleanupResult.DONE, 0, 0)


# --- with real stores


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server("lake") as address:
        yield address


_roots = itertools.count()


def test_a_folder_loses_its_emptied_folders_and_keeps_the_others(tmp_path: Path, on: Opener) -> None:
    store = Bench(str(tmp_path / "lake")).open()
    store.check()
    yard = on(store)
    yard.put("2024-05-01", "2024-05-17")
    yard.put("2024-05-01", table="2024-01-02/2024-01-03/445")
    (tmp_path / "lake/shop/orders/445/2024-05-02/meta").mkdir(parents=True)  # left by a run that was killed
    (tmp_path / "lake/shop/orders/445/2024-05-16/meta").mkdir(parents=True)  # somebody may be about to use it
    (tmp_path / "lake/shop/orders/2024-01-01").mkdir()  # not a date level
    yard.checkpoint(NOON)
    yard.start()
    yard.clock.turn(TO_TWO)
    assert yard.result() == (CleanupResult.DONE, 4, 40)
    folders = {
        path.relative_to(tmp_path / "lake").as_posix() for path in (tmp_path / "lake").rglob("*") if path.is_dir()
    }
    assert folders - {HIDDEN} == {
        "shop",
        "shop/orders",
        "shop/orders/meta",
        "shop/orders/445",
        "shop/orders/445/2024-05-17",
        "shop/orders/445/2024-05-17/meta",
        "shop/orders/445/2024-05-16",
        "shop/orders/445/2024-05-16/meta",
        "shop/orders/2024-01-01",
        "2024-01-02",
        "2024-01-02/2024-01-03",
        "2024-01-02/2024-01-03/meta",
    }


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    with faulty_proxy(server) as proxy:
        yield proxy


def test_s3_is_asked_once_for_many_files(proxy: Proxy, on: Opener) -> None:
    yard = on(Bench(s3_uri(proxy.address, f"lake/root-{next(_roots)}")).open())
    for table in ("a", "b", "c"):
        yard.put("2024-05-01", "2024-05-02", "2024-05-17", table=f"shop/{table}/1", files=3)
    yard.checkpoint(NOON)
    yard.start()
    proxy.seen.clear()
    yard.clock.turn(TO_TWO)
    assert yard.result() == (CleanupResult.DONE, 18, 180)
    assert [request.method for request in proxy.seen if "delete" in request.query] == ["POST", "POST"]
    assert yard.left() == ["2024-05-17", "schema"]


def test_s3_that_refuses_fails_the_run_and_the_next_one_does_it(proxy: Proxy, on: Opener) -> None:
    yard = on(Bench(s3_uri(proxy.address, f"lake/root-{next(_roots)}")).open())
    yard.put("2024-05-01")
    yard.checkpoint(NOON)
    yard.start()
    proxy.spoil("POST", Fault.FORBID, query="delete")
    yard.clock.turn(TO_TWO)
    assert yard.result() == (CleanupResult.FAILED, 0, 0)
    yard.clock.turn(DAY)
    assert yard.result() == (CleanupResult.DONE, 2, 20)
