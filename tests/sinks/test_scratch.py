"""Scratch files: nameless, summed as they are written, mapped as they lie, and gone on every path."""

from __future__ import annotations

import errno
import os
import tempfile
import zlib
from pathlib import Path

import pyarrow as pa
import pytest

from afterbay.errors import EnvironmentRefused, RunFailed
from afterbay_nodes.sinks.scratch import Scratch, ScratchFile


def test_size_and_crc_are_those_of_the_bytes_that_are_put(tmp_path: Path) -> None:
    pieces: list[bytes | memoryview | pa.Buffer] = [b"a" * 10, memoryview(b"bc"), pa.py_buffer(b"d" * 70_000), b""]
    whole = b"".join(bytes(memoryview(piece)) for piece in pieces)
    with Scratch(tmp_path).create() as file:
        assert [file.write(piece) for piece in pieces] == [10, 2, 70_000, 0]
        assert (file.size, file.crc) == (len(whole), zlib.crc32(whole))
        assert b"".join(bytes(part) for part in file.parts()) == whole


def test_parts_may_be_read_again_and_outlive_the_file(tmp_path: Path) -> None:
    with Scratch(tmp_path).create() as file:
        file.write(b"twice")
        parts = file.parts()
    assert [bytes(part) for part in parts] == [b"twice"]
    assert [bytes(part) for part in parts] == [b"twice"]


def test_a_file_without_bytes_has_no_parts(tmp_path: Path) -> None:
    with Scratch(tmp_path).create() as file:
        assert list(file.parts()) == []


def test_the_folder_is_made_when_it_is_needed_and_stays_empty(tmp_path: Path) -> None:
    folder = tmp_path / "nodes" / "lake" / "scratch"
    scratch = Scratch(folder)
    scratch.sweep()
    assert not folder.exists()
    with scratch.create() as file:
        file.write(b"x" * 100_000)
        assert list(folder.iterdir()) == [], "no name while it is written"
    assert list(folder.iterdir()) == []
    assert folder.stat().st_mode & 0o077 == 0


def test_where_a_file_needs_a_name_it_loses_it_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "_O_TMPFILE_WORKS", False)
    with Scratch(tmp_path).create() as file:
        file.write(b"x")
        assert list(tmp_path.iterdir()) == []
        assert [bytes(part) for part in file.parts()] == [b"x"]


def test_a_start_sweeps_what_a_kill_left_between_name_and_unlink(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(path: str) -> None:
        raise Killed

    with monkeypatch.context() as faults:
        faults.setattr(tempfile, "_O_TMPFILE_WORKS", False)
        faults.setattr(tempfile._os, "unlink", killed)  # type: ignore[attr-defined]
        with pytest.raises(Killed):
            Scratch(tmp_path).create()
    assert len(list(tmp_path.iterdir())) == 1
    Scratch(tmp_path).sweep()
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_leaves_alone_what_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    Scratch(tmp_path).sweep()
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_what_cannot_be_swept_is_told(tmp_path: Path) -> None:
    (tmp_path / "flush-folder").mkdir()
    with pytest.raises(EnvironmentRefused, match=r"\[cloud_storage.scratch\]"):
        Scratch(tmp_path).sweep()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFailed, match="a file cannot be assembled in") as refused:
        Scratch(tmp_path / "file" / "scratch").create()
    assert refused.value.code == "cloud_storage.scratch"


class Filling:
    """A disk that takes `room` bytes, a few at a time."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken = b""

    def write(self, data: memoryview) -> int:
        if len(self.taken) >= self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = bytes(data[: min(7, self.room - len(self.taken))])
        self.taken += part
        return len(part)

    def close(self) -> None:
        pass


def test_a_write_that_the_system_takes_in_parts_is_whole(tmp_path: Path) -> None:
    disk = Filling(1000)
    with ScratchFile(disk, tmp_path) as file:  # type: ignore[arg-type]
        assert file.write(b"0123456789" * 10) == 100
    assert disk.taken == b"0123456789" * 10


def test_a_disk_that_fills_up_is_told_with_its_folder(tmp_path: Path) -> None:
    with ScratchFile(Filling(50), tmp_path) as file:  # type: ignore[arg-type]
        file.write(b"x" * 40)
        with pytest.raises(RunFailed, match="No space left on device") as refused:
            file.write(b"x" * 40)
    assert str(tmp_path) in str(refused.value)
    assert "state directory" in str(refused.value)
