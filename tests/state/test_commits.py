"""Commits: three in their order, many in one, and what moves the checkpoint."""

from __future__ import annotations

import os
import queue
import threading
from pathlib import Path

import pytest

from afterbay.errors import RunFailed
from afterbay.positions import ResumePoint
from afterbay.runtime.ledger import Ledger
from afterbay.schema import RowPosition
from afterbay.state.status import read_status
from afterbay.state.store import Restart
from tests.support.state import PATIENCE, SINK, SOURCE, Run, StoppedClock, Wire, intent, is_commit, open_state, schema


def test_i2_the_source_is_told_after_the_row_is_durable_and_the_row_after_the_object(tmp_path: Path) -> None:
    events: list[str] = []

    def before(sql: str) -> None:
        if is_commit(sql):
            events.append("commit")

    def on_checkpoint(partition: str, point: ResumePoint) -> None:
        # Seen from outside: what the source may now prune is on disk, file and checkpoint in one.
        status = read_status(tmp_path)
        assert status.checkpoints[partition].commit_ts == point.commit_ts
        assert (status.files, status.intents) == (1, ())
        events.append("told")

    wire = Wire()
    run = Run(tmp_path, wire=wire, on_checkpoint=on_checkpoint)
    token = run.ledger.mint(7, "d1")
    run.ledger.promise(7, {"offset": 1})
    begun = run.state.begin(intent(7, 1))
    assert run.checkpoint is None
    wire.before = before
    events.append("object")
    run.state.finish(begun, [token])
    events.append("finished")
    run.state.close()
    assert events[:4] == ["object", "commit", "told", "finished"]


def test_a_finish_writes_file_position_and_checkpoint_in_one_transaction(tmp_path: Path) -> None:
    wire = Wire()
    run = Run(tmp_path, wire=wire)
    token = run.ledger.mint(7, "d1")
    run.ledger.promise(7, {})
    begun = run.state.begin(intent(7, 1))
    wire.statements.clear()
    run.state.finish(begun, [token])
    written = [sql.split("(")[0].strip() for sql in wire.statements if not sql.startswith("select")]
    run.state.close()
    assert written == [
        "begin immediate",
        "delete from intents where id = ?",
        "update sinks set files = files + 1, rows = rows + ?, bytes = bytes + ? where sink = ?",
        "insert into directories",
        "insert or replace into positions",
        "insert into checkpoints",
        "delete from ddls where commit_ts <= ?",
        "commit",
    ]


