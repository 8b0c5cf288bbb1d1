"""The store and its pipeline's state agree: about checkpoint, numbers, last changes, totals and files under way."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from afterbay.clock import SystemClock
from afterbay.errors import EnvironmentRefused, PipelineInvalid
from afterbay.state.lock import DirectoryLock
from afterbay_nodes.verify.against_state import AgainstState
from tests.support.cli import afterbay, dies
from tests.support.nasty_log import nasty_log
from tests.support.nasty_pipeline import csv_pipeline
from tests.verify.histories import Stored, run, stored_against_state, told, two_versions, verified


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    return run(tmp_path, two_versions())


def state(stored: Stored, sql: str, *values: object) -> None:
    """Changes the state, as a backup or another run would have left it."""
    connection = sqlite3.connect(stored.state / "checkpoint.db")
    with connection:
        assert connection.execute(sql, values).rowcount > 0
    connection.close()


def pets(stored: Stored) -> str:
    return next(key for key in stored.data_files() if key.startswith("shop/pets/1000/"))


def lose_the_folder(stored: Stored) -> None:
    folder = (stored.lake / pets(stored)).parent
    (folder / "meta" / "CDC.index").unlink()
    (stored.lake / pets(stored)).unlink()


def lose_a_row(stored: Stored) -> None:
    path = stored.lake / pets(stored)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def add_a_file(stored: Stored) -> None:
    path = stored.lake / pets(stored)
    other = path.with_name(path.name.replace("1.csv", "2.csv"))
    other.write_bytes(b"")
    (path.parent / "meta" / "CDC.index").write_text(f"{other.name}\n")


CASES: dict[str, tuple[Callable[[Stored], None], list[str]]] = {
    "the checkpoint of the store is ahead": (
        lambda stored: (stored.lake / "metadata").write_bytes(b'{"checkpoint-ts":2011}') and None,
        ["state.checkpoint"],
    ),
    "the state has no checkpoint": (lambda stored: state(stored, "delete from checkpoints"), ["state.checkpoint"]),
    "a folder is gone": (lose_the_folder, ["state.number", "state.totals"]),
    "a folder has a file more": (add_a_file, ["state.number"]),
    "a file lost its last row": (lose_a_row, ["state.position", "state.totals"]),
    "the state counts less": (lambda stored: state(stored, "update sinks set rows = rows - 1"), ["state.totals"]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_does_not_agree(name: str, stored: Stored) -> None:
    damage, codes = CASES[name]
    if name == "a file lost its last row":
        stored = run(stored.lake.parent / "one", two_versions()[:8])
    damage(stored)
    found = told(stored_against_state(stored))
    assert sorted({code for code, *_ in found}) == codes


def test_each_difference_is_told_with_its_file(tmp_path: Path) -> None:
    stored = run(tmp_path, two_versions()[:8])
    lose_a_row(stored)
    report = stored_against_state(stored)
    position = next(fault for fault in report.faults if fault.code == "state.position")
    assert (position.key, position.row) == (pets(stored), 3)
    assert position.message == "its last row is of 1005; the state has stored 1009 in it"
    assert [fault.message for fault in report.faults if fault.code == "state.totals"][1:] == [
        "the store has 4 changes, the state has stored 5"
    ]


def test_a_file_under_way_is_whole_or_it_is_a_fault(tmp_path: Path) -> None:
    """The writer dies between a data file and its index: the state has its size and its CRC."""
    events = nasty_log(4000).write(tmp_path / "events.jsonl")
    nasty = csv_pipeline(tmp_path / "n", events)
    dies("rename:3:before", "run", nasty.file, cwd=nasty.folder)
    report = verified(nasty.lake, comparisons=[AgainstState(nasty.state)])
    assert told(report) == []
    (orphan, *_) = [note.place.file for note in report.notes if note.code == "number.orphan" and note.place is not None]
    assert orphan is not None
    data = (nasty.lake / orphan).read_bytes()
    at = data.index(b'"', 40) + 1
    for damaged, said in (
        (data[:-1], f"it has {len(data) - 1} bytes; the state began to write {len(data)}"),
        (data[:at] + b"~" + data[at + 1 :], "its CRC-32 is"),
    ):
        (nasty.lake / orphan).write_bytes(damaged)
        found = verified(nasty.lake, comparisons=[AgainstState(nasty.state)]).faults
        assert [fault.key for fault in found if fault.code == "state.file" and said in fault.message] == [orphan]


def test_a_folder_that_the_state_does_not_know_is_named(stored: Stored) -> None:
    state(stored, "delete from directories where directory like '%cars%'")
    report = stored_against_state(stored)
    assert told(report) == []
    assert [note.code for note in report.notes] == ["state.unknown"]
    assert any("in all" in it.what for it in report.unchecked)


def test_a_state_whose_run_goes_on_is_a_lower_bound(stored: Stored) -> None:
    lock = DirectoryLock.acquire(stored.state, SystemClock())
    add_a_file(stored)
    (stored.lake / "metadata").write_bytes(b'{"checkpoint-ts":2011}')
    report = stored_against_state(stored)
    lock.release()
    assert told(report) == []
    assert any(it.why == "a run is writing" for it in report.unchecked)


def test_states_that_cannot_be_used(stored: Stored, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentRefused, match="no state"):
        AgainstState(tmp_path / "none")
    with pytest.raises(PipelineInvalid, match="no sink 'sea'") as caught:
        AgainstState(stored.state, "sea")
    assert caught.value.hint == "it has lake"
    assert AgainstState(stored.state, "lake").name == f"the state {stored.state}"


def test_of_several_sinks_one_is_named(tmp_path: Path) -> None:
    events = nasty_log(400).write(tmp_path / "events.jsonl")
    other = {"type": "cloud_storage", "inputs": "spool2", "uri": str(tmp_path / "other")}
    spool = {"type": "spool", "inputs": "rows"}
    nasty = csv_pipeline(tmp_path / "n", events, spool2=spool, sea=other)
    assert afterbay("run", nasty.file, cwd=nasty.folder).exit_code == 0
    with pytest.raises(PipelineInvalid, match="2 sinks") as caught:
        AgainstState(nasty.state)
    assert caught.value.hint == "say which with --sink: lake, sea"
    assert told(verified(tmp_path / "other", comparisons=[AgainstState(nasty.state, "sea")])) == []
