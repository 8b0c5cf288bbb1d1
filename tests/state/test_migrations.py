"""An older database is taken over as it is: one is kept for each migration (`kept_databases`)."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from afterbay.clock import SystemClock
from afterbay.positions import ResumePoint, StoredPosition
from afterbay.schema import RowPosition
from afterbay.state.export import export_state
from afterbay.state.records import Intent, OpenIntent
from afterbay.state.status import read_status
from afterbay_migrations.checkpoint import STEPS
from tests.state.kept_databases import kept, up_to
from tests.support.state import SINK, SOURCE, open_state, schema

OLD = Path(__file__).parent / "data" / "checkpoint-m0001.db"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    shutil.copyfile(OLD, tmp_path / "checkpoint.db")
    return tmp_path


def test_the_first_versions_database_opens_with_all_it_knew(old: Path) -> None:
    state = open_state(old)
    restart = state.restart
    state.close()
    assert restart.checkpoints == {SOURCE: ResumePoint(7, {"at": 7})}
    # What it did not know yet reads as "no file known": the sink asks the store.
    assert restart.positions == {(SINK, SOURCE, "d1"): StoredPosition(RowPosition(7, 3), "", 0)}
    assert restart.schemas == {SOURCE: {"d1": schema(3)}}
    assert restart.ddls == {(SINK, "d1", 9)}
    assert not restart.fresh
    assert restart.cleaned == {}
    assert restart.adopted == {SINK: 0}, "whether its root was empty when it was taken is not known"
    assert restart.marks == {}
    path = "bank/d1/1/CDC00000000000000000002.csv"
    first, last = RowPosition(8, 0), RowPosition(8, 3)
    known = Intent(SINK, SOURCE, "d1", "bank/d1/1", 2, path, first, last, rows=4, size=100, crc=0xDEADBEEF, header=0)
    assert restart.intents == (OpenIntent(2, known),)
    assert read_status(old).migrations == tuple(STEPS)


def test_status_reads_an_old_database_without_changing_it(old: Path) -> None:
    before = (old / "checkpoint.db").read_bytes()
    status = read_status(old)
    assert status.migrations == ("m0001_initial",)
    assert (status.files, status.rows, len(status.intents)) == (1, 4, 1)
    assert (old / "checkpoint.db").read_bytes() == before


def test_the_steps_make_the_same_tables_from_any_version(old: Path, tmp_path: Path) -> None:
    open_state(old).close()
    new = tmp_path / "new"
    open_state(new).close()
    assert columns(old) == columns(new)


@pytest.mark.parametrize("step", STEPS)
def test_the_state_of_every_version_opens_in_this_one(tmp_path: Path, step: str) -> None:
    """Each migration has its kept database, with what that version could write; nothing of it is lost."""
    shutil.copyfile(kept(step), tmp_path / "checkpoint.db")
    at = list(STEPS).index(step)
    assert read_status(tmp_path).migrations == tuple(STEPS)[: at + 1]
    exported = export_state(tmp_path, SystemClock())  # reads it without taking it over
    assert exported["migrations"] == list(STEPS)[: at + 1]
    state = open_state(tmp_path)
    restart = state.restart
    state.close()
    assert read_status(tmp_path).migrations == tuple(STEPS)
    assert restart.checkpoints == {SOURCE: ResumePoint(7, {"at": 7})}
    directory, number = ("bank/d1/1", 1) if at >= 1 else ("", 0)
    position = StoredPosition(RowPosition(7, 3), directory, number, size=100 if at >= 4 else -1, counted=at >= 5)
    assert restart.positions == {(SINK, SOURCE, "d1"): position}
    assert [item.intent.header for item in restart.intents] == [10 if at >= 1 else 0]
    assert restart.cleaned == ({SINK: "2026-02-01"} if at >= 2 else {})


@pytest.mark.parametrize("step", STEPS)
def test_a_migration_is_never_edited(tmp_path: Path, step: str) -> None:
    """What the steps make today is what they made when the database was kept."""
    up_to(step, tmp_path / "checkpoint.db")
    shutil.copyfile(kept(step), (tmp_path / "kept.db"))
    (tmp_path / "then").mkdir()
    (tmp_path / "kept.db").rename(tmp_path / "then" / "checkpoint.db")
    assert columns(tmp_path) == columns(tmp_path / "then")


def columns(directory: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(directory / "checkpoint.db")) as connection:
        tables = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
        return {table: connection.execute(f"pragma table_info({table})").fetchall() for table in sorted(tables)}
