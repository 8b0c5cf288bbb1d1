"""An entry's life, and its ends: right ones and misuse (I7)."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from afterbay.errors import RunFailed
from afterbay.messages import EncodedBatch
from afterbay.spool.faults import SpoolMisuse
from afterbay.spool.limits import ENTRY_OVERHEAD, Limits
from tests.support.encoded import encoded
from tests.support.spool import PATIENCE, SMALL, FaultyFiles, in_thread, opened

ONLY_DISK = Limits(
    quota=SMALL.quota, memory=4 * ENTRY_OVERHEAD, segment=16_000
)  # a payload of 4 KB finds no room in memory
BODY = bytes(range(256)) * 16


def test_an_entry_in_memory_gives_the_very_buffers_that_it_got(tmp_path: Path) -> None:
    with opened(tmp_path / "spool") as bench:
        batch = encoded(b"line 1\r\nline 2\r\n", cuts=2)
        entry = bench.spool.process(batch)
        assert [piece is given for piece, given in zip(entry.read(), batch.body, strict=True)] == [True, True]
        assert entry.head is batch.head
        assert entry.nbytes == 16


@pytest.mark.parametrize("cuts", [1, 2, 1023, 1024, 3000])
def test_an_entry_in_a_segment_comes_back_in_one_piece(tmp_path: Path, cuts: int) -> None:
    """Also with more buffers than the system takes in one call."""
    with opened(tmp_path / "spool", ONLY_DISK) as bench:
        before, entry, behind = (bench.spool.put(encoded(BODY, cuts=count)) for count in (1, cuts, 1))
        assert not entry.in_memory
        assert [bytes(piece) for piece in entry.read()] == [BODY]
        assert [bytes(item.read()[0]) for item in (before, behind)] == [BODY, BODY]


def test_an_entry_larger_than_a_segment_gets_one_of_its_own(tmp_path: Path) -> None:
    with opened(tmp_path / "spool", ONLY_DISK) as bench:
        bench.spool.put(encoded(BODY))
        large = bench.spool.put(encoded(bytes(30_000)))
        bench.spool.put(encoded(BODY))
        assert [size // 4_000 for size in bench.files().values()] == [1, 7, 1]
        assert bytes(large.read()[0]) == bytes(30_000)


@pytest.mark.parametrize("limits", [SMALL, ONLY_DISK], ids=["memory", "segment"])
class TestEnds:
    def test_released_twice(self, tmp_path: Path, limits: Limits) -> None:
        with opened(tmp_path / "spool", limits) as bench:
            entry, other = bench.spool.put(encoded(BODY)), bench.spool.put(encoded(BODY))
            entry.release()
            left = bench.spool.levels()
            with pytest.raises(SpoolMisuse, match=r"shop\.orders was released twice"):
                entry.release()
            bench.spool.drain()
            assert bench.spool.levels() == left
            assert bytes(other.read()[0]) == BODY

    def test_read_after_release(self, tmp_path: Path, limits: Limits) -> None:
        with opened(tmp_path / "spool", limits) as bench:
            entry = bench.spool.put(encoded(BODY))
            entry.release()
            with pytest.raises(SpoolMisuse, match="read after its end"):
                entry.read()

    def test_after_close_a_release_is_right_once_and_a_read_is_misuse(self, tmp_path: Path, limits: Limits) -> None:
        with opened(tmp_path / "spool", limits) as bench:
            entry = bench.spool.put(encoded(BODY))
            bench.spool.close()
            assert bench.files() == {}
            with pytest.raises(SpoolMisuse):
                entry.read()
            entry.release()
            levels = bench.spool.levels()
            assert (levels.memory, levels.disk, levels.entries, levels.segments) == (0, 0, 0, 0)
            with pytest.raises(SpoolMisuse):
                entry.release()

    def test_put_after_close(self, tmp_path: Path, limits: Limits) -> None:
        with opened(tmp_path / "spool", limits) as bench:
            bench.spool.close()
            with pytest.raises(SpoolMisuse, match="closed") as caught:
                bench.spool.put(encoded(BODY))
            assert caught.value.code == "spool.misuse"
            assert bench.spool.levels().entries == 0


def test_a_shared_entry_lives_until_its_last_holder_releases_it(tmp_path: Path) -> None:
    with opened(tmp_path / "spool") as bench:
        entry = bench.spool.put(encoded(b"line\r\n"))
        entry.share(1)
        entry.release()
        assert b"".join(bytes(part) for part in entry.read()) == b"line\r\n", "the other holder can still read"
        entry.release()
        assert bench.spool.levels().entries == 0
        with pytest.raises(SpoolMisuse, match="released twice"):
            entry.release()
        with pytest.raises(SpoolMisuse, match="after its end"):
            entry.share(1)


def test_sixteen_threads_release_one_entry_and_one_of_them_is_right(tmp_path: Path) -> None:
    with opened(tmp_path / "spool") as bench:
        entry = bench.spool.put(encoded(BODY))
        together = threading.Barrier(16)

        def release() -> bool:
            together.wait(PATIENCE)
            try:
                entry.release()
            except SpoolMisuse:
                return False
            return True

        outcomes = [future.result(PATIENCE) for future in [in_thread(release) for _ in range(16)]]
        assert sum(outcomes) == 1
        assert bench.spool.levels().memory == 0


def test_a_body_that_is_not_as_long_as_its_head_says_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "spool") as bench:
        right, wrong = encoded(b"12345"), encoded(b"1234")
        with pytest.raises(RunFailed, match="says that it has 5 bytes, and has 4") as caught:
            bench.spool.put(EncodedBatch(right.head, wrong.body))
        assert caught.value.code == "spool.size"
        assert bench.spool.levels().entries == 0


def test_closing_gives_back_the_credits_that_were_withheld(tmp_path: Path) -> None:
    with opened(tmp_path / "spool") as bench:
        window, credit = bench.credits()
        bench.spool.put(encoded(bytes(SMALL.quota)))
        bench.spool.enqueued(credit())
        assert window.under_way == 1
        bench.spool.close()
        bench.spool.close()
        assert window.under_way == 0


def test_admission_and_release_go_on_while_a_segment_is_being_written(tmp_path: Path) -> None:
    files = FaultyFiles()
    writing, go_on = threading.Event(), threading.Event()
    with opened(tmp_path / "spool", ONLY_DISK, files) as bench:
        stored = bench.spool.put(encoded(BODY))

        def stall() -> None:
            writing.set()
            assert go_on.wait(PATIENCE)

        files.before_write = stall
        slow = in_thread(lambda: bench.spool.put(encoded(BODY)))
        assert writing.wait(PATIENCE)
        assert bytes(stored.read()[0]) == BODY
        stored.release()
        in_memory = bench.spool.put(encoded(b"small"))
        assert in_memory.in_memory
        in_memory.release()
        assert not slow.done()
        go_on.set()
        entry = slow.result(PATIENCE)
        assert bytes(entry.read()[0]) == BODY, "the last release before it did not take its segment away"


def test_an_entry_that_was_admitted_just_before_the_close_is_not_written_after_it(tmp_path: Path) -> None:
    files = FaultyFiles()
    with opened(tmp_path / "spool", SMALL, files) as bench:
        bench.spool.pressure.subscribe(bench.spool.close)  # called between admission and write
        with pytest.raises(SpoolMisuse, match="closed"):
            bench.spool.put(encoded(bytes(SMALL.quota - 20_000)))
        assert bench.files() == {}
        assert files.open_descriptors == set()
        levels = bench.spool.levels()
        assert (levels.memory, levels.disk, levels.entries) == (0, 0, 0)


def test_closing_waits_for_a_write_under_way(tmp_path: Path) -> None:
    files = FaultyFiles()
    writing, go_on = threading.Event(), threading.Event()

    def stall() -> None:
        writing.set()
        assert go_on.wait(PATIENCE)

    files.before_write = stall
    with opened(tmp_path / "spool", ONLY_DISK, files) as bench:
        slow = in_thread(lambda: bench.spool.put(encoded(BODY)))
        assert writing.wait(PATIENCE)
        closing = in_thread(bench.spool.close)
        go_on.set()
        closing.result(PATIENCE)
        slow.result(PATIENCE).release()
        assert bench.files() == {}
        assert files.open_descriptors == set()
        assert bench.spool.levels().memory == 0
