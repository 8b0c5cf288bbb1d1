"""`afterbay state show`, `export`, `reset`: all that the state knows, and a safe way to take it away."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from afterbay.cli.app import call
from afterbay.state.export import FORM, VERSION
from tests.support.state import PIPELINE, Run, close_all, intent, schema

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A state with something of everything; nobody has it."""
    run = Run(tmp_path / "state")
    run.state.claim("lake")
    run.state.schema("changes", "d1", 3, schema(3))
    run.store(5, 1)
    run.state.finish_ddl("lake", "d1", 9, [])
    run.state.cleaned_before("lake", "2026-02-01")
    run.state.begin(intent(7, 2))
    run.state.close()
    return tmp_path / "state"


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


def exported(directory: Path, capsys: Captured) -> dict[str, Any]:
    assert call(["state", "export", "--state", str(directory)]) == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def test_the_export_has_every_row_of_every_table(directory: Path, capsys: Captured) -> None:
    found = exported(directory, capsys)
    assert (found["form"], found["version"], found["pipeline"]) == (FORM, VERSION, PIPELINE)
    assert found["identity"] == {"lake": {"type": "files", "uri": "file:///lake"}}
    (point,) = found["checkpoints"]
    assert (point["partition"], point["commit_ts"], point["cursor"]) == ("changes", 5, {"at": 5})
    sink = found["sinks"]["lake"]
    assert sink["stored"] == {"files": 1, "rows": 4, "bytes": 100, "ddls": 1}
    assert sink["directories"] == [{"directory": "bank/d1/1", "number": 1}]
    assert sink["positions"][0]["counted"] is False
    assert sink["intents"][0]["first_commit_ts"] == 7
    assert sink["ddls"] == [{"key": "d1", "commit_ts": 9}]
    assert found["schemas"][0]["schema"]["table"] == "accounts"
    with closing(sqlite3.connect(directory / "checkpoint.db")) as database:
        tables = {row[0] for row in database.execute("select name from sqlite_master where type = 'table'")}
    told = {"state", "checkpoints", "schemas", "sinks", "directories", "positions", "intents", "ddls", "outages"}
    assert tables == told | {"_sqlite_migrations"}, "a table that no export has"


def test_the_export_reads_beside_a_run_and_changes_nothing(tmp_path: Path, capsys: Captured) -> None:
    run = Run(tmp_path / "state")
    run.store(5, 1)
    found = exported(tmp_path / "state", capsys)
    assert found["locked"]
    assert f"process {os.getpid()} on " in found["holder"]
    run.store(6, 2)
    again = exported(tmp_path / "state", capsys)
    assert again["checkpoints"][0]["commit_ts"] == 6
    close_all()


def test_an_export_goes_into_a_file(directory: Path, tmp_path: Path) -> None:
    assert call(["state", "export", "--state", str(directory), "-o", str(tmp_path / "state.json")]) == 0
    assert json.loads((tmp_path / "state.json").read_text())["form"] == FORM


def test_show_is_the_same_for_people(directory: Path, capsys: Captured) -> None:
    assert call(["state", "show", "--state", str(directory)]) == 0
    out = capsys.readouterr().out
    for words in ("checkpoint    5  (changes", '{"at": 5}', "sink lake: 4 rows in 1 file", "positions (1)"):
        assert words in out
    assert "files under way (1)" in out
    assert "files before 2026-02-01 removed" in out
    assert call(["state", "show", "--state", str(directory), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["form"] == FORM


def test_show_tells_how_much_it_leaves_out(tmp_path: Path, capsys: Captured) -> None:
    run = Run(tmp_path / "state")
    for table in range(25):
        run.store(5 + table, 1, f"d{table}")
    run.state.close()
    assert call(["state", "show", "--state", str(tmp_path / "state")]) == 0
    assert "and 5 more: --all" in capsys.readouterr().out
    assert call(["state", "show", "--state", str(tmp_path / "state"), "--all"]) == 0
    assert "more: --all" not in capsys.readouterr().out


def test_names_from_outside_do_not_steer_the_terminal(tmp_path: Path, capsys: Captured) -> None:
    run = Run(tmp_path / "state")
    run.store(5, 1, "evil\x1b[2J\nname")
    run.state.close()
    assert call(["state", "show", "--state", str(tmp_path / "state")]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_reset_keeps_a_dated_copy_that_can_be_read(directory: Path, capsys: Captured) -> None:
    before = exported(directory, capsys)
    assert call(["state", "reset", "--state", str(directory), "--yes", "--json"]) == 0
    backup = Path(json.loads(capsys.readouterr().out)["backup"])
    assert backup.parent == directory
    assert backup.name.startswith("backup-20")
    assert not list(directory.glob("checkpoint.db*"))
    kept = exported(backup, capsys)
    assert (kept["checkpoints"], kept["sinks"]) == (before["checkpoints"], before["sinks"])
    assert call(["status", "--state", str(directory), "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["error"] == "state.absent"


def test_two_copies_of_one_second_have_two_names(tmp_path: Path) -> None:
    from afterbay.state.reset import reset
    from tests.support.state import StoppedClock

    names = []
    for _ in range(2):
        Run(tmp_path / "state").state.close()
        kept = reset(tmp_path / "state", StoppedClock(), backup=True)
        assert kept is not None
        names.append(kept.name)
    assert names == ["backup-2026-03-01T12-00-00Z", "backup-2026-03-01T12-00-00Z-2"]


def test_reset_without_a_backup(directory: Path, capsys: Captured) -> None:
    assert call(["state", "reset", "--state", str(directory), "--yes", "--no-backup"]) == 0
    assert sorted(path.name for path in directory.iterdir()) == ["lock"]
    assert "refused there until it is empty, or with --adopt" in capsys.readouterr().err


def test_reset_is_refused_while_a_run_has_the_state(tmp_path: Path, capsys: Captured) -> None:
    run = Run(tmp_path / "state")
    run.store(5, 1)
    assert call(["state", "reset", "--state", str(tmp_path / "state"), "--yes", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["error"] == "state.locked"
    assert run.checkpoint == 5
    close_all()
    assert (tmp_path / "state" / "checkpoint.db").exists()


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_reset_asks_on_a_terminal_and_says_what_follows(
    directory: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert call(["state", "reset", "--state", str(directory)]) == code
    err = capsys.readouterr().err
    assert "the next run starts at the beginning of its sources" in err
    assert f"Remove the state in {directory}? [y/N]" in err
    assert (directory / "checkpoint.db").exists() is (code == 1)


def test_reset_does_nothing_where_nobody_can_be_asked(
    directory: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert call(["state", "reset", "--state", str(directory), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == "call.unconfirmed"
    assert (directory / "checkpoint.db").exists()


def test_a_damaged_state_is_reset_all_the_same(directory: Path, capsys: Captured) -> None:
    (directory / "checkpoint.db").write_bytes(b"no database at all" * 100)
    assert call(["state", "reset", "--state", str(directory), "--yes"]) == 0
    assert not (directory / "checkpoint.db").exists()


@pytest.mark.parametrize("verb", ["show", "export", "reset"])
def test_a_verb_without_a_state_says_so(tmp_path: Path, capsys: Captured, verb: str) -> None:
    assert call(["state", verb, "--state", str(tmp_path), "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["error"] == "state.absent"
    assert call(["state", verb, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == "call.invalid"
