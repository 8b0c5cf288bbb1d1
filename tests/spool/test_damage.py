"""Damage from outside is an error that says where; wrong bytes never come back (I7). A full disk says what to do."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterbay.errors import RunFailed
from afterbay.spool.faults import SpoolDamaged
from afterbay.spool.limits import Limits
from afterbay.spool.segments import HEADER_BYTES
from afterbay.spool.spool import Entry
from tests.support.encoded import encoded
from tests.support.spool import Bench, FaultyFiles, opened, started

ON_DISK = Limits(quota=1_000_000, memory=16_000, segment=64_000)
BODY = bytes(range(256)) * 64


def only_file(bench: Bench) -> Path:
    (name,) = bench.files()
    return bench.folder / name


def put_two(bench: Bench) -> tuple[Entry, Entry]:
    return bench.spool.put(encoded(BODY)), bench.spool.put(encoded(BODY))


@pytest.mark.parametrize("left", [0, HEADER_BYTES - 1, HEADER_BYTES, len(BODY)])
def test_a_short_file(tmp_path: Path, left: int) -> None:
    with opened(tmp_path / "spool", ON_DISK) as bench:
        first, second = put_two(bench)
        os.truncate(only_file(bench), HEADER_BYTES + len(BODY) + left)
        assert bytes(first.read()[0]) == BODY
        with pytest.raises(SpoolDamaged, match=r"segment-0+1\.spool at offset 16408: the file ends") as caught:
            second.read()
        assert caught.value.code == "spool.damaged"
        assert caught.value.offset == HEADER_BYTES + len(BODY)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, HEADER_BYTES + len(BODY) - 1), flip=st.integers(1, 255))
def test_any_changed_byte_of_header_or_payload_is_seen(
    tmp_path_factory: pytest.TempPathFactory, at: int, flip: int
) -> None:
    with opened(tmp_path_factory.mktemp("folder") / "spool", ON_DISK) as bench:
        entry = bench.spool.put(encoded(BODY))
        with only_file(bench).open("r+b") as file:
            file.seek(at)
            (byte,) = file.read(1)
            file.seek(at)
            file.write(bytes([byte ^ flip]))
        with pytest.raises(SpoolDamaged, match="header of entry 1" if at < HEADER_BYTES else "CRC-32 of entry 1"):
            entry.read()


def test_two_entries_of_the_same_bytes_are_told_apart(tmp_path: Path) -> None:
    """A segment written over with another's content has sound checksums, and is still not what was put."""
    with opened(tmp_path / "spool", ON_DISK) as bench:
        first, second = put_two(bench)
        path = only_file(bench)
        data = path.read_bytes()
        half = len(data) // 2
        path.write_bytes(data[half:] + data[:half])
        for entry in (first, second):
            with pytest.raises(SpoolDamaged, match="header of entry"):
                entry.read()


def test_a_file_that_is_gone_fails_the_read_and_the_next_put(tmp_path: Path) -> None:
    bench = started(tmp_path / "spool", ON_DISK)
    entry = bench.spool.put(encoded(BODY))
    only_file(bench).unlink()
    with pytest.raises(SpoolDamaged, match="the file is gone"):
        entry.read()
    entry.release()
    with pytest.raises(SpoolDamaged, match="gone before it was deleted"):
        bench.spool.drain()
    with pytest.raises(SpoolDamaged):
        bench.spool.put(encoded(b"more"))
    with pytest.raises(SpoolDamaged):
        bench.spool.close()
    with opened(bench.folder):
        assert bench.files() == {}, "a failed close lets go of the folder"


def test_a_file_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    with opened(tmp_path / "spool", ON_DISK) as bench:
        entry = bench.spool.put(encoded(BODY))
        path = only_file(bench)
        path.rename(tmp_path / "moved")
        path.symlink_to(tmp_path / "moved")
        with pytest.raises(SpoolDamaged, match="was replaced"):
            entry.read()


@pytest.mark.parametrize(("error", "code"), [(errno.EIO, "spool.damaged"), (errno.EMFILE, "spool.read")])
def test_a_read_that_the_system_refuses(tmp_path: Path, error: int, code: str) -> None:
    class Refusing(FaultyFiles):
        def read(self, path: Path, offset: int, length: int) -> bytes:
            raise OSError(error, os.strerror(error))

    with opened(tmp_path / "spool", ON_DISK, Refusing()) as bench:
        entry = bench.spool.put(encoded(BODY))
        with pytest.raises(RunFailed, match=r"segment-0+1\.spool") as caught:
            entry.read()
        assert caught.value.code == code


def test_a_disk_that_fills_up_in_the_middle_of_an_entry(tmp_path: Path) -> None:
    files = FaultyFiles()
    with opened(tmp_path / "spool", ON_DISK, files) as bench:
        before = bench.spool.put(encoded(BODY))
        files.full_after = 1000
        with pytest.raises(RunFailed, match="No space left on device") as caught:
            bench.spool.put(encoded(BODY))
        assert caught.value.code == "spool.full"
        assert str(bench.folder) in str(caught.value)
        assert "disk_quota (1MB)" in str(caught.value)
        assert bench.spool.levels().entries == 1
        assert bench.catalog("select refs, state from segments") == [(1, "sealed")]
        files.full_after = None
        behind = bench.spool.put(encoded(BODY))
        assert [bytes(entry.read()[0]) for entry in (before, behind)] == [BODY, BODY]
        before.release()
        behind.release()
        bench.spool.drain()
        assert bench.files() == {}
        assert files.open_descriptors == set()
        assert bench.spool.levels().memory + bench.spool.levels().disk == 0


def test_a_disk_that_fills_up_at_the_first_entry_of_a_segment(tmp_path: Path) -> None:
    files = FaultyFiles()
    with opened(tmp_path / "spool", ON_DISK, files) as bench:
        files.full_after = 0
        with pytest.raises(RunFailed, match=r"\[spool\.full\]"):
            bench.spool.put(encoded(BODY))
        files.no_new_files = True
        with pytest.raises(RunFailed, match=r"\[spool\.full\]"):
            bench.spool.put(encoded(BODY))
        bench.spool.drain()
        assert bench.files() == {}
        levels = bench.spool.levels()
        assert (levels.memory, levels.disk, levels.entries) == (0, 0, 0)


def test_a_write_that_the_system_takes_in_parts_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.pwritev

    def stingy(descriptor: int, pieces: list[memoryview], offset: int) -> int:
        return whole(descriptor, [b"".join(bytes(piece) for piece in pieces)[:1000]], offset)

    with opened(tmp_path / "spool", ON_DISK) as bench:
        monkeypatch.setattr(os, "pwritev", stingy)
        entry = bench.spool.put(encoded(BODY, cuts=7))
        assert bytes(entry.read()[0]) == BODY
        monkeypatch.setattr(os, "pwritev", lambda *_: 0)
        with pytest.raises(RunFailed, match="takes no more bytes"):
            bench.spool.put(encoded(BODY))
