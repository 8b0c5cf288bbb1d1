"""Schema history: what is in force at the checkpoint, and no checkpoint without it (I3)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from afterbay.errors import RunFailed
from afterbay.positions import ResumePoint
from afterbay.runtime.ledger import Ledger
from tests.support.state import PATIENCE, SOURCE, Run, Wire, open_state, schema


def in_force(directory: Path) -> dict[str, int]:
    """Dispatcher -> version at the checkpoint, as a restart sees it."""
    state = open_state(directory)
    state.close()
    return {name: found.version for name, found in state.restart.schemas.get(SOURCE, {}).items()}


def versions(directory: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(directory / "checkpoint.db")) as connection:
        rows = connection.execute("select dispatcher, commit_ts from schemas order by dispatcher, commit_ts").fetchall()
    return [(dispatcher, int(commit_ts)) for dispatcher, commit_ts in rows]


def checkpoint(run: Run, commit_ts: int) -> None:
    run.ledger.promise(commit_ts, {})
    run.state.flush()


def test_the_newest_at_or_below_the_checkpoint_is_in_force(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for version in (3, 5, 9):
        run.state.schema(SOURCE, "d1", version, schema(version))
    run.state.schema(SOURCE, "d2", 5, schema(5))
    run.state.schema(SOURCE, "d3", 6, schema(6))
    checkpoint(run, 5)
    run.state.close()
    assert in_force(tmp_path) == {"d1": 5, "d2": 5}


def test_without_a_checkpoint_no_schema_is_in_force(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.state.schema(SOURCE, "d1", 3, schema(3))
    run.state.close()
    assert versions(tmp_path) == [("d1", 3)]
    assert in_force(tmp_path) == {}


def test_a_dropped_table_is_not_in_force(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.state.schema(SOURCE, "d1", 3, schema(3))
    run.state.schema(SOURCE, "d1", 7, None)
    run.state.schema(SOURCE, "d2", 3, schema(3))
    run.state.schema(SOURCE, "d2", 9, None)
    checkpoint(run, 7)
    run.state.close()
    assert in_force(tmp_path) == {"d2": 3}


def test_what_was_replaced_is_pruned_and_what_is_to_come_is_kept(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for version in (2, 4, 6, 8):
        run.state.schema(SOURCE, "d1", version, schema(version))
    run.state.schema(SOURCE, "gone", 2, schema(2))
    run.state.schema(SOURCE, "gone", 5, None)
    checkpoint(run, 5)
    run.state.close()
    assert versions(tmp_path) == [("d1", 4), ("d1", 6), ("d1", 8)]


def test_a_replay_may_say_it_again_and_above_the_checkpoint_otherwise(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.state.schema(SOURCE, "d1", 3, schema(3, "a"))
    run.state.schema(SOURCE, "d1", 9, schema(9, "a"))
    checkpoint(run, 3)
    run.state.schema(SOURCE, "d1", 3, schema(3, "a"))
    run.state.schema(SOURCE, "d1", 9, schema(9, "a", "b"))
    checkpoint(run, 9)
    run.state.close()
    state = open_state(tmp_path)
    assert state.restart.schemas[SOURCE]["d1"] == schema(9, "a", "b")
    state.close()


def test_i3_another_schema_for_a_stored_version_fails_the_run(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.state.schema(SOURCE, "d1", 3, schema(3, "a"))
    checkpoint(run, 3)
    run.state.schema(SOURCE, "d1", 3, schema(3, "b"))
    with pytest.raises(RunFailed, match=r"state\.schema"):
        run.state.flush()
    assert run.failed.wait(PATIENCE)
    run.state.close()


def test_a_table_announced_late_with_an_old_version_does_not_hide_a_newer_one(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.state.schema(SOURCE, "d1", 5, schema(5))
    checkpoint(run, 8)
    run.state.schema(SOURCE, "d1", 4, schema(4))
    run.state.schema(SOURCE, "d2", 4, schema(4))
    run.state.close()
    assert in_force(tmp_path) == {"d1": 5, "d2": 4}


def test_rows_above_the_checkpoint_of_a_dead_run_do_not_come_into_force_later(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.state.schema(SOURCE, "d1", 5, schema(5))
    run.state.schema(SOURCE, "d1", 9, schema(9))
    checkpoint(run, 5)
    run.state.close()
    run = Run(tmp_path)  # its source sends 5 < … anew, and this time the version of 9 is 10
    run.state.schema(SOURCE, "d1", 8, schema(8))
    checkpoint(run, 20)
    run.state.close()
    assert in_force(tmp_path) == {"d1": 8}


def test_i3_a_schema_queued_before_a_promise_is_in_the_commit_that_covers_it(tmp_path: Path) -> None:
    """The race that matters: the owner has its group; a source records a schema and promises; the frontier is read."""

    class Racing(Ledger):
        def frontier(self) -> ResumePoint | None:
            if racing:
                racing.clear()
                state.schema(SOURCE, "d1", 7, schema(7))
                self.promise(7, {})
            return super().frontier()

    racing: list[str] = []
    wire = Wire()
    state = open_state(tmp_path, wire=wire)
    state.start({SOURCE: Racing(SOURCE)}, lambda *_: None, lambda _: None)
    state.flush()
    racing.append("now")
    state.flush()
    point = state.checkpoint_of(SOURCE)
    assert point is not None
    assert point.commit_ts == 7
    kinds = [sql.split("(")[0].strip() for sql in wire.statements]
    recorded, moved = kinds.index("insert or replace into schemas"), kinds.index("insert into checkpoints")
    assert "commit" not in kinds[min(recorded, moved) : max(recorded, moved)]
    state.close()
    assert in_force(tmp_path) == {"d1": 7}
