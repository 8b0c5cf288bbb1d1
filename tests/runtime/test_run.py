"""Whole runs over scripted sources: order, barriers, fan-out, merges, restarts, and how a run ends."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from afterbay.errors import RunFailed
from afterbay.messages import ChangeBatch
from afterbay.node import Outlet
from afterbay.runtime.run import start
from tests.support.flow import (
    ACKNOWLEDGED,
    BEFORE_PUT,
    FUNCTIONS,
    SCRIPTS,
    STORES,
    Alter,
    Apply,
    Event,
    MemorySink,
    MemoryStore,
    Promise,
    Rows,
    Scripted,
    plan,
)


@pytest.fixture(autouse=True)
def clean() -> None:
    for registry in (SCRIPTS, STORES, BEFORE_PUT, FUNCTIONS, ACKNOWLEDGED):
        registry.clear()
    STORES["one"] = MemoryStore()
    STORES["two"] = MemoryStore()


def rows(name: str, first: int, last: int, version: int = 0) -> Rows:
    return Rows(name, tuple((ts, 0) for ts in range(first, last + 1)), version)


def linear(state: Path, **parallelism: int):
    FUNCTIONS.setdefault("same", lambda item: item)
    return plan(
        state,
        ("log", Scripted(script="s"), ()),
        ("work", Apply(call="same"), ("log",)),
        ("lake", MemorySink(store="one"), ("work",)),
        parallelism=parallelism,
    )


def script(*events: Event) -> None:
    SCRIPTS["s"] = {"": events}


def test_rows_arrive_in_order_and_the_checkpoint_is_the_last_promise(tmp_path: Path) -> None:
    script(rows("a", 1, 10), rows("b", 1, 10), Promise(10), rows("a", 11, 20), Promise(20))
    report = start(linear(tmp_path)).wait()
    assert report is not None
    assert report.outcome == "completed"
    assert STORES["one"].rows("a") == [(ts, 0) for ts in range(1, 21)]
    assert STORES["one"].rows("b") == [(ts, 0) for ts in range(1, 11)]
    assert report.checkpoints == {"log": 20}
    assert (report.rows_in, report.rows_stored) == (30, 30)
    assert ACKNOWLEDGED["s"][-1] == 20


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    script(rows("a", 1, 10), Promise(10))
    start(linear(tmp_path)).wait()
    report = start(linear(tmp_path)).wait()
    assert report is not None
    assert (report.rows_in, report.rows_stored) == (0, 0)
    assert report.checkpoints == {"log": 10}


@pytest.mark.parametrize("workers", [1, 3])
def test_a_slow_encoder_keeps_the_order_of_tables_and_ddls(tmp_path: Path, workers: int) -> None:
    """The first batch is held until two later ones are done with; order is as sent all the same."""
    later = threading.Semaphore(0)

    def slow(item: ChangeBatch) -> ChangeBatch:
        if workers > 1:
            if item.first.commit_ts == 1:
                assert later.acquire(timeout=10)
                assert later.acquire(timeout=10)
            elif item.first.commit_ts in (2, 4):
                later.release()
        return item

    FUNCTIONS["same"] = slow
    script(rows("a", 1, 1), rows("b", 2, 2), Alter("a", 3), rows("a", 4, 4, 3), Promise(4))
    start(linear(tmp_path, work=workers)).wait()
    log = [entry for entry in STORES["one"].log if entry[0] != "b"]
    assert log == [("a", [(1, 0)]), ("ddl", 3), ("a", [(4, 0)])]


def test_a_graph_wide_ddl_waits_for_every_table_before_it(tmp_path: Path) -> None:
    script(
        *(rows(f"t{n}", n, n) for n in range(1, 40)), Alter("t1", 50, graph=True), rows("t1_r", 60, 60, 50), Promise(60)
    )
    start(linear(tmp_path, work=3)).wait()
    log = STORES["one"].log
    at = log.index(("ddl", 50))
    assert at == 39
    assert log[40] == ("t1_r", [(60, 0)])


def test_filtered_rows_settle_and_the_checkpoint_moves_on(tmp_path: Path) -> None:
    FUNCTIONS["same"] = lambda item: None if item.dispatcher == "b" else item
    script(rows("a", 1, 5), rows("b", 6, 9), Promise(9))
    report = start(linear(tmp_path)).wait()
    assert report is not None
    assert (report.rows_stored, report.rows_filtered, report.checkpoints) == (5, 4, {"log": 9})


def test_a_split_batch_settles_only_when_both_halves_are_stored(tmp_path: Path) -> None:
    FUNCTIONS["same"] = lambda item: [item.slice(0, 1), item.slice(1, item.num_rows)]
    script(rows("a", 1, 5), Promise(5))
    report = start(linear(tmp_path)).wait()
    assert STORES["one"].files["a"] == [[(1, 0)], [(ts, 0) for ts in range(2, 6)]]
    assert report is not None
    assert report.checkpoints == {"log": 5}


def test_fan_out_the_checkpoint_waits_for_both_sinks(tmp_path: Path) -> None:
    """The second sink holds its row; the first has stored it; the checkpoint must not pass."""
    held, checked = threading.Event(), threading.Event()
    seen: list[int] = []

    def hold(item: ChangeBatch) -> None:
        if item.first.commit_ts == 11:
            held.set()
            assert checked.wait(10)

    def both_have_ten(out: Outlet) -> None:
        while len(STORES["one"].rows("a")) < 10 or len(STORES["two"].rows("a")) < 10:
            out.wait(0.01)

    def first_has_all(out: Outlet) -> None:
        while len(STORES["one"].rows("a")) < 20:
            out.wait(0.01)
        stored.set()

    stored = threading.Event()
    BEFORE_PUT["two"] = hold
    script(rows("a", 1, 10), Promise(10), both_have_ten, rows("a", 11, 20), first_has_all, Promise(20))
    graph = plan(
        tmp_path,
        ("log", Scripted(script="s"), ()),
        ("lake", MemorySink(store="one"), ("log",)),
        ("pond", MemorySink(store="two"), ("log",)),
    )
    run = start(graph)
    assert held.wait(10)
    assert stored.wait(10)
    run._state.flush()
    seen.append(run.checkpoints()["log"].commit_ts)
    checked.set()
    report = run.wait()
    assert seen == [10]
    assert report is not None
    assert report.checkpoints == {"log": 20}
    assert STORES["one"].rows("a") == STORES["two"].rows("a") == [(ts, 0) for ts in range(1, 21)]


def test_a_diamond_is_merged_in_mint_order(tmp_path: Path) -> None:
    """Even tables go over a slow branch, odd ones over a fast one; each table, and DDL, is in order after the merge."""
    FUNCTIONS["even"] = lambda item: item if int(item.dispatcher[1:]) % 2 == 0 else None
    FUNCTIONS["odd"] = lambda item: item if int(item.dispatcher[1:]) % 2 else None
    script(
        *(rows(f"t{ts % 7}", ts, ts) for ts in range(1, 200)),
        Alter("t1", 300, graph=True),
        rows("t1", 301, 301),
        Promise(301),
    )
    graph = plan(
        tmp_path,
        ("log", Scripted(script="s"), ()),
        ("even", Apply(call="even"), ("log",)),
        ("odd", Apply(call="odd"), ("log",)),
        ("lake", MemorySink(store="one", shards=1), ("even", "odd")),
        parallelism={"even": 3},
    )
    report = start(graph).wait()
    stored = [entry[1][0][0] if entry[0] != "ddl" else entry[1] for entry in STORES["one"].log]
    assert stored == [*range(1, 200), 300, 301]
    assert report is not None
    assert report.checkpoints == {"log": 301}


def test_several_partitions_have_a_checkpoint_each(tmp_path: Path) -> None:
    SCRIPTS["s"] = {
        "x": [rows("a", 1, 3), Alter("a", 4, graph=True), Promise(4)],
        "y": [rows("a", 1, 9), Promise(9)],
    }
    report = start(linear(tmp_path, work=2)).wait()
    assert report is not None
    assert report.checkpoints == {"log/x": 4, "log/y": 9}
    assert STORES["one"].rows("log/x/a") == [(1, 0), (2, 0), (3, 0)]
    assert len(STORES["one"].rows("log/y/a")) == 9


class Crash(Exception):
    pass


def crash_after(files: int) -> None:
    left = [files]

    def before(item: ChangeBatch) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Crash

    BEFORE_PUT["one"] = before


@pytest.mark.parametrize("files", range(6))
def test_what_failed_is_resumed_and_nothing_is_stored_twice(tmp_path: Path, files: int) -> None:
    rest: list[Event] = [
        rows("b", 2, 3),
        Promise(3),
        Alter("a", 4),
        rows("a", 5, 6, 4),
        rows("b", 5, 7),
        Promise(7),
    ]
    script(Rows("a", ((1, 0), (1, 1)), open=True), Rows("a", ((1, 2), (2, 0))), *rest)
    crash_after(files)
    try:
        start(linear(tmp_path)).wait()
    except* RunFailed as errors:
        for error in errors.exceptions:
            assert "node 'lake' shard" in str(error)
            assert "Crash" in str(error)
    BEFORE_PUT.clear()
    # The second time the source cuts its batches in another place.
    script(Rows("a", ((1, 0), (1, 1), (1, 2), (2, 0))), lambda out: None, *rest)
    report = start(linear(tmp_path)).wait()
    assert STORES["one"].rows("a") == [(1, 0), (1, 1), (1, 2), (2, 0), (5, 0), (6, 0)]
    assert STORES["one"].rows("b") == [(2, 0), (3, 0), (5, 0), (6, 0), (7, 0)]
    assert [entry for entry in STORES["one"].log if entry[0] == "ddl"] == [("ddl", 4)]
    assert report is not None
    assert report.checkpoints == {"log": 7}


def test_the_first_failure_names_node_and_cause_and_the_rest_is_joined(tmp_path: Path) -> None:
    def broken(item: ChangeBatch) -> ChangeBatch:
        raise ValueError("no such thing")

    FUNCTIONS["same"] = broken
    script(rows("a", 1, 5), Promise(5))
    before = threading.active_count()
    with pytest.raises(RunFailed, match=r"node 'work'.*ValueError: no such thing"):
        start(linear(tmp_path)).wait()
    assert threading.active_count() == before
    report = start(linear_ok(tmp_path)).wait()
    assert report is not None
    assert report.rows_stored == 5


def linear_ok(state: Path):
    FUNCTIONS["same"] = lambda item: item
    return linear(state)


def test_drain_stops_at_the_next_promise_and_stores_what_is_under_way(tmp_path: Path) -> None:
    ready, go = threading.Event(), threading.Event()

    def pause(out: Outlet) -> None:
        ready.set()
        assert go.wait(10)

    script(rows("a", 1, 10), pause, Promise(10), rows("a", 11, 20), Promise(20))
    run = start(linear(tmp_path))
    assert ready.wait(10)
    run.drain()
    go.set()
    report = run.wait()
    assert report is not None
    assert (report.outcome, report.checkpoints) == ("drained", {"log": 10})
    assert STORES["one"].rows("a") == [(ts, 0) for ts in range(1, 11)]


def test_flush_drains_and_goes_on(tmp_path: Path) -> None:
    ready, go = threading.Event(), threading.Event()
    stored: list[int] = []

    def pause(out: Outlet) -> None:
        ready.set()
        assert go.wait(10)

    def look(out: Outlet) -> None:
        stored.append(len(STORES["one"].rows("a")))

    script(rows("a", 1, 10), pause, Promise(10), look, rows("a", 11, 20), Promise(20))
    run = start(linear(tmp_path))
    assert ready.wait(10)
    run.flush()
    go.set()
    run.wait()
    assert stored == [10], "everything before the promise was stored when it returned"


def test_cancel_ends_at_once_and_the_checkpoint_stays(tmp_path: Path) -> None:
    ready = threading.Event()

    def pause(out: Outlet) -> None:
        ready.set()
        out.wait(3600)

    script(rows("a", 1, 10), Promise(10), rows("a", 11, 12), pause)
    run = start(linear(tmp_path))
    assert ready.wait(10)
    run.cancel()
    report = run.wait(20)
    assert report is not None
    assert report.outcome == "cancelled"


def test_a_lost_batch_fails_the_run(tmp_path: Path) -> None:
    """A sink that drops a message: the token is collected, the ledger is frozen, and the run says so (I5)."""

    script(rows("a", 1, 10), Promise(10))
    graph = linear(tmp_path)

    from tests.support import flow

    original = flow._MemoryShard.accept
    flow._MemoryShard.accept = lambda self, item, token, credit: None  # type: ignore[method-assign]
    try:
        with pytest.raises(Exception, match="dropped unsettled"):
            start(graph).wait()
    finally:
        flow._MemoryShard.accept = original  # type: ignore[method-assign]


def test_a_transaction_left_open_at_the_end_is_replayed(tmp_path: Path) -> None:
    script(rows("a", 1, 2), Promise(2), Rows("a", ((3, 0),), open=True))
    report = start(linear(tmp_path)).wait()
    assert report is not None
    assert report.checkpoints == {"log": 2}


def test_a_duration_ends_the_run(tmp_path: Path) -> None:
    script(rows("a", 1, 2), Promise(2), lambda out: out.wait(3600), Promise(3), rows("a", 4, 5), Promise(5))
    report = start(linear(tmp_path), until=0.05).wait(20)
    assert report is not None
    assert report.checkpoints["log"] < 5, "it ended in its pause, or even before"
    assert report.outcome == "time-up"


def test_a_source_that_ends_before_the_runs_time_ends_the_run_completed(tmp_path: Path) -> None:
    script(rows("a", 1, 2), Promise(2))
    report = start(linear(tmp_path), until=3600).wait(20)
    assert report is not None
    assert (report.outcome, report.checkpoints) == ("completed", {"log": 2})


def test_a_stuck_thread_is_named_with_its_stack(tmp_path: Path) -> None:
    """The stop ladder: drain, at 3/4 of the time cancel, at the end a report of whoever still lives (I9)."""
    inside, let_go = threading.Event(), threading.Event()

    def deaf(out: Outlet) -> None:
        inside.set()
        let_go.wait(30)

    script(rows("a", 1, 3), Promise(3), deaf)
    run = start(linear(tmp_path))
    assert inside.wait(10)
    run.drain(timeout=0.2)
    try:
        with pytest.raises(RunFailed, match=r"(?s)thread 'log' has not ended.*let_go\.wait"):
            run.wait(20)
    finally:
        let_go.set()
    run._scope.join(10)
    run._state.close()


def test_drain_within_its_time_needs_no_ladder(tmp_path: Path) -> None:
    script(rows("a", 1, 3), Promise(3), lambda out: out.wait(3600), Promise(4))
    run = start(linear(tmp_path))
    run.drain(timeout=30)
    report = run.wait(20)
    assert report is not None
    assert report.outcome == "drained"
    assert report.checkpoints["log"] >= 3


def test_two_graph_wide_ddls_at_one_commit_ts_are_told_apart_after_a_restart(tmp_path: Path) -> None:
    """RENAME TABLE a TO b, c TO d is two steps at one commit-ts; the run dies between them; both are stored once."""
    script(rows("a", 1, 1), rows("c", 1, 1), Alter("a", 5, graph=True), crash, Alter("c", 5, graph=True), Promise(5))
    with pytest.raises(RunFailed, match="Crash"):
        start(linear(tmp_path)).wait()
    assert STORES["one"].log.count(("ddl", 5)) == 1
    script(rows("a", 1, 1), rows("c", 1, 1), Alter("a", 5, graph=True), Alter("c", 5, graph=True), Promise(5))
    report = start(linear(tmp_path)).wait()
    assert STORES["one"].log.count(("ddl", 5)) == 2
    assert report is not None
    assert report.checkpoints == {"log": 5}


def crash(out: Outlet) -> None:
    raise Crash
