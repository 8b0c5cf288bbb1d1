"""When a commit fails: everyone hears of it, the checkpoint stays, and the state is over."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from afterbay.errors import AfterbayError, EnvironmentRefused, RunFailed
from afterbay.positions import ResumePoint
from afterbay.state.status import read_status
from afterbay.state.store import State
from tests.support.state import PATIENCE, SOURCE, Run, Wire, intent, is_commit, open_state, schema


def io_error() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    return error


def fail_commit(sql: str) -> None:
    if is_commit(sql):
        raise io_error()


@pytest.mark.parametrize("failing", [1, 2], ids=["while they queue", "in their group"])
def test_a_failing_commit_fails_all_that_wait_and_leaves_the_checkpoint(tmp_path: Path, failing: int) -> None:
    entered, leave = threading.Event(), threading.Event()
    wire = Wire()
    run = Run(tmp_path, wire=wire)
    run.store(7, 1)
    tokens = {name: run.ledger.mint(8, name) for name in ("a", "b", "c")}
    begun = {name: run.state.begin(intent(8, 1, name)) for name in tokens}
    run.ledger.promise(8, {"at": 8})
    run.told.clear()

    def hold_then_fail(sql: str) -> None:
        if is_commit(sql):
            if not entered.is_set():
                entered.set()
                assert leave.wait(PATIENCE)
                if failing == 1:
                    raise io_error()
            else:
                raise io_error()

    errors: dict[str, BaseException] = {}

    def flush() -> None:
        with suppress(AfterbayError):
            run.state.flush()

    def finish(name: str) -> None:
        try:
            run.state.finish(begun[name], [tokens[name]])
        except AfterbayError as error:
            errors[name] = error

    wire.before = hold_then_fail
    first = threading.Thread(target=flush)
    first.start()
    assert entered.wait(PATIENCE)
    waiters = [threading.Thread(target=finish, args=(name,)) for name in tokens]
    for thread in waiters:
        thread.start()
    while len(run.state._owner._queue) < len(waiters):
        os.sched_yield()
    leave.set()
    for thread in [first, *waiters]:
        thread.join()

    assert {type(error) for error in errors.values()} == {EnvironmentRefused}
    assert len({id(error) for error in errors.values()}) == 3  # one each: no traceback is shared between threads
    assert run.failed.wait(PATIENCE)
    assert "[state.io]" in str(run.failures[0])
    assert "hint: check the disk" in str(run.failures[0])
    assert len(run.failures) == 1
    # In their group the tokens are settled, and yet nothing may say so: the commit did not happen (I1, I2).
    assert run.checkpoint == 7
    assert run.told == []
    run.state.close()
    status = read_status(tmp_path)
    assert (status.checkpoints[SOURCE].commit_ts, status.files, len(status.intents)) == (7, 1, 3)


@pytest.mark.parametrize(
    "later",
    [
        lambda state: state.begin(intent(9, 2)),
        lambda state: state.finish(1, []),
        lambda state: state.withdraw(1),
        lambda state: state.finish_ddl("lake", "d1", 9, []),
        lambda state: state.schema(SOURCE, "d1", 9, None),
        lambda state: state.directory_number("lake", "d"),
        lambda state: state.flush(),
    ],
    ids=["begin", "finish", "withdraw", "finish_ddl", "schema", "directory_number", "flush"],
)
def test_after_a_failure_every_call_raises_it_but_close(tmp_path: Path, later: Callable[[State], object]) -> None:
    wire = Wire()
    run = Run(tmp_path, wire=wire)
    wire.before = fail_commit
    with pytest.raises(EnvironmentRefused):
        run.state.begin(intent(7, 1))
    with pytest.raises(EnvironmentRefused, match=r"state\.io"):
        later(run.state)
    run.state.close()
    open_state(tmp_path).close()


def test_a_close_whose_flush_fails_says_so_and_frees_the_lock(tmp_path: Path) -> None:
    wire = Wire()
    run = Run(tmp_path, wire=wire)
    run.state.flush()
    wire.before = fail_commit
    run.ledger.promise(7, {})
    with pytest.raises(EnvironmentRefused, match=r"state\.io"):
        run.state.close()
    run.state.close()
    state = open_state(tmp_path)
    assert state.restart.checkpoints == {}
    state.close()


def test_a_full_disk_is_told_as_a_full_disk(tmp_path: Path) -> None:
    wire = Wire()
    run = Run(tmp_path, wire=wire)
    run.store(7, 1)
    connection = run.state._owner._connection

    def stop_growth(_: str) -> None:
        sqlite3.Connection.execute(connection, "pragma max_page_count = 1")

    wire.before = stop_growth
    run.state.schema(SOURCE, "d1", 8, schema(8, *(f"column_{at}" for at in range(2000))))
    with pytest.raises(EnvironmentRefused, match=r"state\.full.*the disk is full") as caught:
        run.state.flush()
    assert caught.value.hint is not None
    run.state.close()
    assert read_status(tmp_path).checkpoints[SOURCE].commit_ts == 7


def test_a_source_that_fails_in_acknowledge_fails_the_run(tmp_path: Path) -> None:
    def refuse(partition: str, point: ResumePoint) -> None:
        raise LookupError("no such slot")

    run = Run(tmp_path, on_checkpoint=refuse)
    token = run.ledger.mint(7, "d1")
    run.ledger.promise(7, {})
    begun = run.state.begin(intent(7, 1))
    with pytest.raises(RunFailed, match="no such slot"):
        run.state.finish(begun, [token])
    assert run.failed.wait(PATIENCE)
    run.state.close()
    assert read_status(tmp_path).checkpoints[SOURCE].commit_ts == 7  # durable before it was told (I2)


def test_i5_a_token_settled_twice_fails_the_state_before_anything_is_committed(tmp_path: Path) -> None:
    run = Run(tmp_path)
    token = run.ledger.mint(7, "d1")
    begun = run.state.begin(intent(7, 1))
    token.settle()
    with pytest.raises(RunFailed, match=r"ledger\.twice"):
        run.state.finish(begun, [token])
    run.state.close()
    assert [item.path for item in read_status(tmp_path).intents] == [intent(7, 1).path]


def test_a_cursor_that_is_not_json_fails_the_run_with_a_word_about_it(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.ledger.promise(7, {"at": object()})  # type: ignore[dict-item]
    with pytest.raises(RunFailed, match=r"state\.json.*cursor"):
        run.state.flush()
    run.state.close()
