"""A state goes on only in the root that holds what it has stored; others are refused before anything is done."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from afterbay.errors import EnvironmentRefused, PipelineInvalid
from afterbay.positions import StoredPosition
from afterbay.runtime.report import RunReport
from afterbay.runtime.run import start
from afterbay.schema import RowPosition
from afterbay.state.records import StoredTotals
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.sinks.root import MOST_LOOKED_FOR, take_root
from afterbay_nodes.storage.dates import DateSeparator
from afterbay_nodes.storage.layout import Layout
from afterbay_nodes.transforms.spool import Spool
from tests.support.flow import SCRIPTS, Alter, Event, Promise, Rows, Scripted, plan
from tests.support.memory_store import MemoryStore

FIRST: list[Event] = [Rows("a", ((1, 0), (2, 0))), Rows("b", ((2, 0),)), Promise(2)]
SECOND: list[Event] = [*FIRST, Rows("a", ((3, 0),)), Promise(3)]


class Place:
    """A state and a root, both named as `uri` and `state` say, from the current directory."""

    def __init__(self) -> None:
        SCRIPTS.clear()
        self.state = Path("state").absolute()
        self.uri = "./lk/ee"

    def run(self, events: list[Event], *, adopt: bool = False, **options: Any) -> RunReport:
        SCRIPTS["s"] = {"": events}
        lake = CloudStorage(uri=self.uri, **{"date_separator": "none", "shards": 2, **options})
        flow = plan(
            self.state,
            ("log", Scripted(script="s"), ()),
            ("csv", EncodeCsv(include_commit_ts=True), ("log",)),
            ("spool", Spool(), ("csv",)),
            ("lake", lake, ("spool",)),
        )
        report = start(flow, adopt=adopt).wait(60)
        assert report is not None
        return report

    def refused(self, events: list[Event]) -> str:
        """What the refusal says."""
        with pytest.raises(EnvironmentRefused) as caught:
            self.run(events)
        assert caught.value.code == "cloud_storage.root_lost"
        return str(caught.value)

    def remembered(self) -> str:
        """The root in the state."""
        with closing(sqlite3.connect(self.state / "checkpoint.db")) as connection:
            (text,) = connection.execute("select identity from state").fetchone()
        return str(json.loads(text)["lake"]["root"])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place()


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("how", ["gone", "emptied", "another disk"])
def test_a_root_that_lost_what_the_state_has_stored_is_refused(place: Place, tmp_path: Path, how: str) -> None:
    place.run(FIRST)
    root = tmp_path / "lk/ee"
    shutil.rmtree(root)
    if how != "gone":
        root.mkdir()
    if how == "another disk":
        (root / "metadata").write_text('{"checkpoint-ts":2}')
        (root / "holiday.jpg").write_bytes(b"\xff\xd8")
    before = files(tmp_path / "lk")
    said = place.refused(SECOND)
    assert str(root) in said
    assert "'s/a/0/meta/CDC.index'" in said or "'s/b/0/meta/CDC.index'" in said
    assert "2 files with 3 rows" in said
    assert "not mounted" in said
    assert files(tmp_path / "lk") == before, "nothing is half done (I10)"


def test_one_table_that_is_missing_is_enough(place: Place) -> None:
    place.run(FIRST)
    shutil.rmtree("lk/ee/s/b")
    assert "'s/b/0/meta/CDC.index'" in place.refused(SECOND)


def test_a_data_file_that_is_missing_behind_its_index_is_named(place: Place) -> None:
    place.run(FIRST)
    Path("lk/ee/s/a/0/CDC00000000000000000001.csv").unlink()
    assert "'s/a/0/CDC00000000000000000001.csv'" in place.refused(SECOND)


@pytest.mark.parametrize("left", [0, 1])
def test_a_newest_data_file_that_was_emptied_or_cut_off_is_named(place: Place, left: int) -> None:
    place.run(FIRST)
    newest = Path("lk/ee/s/a/0/CDC00000000000000000001.csv")
    whole = newest.read_bytes()
    newest.write_bytes(whole[: len(whole) * left // 2])
    with pytest.raises(EnvironmentRefused, match=rf"file_damaged.*'s/a/0/{newest.name}'.* {len(whole)} were stored"):
        place.run(SECOND)
    newest.write_bytes(whole)
    assert place.run(SECOND).rows_stored == 1


def test_an_index_that_is_behind_while_the_file_is_there_is_written_again(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """A late write of it, or an older copy: the rows behind it are at or below the checkpoint, and unseen (I1)."""
    place.run(FIRST)
    index = Path("lk/ee/s/a/0/meta/CDC.index")
    older = index.read_bytes()
    place.run(SECOND)
    index.write_bytes(older)
    with caplog.at_level(logging.WARNING):
        place.run([*SECOND, Promise(4)])
    assert index.read_bytes() == b"CDC00000000000000000002.csv\n"
    assert "the index of 's/a/0' in file://" in caplog.text
    index.write_bytes(older)
    Path("lk/ee/s/b/0/CDC00000000000000000001.csv").unlink()
    place.refused([*SECOND, Promise(4)])
    assert index.read_bytes() == older, "a root that is refused is left as it is (I10)"


def test_an_older_copy_of_the_root_is_refused(place: Place) -> None:
    place.run(FIRST)
    shutil.copytree("lk", "copy")
    place.run(SECOND)
    shutil.rmtree("lk")
    Path("copy").rename("lk")
    assert "'s/a/0/CDC00000000000000000002.csv'" in place.refused([*SECOND, Rows("a", ((4, 0),)), Promise(4)])


def test_the_same_pipeline_from_another_directory_does_not_split_the_lake(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.run(FIRST)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert "a relative `uri` is relative to the current directory" in place.refused(SECOND)
    monkeypatch.chdir(tmp_path)
    assert place.run(SECOND).rows_stored == 1, "the refusal changed nothing: the right directory still works"


def test_a_project_that_moved_as_a_whole_goes_on(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.run(FIRST)
    new = tmp_path / "new"
    new.mkdir()
    for name in ("lk", "state"):
        (tmp_path / name).rename(new / name)
    monkeypatch.chdir(new)
    place.state = new / "state"
    assert place.run(SECOND).rows_stored == 1
    assert place.remembered() == f"file://{new}/lk/ee"


def test_a_root_is_known_by_every_name_that_it_has(place: Place, tmp_path: Path) -> None:
    place.run(FIRST)
    assert place.remembered() == f"file://{tmp_path}/lk/ee"
    (tmp_path / "link").symlink_to("lk")
    for number, name in enumerate(("lk/ee/", f"{tmp_path}/lk/ee", f"file://{tmp_path}/lk/../lk/ee", "link/ee"), 3):
        place.uri = name
        assert place.run([*FIRST, Rows("a", ((number, 0),)), Promise(number)]).stored_in
    place.uri = f"{tmp_path}/other"
    with pytest.raises(PipelineInvalid, match=r"state\.identity.*lake\.root: .*link/ee.* -> .*other"):
        place.run(SECOND)


def test_a_state_of_the_first_version_knows_its_root_as_it_was_written(place: Place, tmp_path: Path) -> None:
    place.run(FIRST)
    with closing(sqlite3.connect(place.state / "checkpoint.db", isolation_level=None)) as connection:
        (text,) = connection.execute("select identity from state").fetchone()
        identity = json.loads(text)
        identity["lake"]["root"] = "./lk/ee"
        connection.execute("update state set identity = ?", (json.dumps(identity),))
        connection.execute("update positions set directory = '', number = 0")  # it did not note files either
    shutil.move("lk", "away")
    assert "any file of what" in place.refused(SECOND)
    shutil.rmtree("lk")
    shutil.move("away", "lk")
    assert place.run(SECOND).rows_stored == 1
    assert place.remembered() == f"file://{tmp_path}/lk/ee"


def test_the_folder_of_a_table_that_was_dropped_may_be_removed(place: Place) -> None:
    """A rename is a drop and a create here: `z` is gone, `z_r` is in force."""
    events: list[Event] = [Rows("z", ((1, 0),)), Promise(1), Alter("z", 2, graph=True), Promise(2)]
    place.run(events)
    shutil.rmtree("lk/ee/s/z")
    assert place.run([*events, Promise(3)]).checkpoints == {"log": 3}


def test_a_root_of_schema_files_alone_is_missed_too(place: Place) -> None:
    events: list[Event] = [Alter("z", 1, graph=True), Promise(1)]
    place.run(events)
    shutil.rmtree("lk")
    assert "any file of what" in place.refused([*events, Promise(2)])


def test_a_state_that_has_stored_nothing_misses_nothing(place: Place) -> None:
    place.run([Promise(1)])
    shutil.rmtree("lk")
    assert place.run([Promise(1), Rows("a", ((2, 0),)), Promise(2)]).rows_stored == 1


def test_a_store_that_keeps_nothing_misses_nothing(place: Place) -> None:
    place.uri = "noop://x"
    place.run(FIRST)
    assert place.run(SECOND).rows_stored == 1


def test_adopting_a_root_warns_that_changes_may_be_stored_twice(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.run(FIRST)
    place.state = Path("fresh").absolute()
    with caplog.at_level(logging.WARNING):
        place.run(FIRST, adopt=True)
    (record,) = [record for record in caplog.records if "adopted" in record.getMessage()]
    assert record.levelno == logging.WARNING
    assert "stored a second time" in record.getMessage()
    caplog.clear()
    place.run(FIRST, adopt=True)  # the state knows its root by now
    assert not caplog.records


# -- what it costs, and what was removed on purpose


DAILY = Layout(date_separator=DateSeparator.DAY)


def a_state(positions: dict[str, StoredPosition], *, cleaned: str = "", tables: set[str] | None = None) -> Any:
    restart = SimpleNamespace(
        claimed={"lake"},
        totals={"lake": StoredTotals(len(positions), len(positions), 1, 0)},
        cleaned={"lake": cleaned} if cleaned else {},
        positions={("lake", "log", name): position for name, position in positions.items()},
        checkpoints={},
        adopted={},
        marks={},
        schemas={"log": dict.fromkeys(tables)} if tables is not None else {},
    )
    return SimpleNamespace(restart=restart, directory=Path("/state"), directory_number=lambda sink, directory: 7)


def stored(store: MemoryStore, table: str, day: str, commit_ts: int) -> StoredPosition:
    directory = f"s/{table}/1/{day}"
    store.objects[f"{directory}/meta/CDC.index"] = b"CDC00000000000000000007.csv\n"
    store.objects[f"{directory}/CDC00000000000000000007.csv"] = b"x"
    return StoredPosition(RowPosition(commit_ts, 0), directory, 7)


def test_ten_thousand_tables_cost_a_few_questions_and_no_listing() -> None:
    store = MemoryStore()
    state = a_state({f"t{n}": stored(store, f"t{n}", "2026-01-01", n) for n in range(10_000)})
    take_root(store, DAILY, state, "lake", ["log"], adopt=False)
    assert len(store.asked) == 1 + 2 * MOST_LOOKED_FOR, "the checkpoint, and two for each"
    assert not store.count("list")
    del store.objects["s/t9999/1/2026-01-01/meta/CDC.index"]
    with pytest.raises(EnvironmentRefused, match=r"s/t9999/1/2026-01-01/meta/CDC\.index"):
        take_root(store, DAILY, state, "lake", ["log"], adopt=False)


def test_files_that_expired_are_not_missed_and_a_root_without_any_file_is() -> None:
    store = MemoryStore()
    positions = {
        "old": stored(store, "old", "2026-01-01", 1),
        "older": stored(store, "older", "2025-12-31", 2),
        "new": stored(store, "new", "2026-01-02", 3),
    }
    for key in [key for key in store.objects if "/new/" not in key]:
        del store.objects[key]
    take_root(store, DAILY, a_state(positions, cleaned="2026-01-02"), "lake", ["log"], adopt=False)
    with pytest.raises(EnvironmentRefused, match="'s/old"):
        take_root(store, DAILY, a_state(positions, cleaned="2026-01-01"), "lake", ["log"], adopt=False)
    everything = a_state(positions, cleaned="2026-01-03")
    store.objects = {"s/new/meta/schema_1_0000000000.json": b"{}"}
    take_root(store, DAILY, everything, "lake", ["log"], adopt=False)
    store.objects = {}
    with pytest.raises(EnvironmentRefused, match="any file of what"):
        take_root(store, DAILY, everything, "lake", ["log"], adopt=False)
