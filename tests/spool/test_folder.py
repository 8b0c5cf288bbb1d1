"""The spool's folder: its own files are swept, foreign ones are refused by name, two spools never share it (I10)."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from afterbay.errors import EnvironmentRefused
from afterbay.spool import folder as folder_module
from afterbay.spool.folder import Folder
from tests.support.spool import opened, rows


def test_a_start_makes_the_folder_for_its_owner_only(tmp_path: Path) -> None:
    with opened(tmp_path / "deep" / "spool") as bench:
        assert bench.folder.stat().st_mode & 0o777 == 0o700


def test_a_start_discards_what_a_dead_process_left(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    with opened(folder):
        pass
    (folder / "segment-00000000000000ff.spool").write_bytes(b"left behind")
    (folder / "spool.db").write_bytes(b"not a database any more")
    (folder / "spool.db-wal").write_bytes(b"torn")
    with opened(folder) as bench:
        assert bench.files() == {}
        assert bench.catalog("select count(*) from segments") == [(0,)]


@pytest.mark.parametrize("name", ["notes.txt", "segment-1.spool", "segment-00000000000000FF.spool", ".hidden"])
def test_a_foreign_file_is_refused_by_name_and_nothing_is_removed(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "spool"
    with opened(folder):
        pass
    left = folder / "segment-0000000000000001.spool"
    left.write_bytes(b"left behind")
    (folder / name).write_bytes(b"precious")
    with pytest.raises(EnvironmentRefused, match=f"holds '{name}'") as caught:
        Folder.claim(folder)
    assert caught.value.code == "spool.foreign"
    assert (folder / name).read_bytes() == b"precious"
    assert left.exists()


def test_a_name_that_would_steer_a_terminal_is_shown_as_text(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    (folder / "\x1b[2J").touch()
    with pytest.raises(EnvironmentRefused, match=r"holds '\\x1b\[2J'"):
        Folder.claim(folder)


def test_a_folder_with_files_of_our_names_that_was_never_a_spools_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    (folder / "spool.db").write_bytes(b"another program's")
    with pytest.raises(EnvironmentRefused, match=r"spool\.foreign"):
        Folder.claim(folder)
    assert [path.name for path in folder.iterdir()] == ["spool.db"]


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_an_own_name_that_is_no_plain_file_is_refused(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "spool"
    with opened(folder):
        pass
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    odd = folder / "segment-0000000000000001.spool"
    odd.symlink_to(target) if kind == "link" else odd.mkdir()
    with pytest.raises(EnvironmentRefused, match=r"spool\.foreign"):
        Folder.claim(folder)
    assert target.read_bytes() == b"precious"


def test_a_second_spool_in_the_same_folder_is_refused_and_names_the_holder(tmp_path: Path) -> None:
    with opened(tmp_path / "spool") as bench:
        with pytest.raises(EnvironmentRefused, match=f"in use by process {os.getpid()}") as caught:
            Folder.claim(bench.folder)
        assert caught.value.code == "spool.locked"
    Folder.claim(tmp_path / "spool").release()


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    hold = (
        "import os, sys, signal; from pathlib import Path; from afterbay.spool.folder import Folder; "
        "held = Folder.claim(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", hold, str(tmp_path / "spool")], check=False)
    assert killed.returncode < 0
    Folder.claim(tmp_path / "spool").release()


def test_a_process_that_is_dying_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A takeover after SIGKILL: the kernel frees the state's lock first, and the spool's a moment later."""
    Folder.claim(tmp_path / "spool").release()
    held = os.open(tmp_path / "spool" / "spool.lock", os.O_RDWR)
    os.pwrite(held, b"1\n".ljust(20), 0)  # of another process
    fcntl.flock(held, fcntl.LOCK_EX)
    looks: list[float] = []

    def passes(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            os.close(held)

    monkeypatch.setattr(time, "sleep", passes)
    Folder.claim(tmp_path / "spool").release()
    assert len(looks) == 3


def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"")
    with pytest.raises(EnvironmentRefused, match=r"\[spool\.folder\]") as caught:
        Folder.claim(tmp_path / "spool")
    assert caught.value.exit_code == 3


def test_a_catalog_that_cannot_be_made_gives_the_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", refuse)
        with (
            pytest.raises(EnvironmentRefused, match=r"spool\.db cannot be made: unable to open"),
            opened(tmp_path / "spool"),
        ):
            pass
    with opened(tmp_path / "spool"):
        pass
    assert rows(tmp_path / "spool", "select name from _sqlite_migrations") == [("m0001_initial",)]


def test_the_lock_is_on_the_disk_before_any_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss of power may leave any of the names that were not synced: without its lock it would be a stranger's."""
    synced: list[list[str]] = []
    monkeypatch.setattr(
        folder_module, "sync_folder", lambda path: synced.append([item.name for item in path.iterdir()])
    )
    with opened(tmp_path / "spool"):
        pass
    assert synced == [["spool.lock"]]
