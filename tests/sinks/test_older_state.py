"""A state that is older than its root is refused: what the root has since would be stored a second time (I4, I6)."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from afterbay.errors import EnvironmentRefused, RunFailed
from afterbay.node import Outlet
from afterbay.runtime.run import start
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.transforms.spool import Spool
from tests.sinks.test_storage_sink import Lake, rows
from tests.support.flow import SCRIPTS, Event, Promise, Scripted, plan

FIRST: list[Event] = [rows("a", 1, 3), Promise(3)]
SECOND: list[Event] = [*FIRST, rows("a", 4, 5), Promise(5)]
INDEX = "s/a/0/meta/CDC.index"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    SCRIPTS.clear()
    return Lake(tmp_path)


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def keep(lake: Lake) -> None:
    shutil.copytree(lake.folder / "state", lake.folder / "copy")


def restore(lake: Lake) -> None:
    shutil.rmtree(lake.folder / "state")
    shutil.copytree(lake.folder / "copy", lake.folder / "state")


def test_an_older_copy_of_the_state_is_refused_by_the_checkpoint_of_the_root(lake: Lake) -> None:
    lake.run(*FIRST)
    keep(lake)
    lake.run(*SECOND)
    restore(lake)
    before = files(lake.root)
    with pytest.raises(EnvironmentRefused, match=r"state_older.*'metadata'.* up to 5 .* has reached 3:.*I6") as caught:
        lake.run(*SECOND)
    assert "older copy of the state" in str(caught.value.hint)
    assert files(lake.root) == before, "nothing is half done (I10)"


def test_without_the_checkpoint_the_index_of_a_newest_file_tells(lake: Lake) -> None:
    """A run that was killed may not have shown its checkpoint."""
    lake.run(*FIRST)
    keep(lake)
    lake.run(*SECOND)
    restore(lake)
    (lake.root / "metadata").unlink()
    with pytest.raises(EnvironmentRefused, match=rf"state_older.*'{INDEX}'.*0002\.csv.* no number above 1 "):
        lake.run(*SECOND)


def test_without_the_index_the_file_behind_it_tells(lake: Lake) -> None:
    lake.run(*FIRST)
    keep(lake)
    index = (lake.root / INDEX).read_bytes()
    lake.run(*SECOND)
    restore(lake)
    (lake.root / "metadata").unlink()
    (lake.root / INDEX).write_bytes(index)
    with pytest.raises((RunFailed, ExceptionGroup), match=r"state_older.*0002\.csv' exists"):
        lake.run(*SECOND)
    assert lake.indexed("s/a/0") == [1, 2, 3]


def test_a_table_that_the_older_state_does_not_know_tells_too(lake: Lake) -> None:
    lake.run(*FIRST)
    keep(lake)
    more: list[Event] = [*FIRST, rows("b", 4, 5), Promise(5)]
    lake.run(*more)
    restore(lake)
    (lake.root / "metadata").unlink()
    with pytest.raises((RunFailed, ExceptionGroup), match=r"state_older.*'s/b/0/meta/CDC\.index' names"):
        lake.run(*more)
    assert lake.stored("s/b/0") == [4, 5]


def test_a_state_from_before_knows_its_root_may_be_adopted(lake: Lake) -> None:
    """Its tables have no size of files either. What it knows is checked all the same."""
    lake.run(*FIRST)
    with closing(sqlite3.connect(lake.folder / "state/checkpoint.db", isolation_level=None)) as connection:
        connection.execute("update positions set size = -1")
        connection.execute("update sinks set adopted = ?", ("0" * 20,))
    keep(lake)
    lake.run(*SECOND)
    assert lake.stored("s/a/0") == [1, 2, 3, 4, 5]
    restore(lake)
    with pytest.raises(EnvironmentRefused, match="state_older"):
        lake.run(*SECOND)


def test_a_checkpoint_that_was_written_by_hand_is_refused_and_may_be_removed(lake: Lake) -> None:
    lake.run(*FIRST)
    (lake.root / "metadata").write_text('{"checkpoint-ts":100000}')
    with pytest.raises(EnvironmentRefused, match=r"state_older.* up to 100000 ") as caught:
        lake.run(*SECOND)
    assert "remove it" in str(caught.value.hint)
    (lake.root / "metadata").unlink()
    lake.run(*SECOND)
    assert lake.checkpoint() == 5


def test_an_adopted_root_may_be_ahead_until_the_state_has_come_so_far(lake: Lake) -> None:
    lake.run(*FIRST, rows("b", 4, 99), Promise(99))
    (lake.folder / "state").rename(lake.folder / "lost")
    with pytest.raises(EnvironmentRefused, match="root_not_empty"):
        lake.run(*FIRST)
    lake.run(*FIRST, adopt=True)
    assert lake.checkpoint() == 99
    keep(lake)
    lake.run(*SECOND)
    assert lake.checkpoint() == 99
    lake.run(*SECOND, rows("a", 6, 120), Promise(120))
    assert lake.checkpoint() == 120
    restore(lake)
    with pytest.raises(EnvironmentRefused, match=r"up to 120 .* has reached 3"):
        lake.run(*SECOND)


@pytest.mark.parametrize("stops", ["before", "after"])
def test_a_run_that_dies_around_the_checkpoint_file_is_no_older_state(lake: Lake, stops: str) -> None:
    """The row is durable before the file is written: the root may be behind, never ahead (I2)."""

    def dies(out: Outlet) -> None:
        raise RuntimeError("dies")

    with pytest.raises((RunFailed, ExceptionGroup, RuntimeError)):
        lake.run(*FIRST, dies)
    if stops == "before":
        (lake.root / "metadata").write_text('{"checkpoint-ts":0}')
    lake.run(*SECOND)
    assert lake.stored("s/a/0") == [1, 2, 3, 4, 5]
    assert lake.checkpoint() == 5


def test_two_sinks_have_a_checkpoint_each_and_several_partitions_their_lowest(tmp_path: Path) -> None:
    SCRIPTS.clear()

    left: list[Event] = []
    right: list[Event] = []

    def run(more_left: int | None, more_right: int | None) -> None:
        for name, script, more in (("a", left, more_left), ("b", right, more_right)):
            if more is not None:
                script += [rows(name, more, more), Promise(more)]
        SCRIPTS["s"] = {"p": left, "q": right}
        flow = plan(
            tmp_path / "state",
            ("log", Scripted(script="s", shared_clock=True), ()),
            ("csv", EncodeCsv(include_commit_ts=True), ("log",)),
            ("spool", Spool(), ("csv",)),
            ("one", CloudStorage(uri=str(tmp_path / "one"), date_separator="none"), ("spool",)),
            ("two", CloudStorage(uri=str(tmp_path / "two"), date_separator="none"), ("spool",)),
        )
        assert start(flow).wait(60) is not None

    run(10, 30)
    shutil.copytree(tmp_path / "state", tmp_path / "copy")
    run(None, 40)
    for root in ("one", "two"):
        assert (tmp_path / root / "metadata").read_text() == '{"checkpoint-ts":10}'
    run(20, None)
    shutil.rmtree(tmp_path / "state")
    (tmp_path / "copy").rename(tmp_path / "state")
    with pytest.raises(EnvironmentRefused, match=r"state_older.* up to 20 .* has reached 10"):
        run(None, None)