def test_callers_that_come_during_a_commit_share_the_next_one(tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()
    wire = Wire()
    run = Run(tmp_path, wire=wire)
    run.state.flush()

    def hold_commit(sql: str) -> None:
        if is_commit(sql):
            entered.set()
            assert leave.wait(PATIENCE)

    wire.before = hold_commit
    wire.statements.clear()
    threads = [threading.Thread(target=run.state.begin, args=(intent(7, 1, f"d{at}"),)) for at in range(9)]
    threads[0].start()
    assert entered.wait(PATIENCE)
    for thread in threads[1:]:
        thread.start()
    # Nothing public says that a caller waits; the queue does.
    while len(run.state._owner._queue) < 8:
        os.sched_yield()
    leave.set()
    for thread in threads:
        thread.join()
    assert wire.commits == 2
    run.state.close()
    assert len(read_status(tmp_path).intents) == 9


def test_a_refused_call_does_not_hold_up_its_group(tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()
    wire = Wire()
    run = Run(tmp_path, wire=wire)
    run.state.begin(intent(1, 1, "d1"))

    def hold_commit(sql: str) -> None:
        if is_commit(sql):
            entered.set()
            assert leave.wait(PATIENCE)

    refused: list[RunFailed] = []

    def second_in_the_same_directory() -> None:
        with pytest.raises(RunFailed) as caught:
            run.state.begin(intent(9, 2, "d1"))
        refused.append(caught.value)

    wire.before = hold_commit
    first = threading.Thread(target=run.state.flush)
    first.start()
    assert entered.wait(PATIENCE)
    group = [
        threading.Thread(target=second_in_the_same_directory),
        threading.Thread(target=run.state.begin, args=(intent(5, 1, "d2"),)),
    ]
    for thread in group:
        thread.start()
    while len(run.state._owner._queue) < 2:
        os.sched_yield()
    leave.set()
    for thread in [first, *group]:
        thread.join()
    assert [error.code for error in refused] == ["state.open"]
    assert run.failures == []
    run.state.close()
    assert [item.path for item in read_status(tmp_path).intents] == [intent(1, 1, "d1").path, intent(5, 1, "d2").path]


def test_i1_the_checkpoint_waits_for_every_token(tmp_path: Path) -> None:
    run = Run(tmp_path)
    early, late = run.ledger.mint(5, "d1"), run.ledger.mint(9, "d2")
    run.ledger.promise(5, {"at": 5})
    run.ledger.promise(9, {"at": 9})
    run.state.finish(run.state.begin(intent(9, 1, "d2")), [late])
    assert run.checkpoint is None
    run.state.finish(run.state.begin(intent(5, 1, "d1")), [early])
    assert run.checkpoint == 9
    assert run.told == [(SOURCE, ResumePoint(9, {"at": 9}))]
    run.state.close()


def test_a_frontier_that_moves_without_a_file_is_persisted_by_the_poll(tmp_path: Path) -> None:
    clock = StoppedClock()
    told: queue.Queue[int] = queue.Queue()
    run = Run(tmp_path, clock=clock, on_checkpoint=lambda _, point: told.put(point.commit_ts))
    run.state.flush()
    filtered = run.ledger.mint(40, "d1")
    run.ledger.promise(40, {"at": 40})
    filtered.settle()
    while told.empty():  # the owner may not wait yet when time passes; no call of ours wakes it
        clock.pass_time(0.2)
    assert told.get_nowait() == 40
    assert run.checkpoint == 40
    run.state.close()


def test_a_poll_that_finds_nothing_new_commits_nothing(tmp_path: Path) -> None:
    wire = Wire()
    run = Run(tmp_path, wire=wire)
    run.store(7, 1)
    before = wire.commits
    run.state.close()
    assert wire.commits == before


def test_i5_a_lost_token_fails_the_run_and_the_checkpoint_stays(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.store(7, 1)
    run.ledger.mint(8, "d1")  # collected at once: a node dropped a message
    run.ledger.promise(8, {})
    run.state.flush()
    assert run.failed.wait(PATIENCE)
    assert "[ledger.lost]" in str(run.failures[0])
    with pytest.raises(RunFailed, match=r"ledger\.lost"):
        run.state.flush()
    run.state.close()
    assert run.checkpoint == 7


def test_the_checkpoint_row_never_falls(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.store(7, 1)
    run.state.close()
    state = open_state(tmp_path)
    ledger = Ledger(SOURCE)  # a ledger that was not started from the checkpoint
    ledger.promise(3, {})
    failed = threading.Event()
    state.start({SOURCE: ledger}, lambda *_: None, lambda _: failed.set())
    assert failed.wait(PATIENCE)
    with pytest.raises(RunFailed, match=r"state\.checkpoint"):
        state.flush()
    state.close()
    assert read_status(tmp_path).checkpoints[SOURCE].commit_ts == 7


def test_a_promise_repeated_at_the_same_commit_ts_moves_the_cursor(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.ledger.promise(7, {"offset": 10})
    run.state.flush()
    run.ledger.promise(7, {"offset": 20})
    run.state.flush()
    run.state.close()
    assert open_and_close(tmp_path).checkpoints[SOURCE] == ResumePoint(7, {"offset": 20})


def test_close_takes_the_last_frontier_with_it_and_can_be_called_again(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.ledger.promise(12, {"at": 12})
    run.state.close()
    run.state.close()
    assert run.told == [(SOURCE, ResumePoint(12, {"at": 12}))]
    with pytest.raises(RunFailed, match=r"state\.closed"):
        run.state.begin(intent(13, 1))
    assert open_and_close(tmp_path).checkpoints[SOURCE].commit_ts == 12


def test_a_callback_that_waits_for_the_state_is_refused_instead_of_waiting_for_itself(tmp_path: Path) -> None:
    found: list[BaseException] = []

    def on_checkpoint(partition: str, point: ResumePoint) -> None:
        assert run.state.checkpoint_of(partition) == point  # what callbacks may ask
        with pytest.raises(RuntimeError, match="its thread would wait for itself") as caught:
            run.state.flush()
        found.append(caught.value)

    run = Run(tmp_path, on_checkpoint=on_checkpoint)
    run.store(7, 1)
    run.state.close()
    assert len(found) == 1
    assert run.failures == []


def test_extremes_come_back_as_they_went(tmp_path: Path) -> None:
    largest = (1 << 64) - 1
    run = Run(tmp_path)
    token = run.ledger.mint(largest, "d\x00\U0001f600")
    run.ledger.promise(largest, {"file": "na\udcefve", "offset": 1 << 70})
    run.state.schema(SOURCE, "d\x00\U0001f600", largest, schema(largest))
    run.state.finish(run.state.begin(intent(largest, 1, "d\x00\U0001f600")), [token])
    run.state.close()
    restart = open_and_close(tmp_path)
    assert restart.checkpoints[SOURCE] == ResumePoint(largest, {"file": "na\udcefve", "offset": 1 << 70})
    assert restart.positions[SINK, SOURCE, "d\x00\U0001f600"].row == RowPosition(largest, 3)
    assert restart.schemas[SOURCE]["d\x00\U0001f600"] == schema(largest)


def open_and_close(directory: Path) -> Restart:
    state = open_state(directory)
    state.close()
    return state.restart
