"""Status: read beside a run without disturbing it, and without a run."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from afterbay.errors import EnvironmentRefused
from afterbay.instruments import StoreOutage
from afterbay.state.status import IntentStatus, OutageStatus, SinkStatus, read_status
from tests.support.state import PIPELINE, SINK, SOURCE, Run, image, intent, open_state, schema


def test_while_a_run_goes_on(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.state.schema(SOURCE, "d1", 3, schema(3))
    run.state.finish_ddl(SINK, "d1", 3, [])
    run.store(7, 1)
    run.state.begin(intent(8, 2))
    status = read_status(tmp_path)
    assert status.pipeline == PIPELINE
    assert status.locked
    assert status.holder is not None
    assert status.holder.pid == os.getpid()
    assert status.checkpoints[SOURCE].commit_ts == 7
    assert status.checkpoints[SOURCE].cursor == {"at": 7}
    assert status.updated_at == "2026-03-01T12:00:00.000+00:00"
    assert status.sinks == {SINK: SinkStatus(files=1, rows=4, bytes=100, ddls=1, positions=1)}
    assert status.intents == (IntentStatus(SINK, intent(8, 2).path, 4, 100),)
    assert status.schemas == {SOURCE: 1}
    # The run goes on behind the reader, and the reader sees it.
    run.store(9, 1, "d2")
    assert read_status(tmp_path).checkpoints[SOURCE].commit_ts == 9
    run.state.close()
    assert not read_status(tmp_path).locked


def test_as_json(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.store(7, 1)
    data = json.loads(json.dumps(read_status(tmp_path).to_dict()))
    run.state.close()
    assert data["checkpoints"][SOURCE]["commit_ts"] == 7
    assert (data["files"], data["rows"], data["bytes"]) == (1, 4, 100)
    assert data["holder"]["pid"] == os.getpid()
    assert data["migrations"][0] == "m0001_initial"


def test_before_the_first_run_there_is_nothing_to_read(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(EnvironmentRefused, match=r"state\.absent"):
            read_status(directory)
    (tmp_path / "checkpoint.db").touch()  # a run is just making it
    with pytest.raises(EnvironmentRefused, match=r"state\.absent"):
        read_status(tmp_path)


def test_reading_changes_no_byte_of_the_database(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.store(7, 1)
    run.state.close()
    before = (tmp_path / "checkpoint.db").read_bytes()
    read_status(tmp_path)
    assert (tmp_path / "checkpoint.db").read_bytes() == before
    state = open_state(tmp_path)
    assert state.restart.checkpoints[SOURCE].commit_ts == 7
    state.close()


def test_of_a_killed_run_the_log_is_read_and_left_for_the_next_start(tmp_path: Path) -> None:
    """A connection that may write would fold the log into the database as it closes: that is the owner's alone."""
    run = Run(tmp_path / "home")
    run.store(7, 1)
    killed = image(tmp_path / "home", tmp_path / "killed")
    run.state.close()
    before = {path.name: path.read_bytes() for path in killed.iterdir()}
    status = read_status(killed)
    assert not status.locked
    assert status.checkpoints[SOURCE].commit_ts == 7
    assert {name: (killed / name).read_bytes() for name in before} == before
    state = open_state(killed)
    assert state.restart.checkpoints[SOURCE].commit_ts == 7
    state.close()


OUTAGE = StoreOutage("put", "s/a/1/CDC1.csv", "connection \x1b[31mrefused", datetime(2026, 3, 1, tzinfo=UTC), 9.0, 5)


def test_a_store_that_the_run_cannot_reach_is_seen_until_it_works_again(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.state.note_outage(SINK, OUTAGE)
    run.state.note_outage(SINK, OUTAGE)
    told = OutageStatus("put", "s/a/1/CDC1.csv", "connection \\x1b[31mrefused", "2026-03-01T00:00:00.000+00:00")
    assert read_status(tmp_path).outages == {SINK: told}
    assert read_status(tmp_path).to_dict()["outages"] == {SINK: asdict(told)}
    run.state.note_outage(SINK, None)
    assert read_status(tmp_path).outages == {}
    run.state.close()


def test_what_a_dead_run_could_not_reach_is_no_news(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.state.note_outage(SINK, OUTAGE)
    run.state.close()
    assert read_status(tmp_path).outages == {}, "nobody runs"
    again = Run(tmp_path)
    assert read_status(tmp_path).outages == {}
    again.state.close()


def test_a_state_whose_making_was_cut_off_is_absent(tmp_path: Path) -> None:
    """Its first transactions have a rollback journal, which a reader may not play back."""
    making, left = tmp_path / "making", tmp_path / "left"
    making.mkdir()
    with closing(sqlite3.connect(making / "checkpoint.db", isolation_level=None)) as connection:
        connection.execute("pragma cache_size = 1")
        connection.execute("create table t (x)")
        connection.execute("begin")
        connection.executemany("insert into t values (?)", ((bytes(4000),) for _ in range(50)))
        shutil.copytree(making, left)
    assert (left / "checkpoint.db-journal").stat().st_size > 0
    with pytest.raises(EnvironmentRefused) as refused:
        read_status(left)
    assert refused.value.code == "state.absent"
