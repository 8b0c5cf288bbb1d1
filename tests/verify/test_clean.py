"""Stores as the real pipeline writes them are clean, whatever they are held against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from afterbay_nodes.verify.against_state import AgainstState
from tests.support import canal
from tests.support.cli import afterbay, dies
from tests.support.nasty_log import nasty_log
from tests.support.nasty_pipeline import canal_pipeline, csv_pipeline
from tests.verify.histories import FORMATS, pet, run, stored_against_state, told, two_versions, verified

LAYOUTS: dict[str, dict[str, Any]] = {
    "months, short numbers": {"date_separator": "month", "file_index_digit": 6},
    "years": {"date_separator": "year"},
    "no dates, across nodes": {"date_separator": "none", "enable_table_across_nodes": True},
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(name: str, tmp_path: Path) -> None:
    stored = run(tmp_path, two_versions(), FORMATS[name])
    alone = verified(stored.lake)
    assert told(alone) == []
    counts = {str(table): (it.inserts, it.updates, it.deletes) for table, it in alone.tables.items()}
    assert counts == {"shop.cars": (1, 0, 0), "shop.pets": (4, 1, 1)}
    assert told(verified(stored.lake, stored.log)) == []
    assert told(stored_against_state(stored)) == []


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout(name: str, tmp_path: Path) -> None:
    stored = run(tmp_path, two_versions(), **LAYOUTS[name])
    assert told(verified(stored.lake, stored.log)) == []
    assert told(stored_against_state(stored)) == []


@pytest.mark.parametrize("pipeline", [csv_pipeline, canal_pipeline])
def test_the_nasty_log(pipeline: Any, tmp_path: Path) -> None:
    """Every type, hostile names, renames, repeats, and transactions over several tables, in many small files."""
    log = nasty_log(4000)
    events = log.write(tmp_path / "events.jsonl")
    nasty = pipeline(tmp_path / "n", events, lake={"file_size": "4KiB"})
    assert afterbay("run", nasty.file, cwd=nasty.folder).exit_code == 0
    report = verified(nasty.lake, events)
    assert told(report) == []
    assert sum(it.changes for it in report.tables.values()) == log.stored_rows
    assert [it.what for it in report.unchecked if "statements" in it.what] == []


def test_a_log_in_several_packed_files(tmp_path: Path) -> None:
    log = nasty_log(400)
    glob = log.write_parts(tmp_path)
    nasty = csv_pipeline(tmp_path / "n", glob)
    assert afterbay("run", nasty.file, cwd=nasty.folder).exit_code == 0
    assert told(verified(nasty.lake, glob)) == []


def test_a_store_whose_writer_died(tmp_path: Path) -> None:
    """A file that is not in its index is a note; nothing that the checkpoint promises is missing."""
    events = nasty_log(4000).write(tmp_path / "events.jsonl")
    nasty = csv_pipeline(tmp_path / "n", events)
    dies("rename:3:before", "run", nasty.file, cwd=nasty.folder)
    report = verified(nasty.lake, comparisons=[AgainstState(nasty.state)])
    assert told(report) == []
    assert "number.orphan" in [note.code for note in report.notes]


@pytest.mark.parametrize("mark", [b'{"checkpoint-ts":0}', b'{"checkpoint-ts":0,"owner":"%s"}' % (b"5a" * 16)])
def test_a_root_that_was_only_taken(mark: bytes, tmp_path: Path) -> None:
    """Its mark is a checkpoint of nought, which names the owner for the moment in which the root is taken."""
    stored = run(tmp_path, [])
    assert (stored.lake / "metadata").read_bytes() == b'{"checkpoint-ts":0}'
    (stored.lake / "metadata").write_bytes(mark)
    assert told(verified(stored.lake, stored.log)) == []
    assert told(stored_against_state(stored)) == []
    listed = afterbay("ls", stored.lake, cwd=tmp_path)
    assert (listed.exit_code, "checkpoint 0" in listed.out) == (0, True)


def test_two_runs(tmp_path: Path) -> None:
    lines = two_versions()
    run(tmp_path, lines[:8])
    stored = run(tmp_path, lines)
    assert len(stored.data_files()) == 3
    assert told(verified(stored.lake, stored.log)) == []
    assert told(stored_against_state(stored)) == []


def test_changes_above_the_checkpoint_may_be_there_or_not(tmp_path: Path) -> None:
    lines = two_versions()
    stored = run(tmp_path, lines)
    more = [pet(3001, 9, "Butch", 1), pet(3002, 10, "Quacker", 1)]
    longer = canal.write(tmp_path / "longer.jsonl", *lines[:8], *more, canal.watermark(3003))
    (stored.lake / "metadata").write_bytes(b'{"checkpoint-ts":1010}')
    report = verified(stored.lake, canal.write(tmp_path / "shorter.jsonl", *lines[:8]))
    assert {fault.code for fault in report.faults} == {"against.extra", "against.ddl_extra"}
    run(tmp_path / "b", lines[:8])
    assert told(verified(tmp_path / "b" / "lake", longer)) == []


def test_fences_are_counted(tmp_path: Path) -> None:
    stored = run(tmp_path, two_versions())
    first = next(key for key in stored.data_files() if key.startswith("shop/pets/1000/"))
    fence = first.replace("1.csv", "2.csv")
    (stored.lake / fence).write_bytes(b"")
    folder, _, base = fence.rpartition("/")
    (stored.lake / folder / "meta" / "CDC.index").write_text(f"{base}\n")
    report = verified(stored.lake, stored.log)
    assert told(report) == []
    assert sum(it.fences for it in report.tables.values()) == 1


def test_nothing_is_written(tmp_path: Path) -> None:
    stored = run(tmp_path, two_versions())
    before = stored.files()
    verified(stored.lake, stored.log)
    assert stored.files() == before
