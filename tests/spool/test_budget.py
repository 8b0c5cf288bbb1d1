"""Admission, watermarks and waiting (I8, I9)."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from afterbay.errors import Cancelled
from afterbay.spool.faults import SpoolMisuse
from afterbay.spool.limits import ENTRY_OVERHEAD, Limits
from afterbay.spool.segments import HEADER_BYTES
from afterbay.units import GIB, MIB
from tests.support.encoded import encoded
from tests.support.spool import ON_DISK, PATIENCE, SMALL, FaultyFiles, in_thread, opened

LARGE = SMALL.quota - 20_000


def test_the_default_limits() -> None:
    assert Limits.of() == Limits(10 * GIB, 256 * MIB, 64 * MIB)
    assert Limits.of(100 * MIB) == Limits(100 * MIB, 20 * MIB, 25 * MIB)
    assert Limits.of(100 * MIB, memory=0, segment=MIB) == Limits(100 * MIB, 0, MIB)
    assert Limits.of(1).segment == 1


def test_memory_is_filled_first_and_keeps_room_for_what_goes_to_disk(tmp_path: Path) -> None:
    with opened(tmp_path / "spool") as bench:
        body = SMALL.memory - SMALL.memory // 4 - ENTRY_OVERHEAD
        fits = bench.spool.put(encoded(bytes(body)))
        spills = bench.spool.put(encoded(b"x"))
        assert (fits.in_memory, spills.in_memory) == (True, False)
        levels = bench.spool.levels()
        assert (levels.memory, levels.disk) == (body + 2 * ENTRY_OVERHEAD, HEADER_BYTES + 1)
        fits.release()
        again = bench.spool.put(encoded(b"y"))
        assert again.in_memory


def test_a_small_slice_of_a_large_buffer_is_charged_for_the_buffer(tmp_path: Path) -> None:
    with opened(tmp_path / "spool") as bench:
        whole = encoded(bytes(50_000)).body[0]
        few = encoded(b"\0" * 10)
        sliced = type(few)(few.head, (whole.slice(5, 10),))
        entry = bench.spool.put(sliced)
        assert not entry.in_memory
        assert b"".join(bytes(piece) for piece in entry.read()) == b"\0" * 10


def test_an_oversized_entry_waits_for_an_empty_spool_and_stays_in_memory(tmp_path: Path) -> None:
    with opened(tmp_path / "spool") as bench:
        small = bench.spool.put(encoded(b"small"))
        waits = threading.Event()
        bench.spool.pressure.subscribe(waits.set)
        future = in_thread(lambda: bench.spool.put(encoded(bytes(SMALL.quota))))
        assert waits.wait(PATIENCE)
        small.release()
        huge = future.result(PATIENCE)
        assert bench.meter.totals.quota_waits == 1, "it waited for the small one's end"
        assert huge.oversized
        assert huge.in_memory
        assert bench.spool.pressure.over()
        huge.release()
        assert not bench.spool.pressure.over()


def test_a_put_without_room_waits_for_a_release_and_says_how_long(tmp_path: Path) -> None:
    with opened(tmp_path / "spool", Limits(quota=100_000, memory=60_000, segment=16_000)) as bench:
        held = [bench.spool.put(encoded(bytes(12_000))) for _ in range(7)]
        waits = threading.Event()

        def wake() -> None:
            bench.clock.at += 1.5
            waits.set()

        bench.spool.pressure.subscribe(wake)
        future = in_thread(lambda: bench.spool.put(encoded(bytes(12_000))))
        assert waits.wait(PATIENCE)
        assert bench.spool.pressure.over()
        for entry in held:
            entry.release()
        future.result(PATIENCE).release()
        assert bench.meter.totals.quota_waits == 1
        assert bench.meter.totals.quota_wait_seconds == 1.5


def test_a_wait_below_the_high_watermark_still_asks_the_sink_to_flush(tmp_path: Path) -> None:
    with opened(tmp_path / "spool", Limits(quota=100_000, memory=20_000, segment=100_000)) as bench:
        first = bench.spool.put(encoded(bytes(60_000)))
        assert not bench.spool.pressure.over()
        waits = threading.Event()
        bench.spool.pressure.subscribe(waits.set)
        future = in_thread(lambda: bench.spool.put(encoded(bytes(60_000))))
        assert waits.wait(PATIENCE)
        assert bench.spool.pressure.over()
        first.release()
        future.result(PATIENCE)
        assert not bench.spool.pressure.over()


def test_a_cancelled_wait_leaves_nothing_behind(tmp_path: Path) -> None:
    with opened(tmp_path / "spool") as bench:
        held = bench.spool.put(encoded(bytes(LARGE)))
        before = bench.spool.levels()
        waits = threading.Event()
        bench.spool.pressure.subscribe(waits.set)
        future = in_thread(lambda: bench.spool.put(encoded(bytes(LARGE))))
        assert waits.wait(PATIENCE)
        bench.spool.cancel()
        with pytest.raises(Cancelled):
            future.result(PATIENCE)
        assert bench.spool.levels() == before
        with pytest.raises(Cancelled):
            bench.spool.put(encoded(b"later"))
        held.release()
        bench.spool.drain()
        assert bench.spool.levels().memory + bench.spool.levels().disk == 0


def test_a_put_that_waits_when_the_spool_closes_is_cancelled_a_later_one_is_misuse(tmp_path: Path) -> None:
    with opened(tmp_path / "spool") as bench:
        bench.spool.put(encoded(bytes(LARGE)))
        waits = threading.Event()
        bench.spool.pressure.subscribe(waits.set)
        future = in_thread(lambda: bench.spool.put(encoded(bytes(LARGE))))
        assert waits.wait(PATIENCE)
        bench.spool.close()
        with pytest.raises(Cancelled):
            future.result(PATIENCE)
        with pytest.raises(SpoolMisuse, match="closed"):
            bench.spool.put(encoded(b"late"))


def test_the_high_watermark_suppresses_the_source_and_the_low_one_resumes_it(tmp_path: Path) -> None:
    with opened(tmp_path / "spool", ON_DISK) as bench:
        window, credit = bench.credits()
        wakes: list[str] = []
        bench.spool.pressure.subscribe(lambda: wakes.append("flush"))
        held = []
        while not bench.spool.pressure.over():
            assert window.under_way == 0, "below the high watermark a credit comes back at once"
            held.append(bench.spool.put(encoded(bytes(20_000))))
            taken = credit()
            bench.spool.enqueued(taken)
        levels = bench.spool.levels()
        assert 0.8 * levels.quota < levels.memory + levels.disk < 0.823 * levels.quota
        held.append(bench.spool.put(encoded(bytes(20_000))))
        assert wakes == ["flush"], "once when the mark is passed, not at each entry above it"
        bench.spool.enqueued(credit())
        assert window.under_way == 2
        assert bench.meter.totals.suppressed == 2

        def used() -> float:
            bench.spool.drain()
            levels = bench.spool.levels()
            return (levels.memory + levels.disk) / levels.quota

        while used() > 0.6:
            assert window.under_way == 2, "between the marks nothing changes"
            assert bench.spool.pressure.over()
            held.pop(0).release()
        assert window.under_way == 0
        assert not bench.spool.pressure.over()


def test_a_source_that_is_held_back_is_told_what_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(tmp_path / "spool", ON_DISK) as bench:
        assert bench.spool.levels().held_back == ""
        held = [bench.spool.put(encoded(bytes(20_000))) for _ in range(41)]
        assert bench.spool.levels().held_back == "quota"
        for entry in held:
            entry.release()
        bench.spool.drain()
        assert bench.spool.levels().held_back == ""
    assert not caplog.records, "that is what a quota is for"


def test_small_batches_that_use_up_memory_before_the_quota_are_warned_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limits = Limits(quota=GIB, memory=100 * ENTRY_OVERHEAD, segment=MIB)
    with opened(tmp_path / "spool", limits) as bench:
        for _ in range(2):
            held = [bench.spool.put(encoded(b"few")) for _ in range(97)]
            assert bench.spool.levels().held_back == "memory"
            for entry in held:
                entry.release()
            bench.spool.drain()
            assert bench.spool.levels().held_back == ""
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "0.1 MiB of its quota of 1GiB used" in record.getMessage()
    assert f"each costs {ENTRY_OVERHEAD} bytes" in record.getMessage()


def test_the_number_of_batches_that_are_sure_of_the_disk_is_kept(tmp_path: Path) -> None:
    """With memory full of payloads: what `plan` says is what the spool takes."""
    limits = Limits(quota=GIB, memory=200 * ENTRY_OVERHEAD, segment=MIB)
    assert limits.sure_on_disk == 50
    with opened(tmp_path / "spool", limits) as bench:
        held = [bench.spool.put(encoded(bytes(148 * ENTRY_OVERHEAD)))]
        held += [bench.spool.put(encoded(b"x" * ENTRY_OVERHEAD)) for _ in range(limits.sure_on_disk)]
        assert [entry.in_memory for entry in held] == [True] + [False] * 50
        assert bench.meter.totals.quota_waits == 0


def test_entries_without_bytes_are_bounded_by_what_they_cost_the_heap(tmp_path: Path) -> None:
    """Ten million tiny entries on disk would be nothing to the quota, and everything to the heap."""
    limits = Limits(quota=10 * GIB, memory=100 * ENTRY_OVERHEAD, segment=MIB)
    with opened(tmp_path / "spool", limits) as bench:
        waits = threading.Event()
        held = [bench.spool.put(encoded(b"")) for _ in range(100)]
        assert bench.spool.levels().memory == limits.memory
        assert bench.spool.pressure.over(), "the sink is asked to flush before the heap is used up"
        bench.spool.pressure.subscribe(waits.set)
        future = in_thread(lambda: bench.spool.put(encoded(b"")))
        assert waits.wait(PATIENCE)
        held.pop().release()
        held.append(future.result(PATIENCE))
        assert bench.spool.levels().memory == limits.memory
        for entry in held:
            entry.release()
        assert not bench.spool.pressure.over()


def test_a_spool_without_memory_still_takes_one_entry_after_the_other(tmp_path: Path) -> None:
    with opened(tmp_path / "spool", Limits(quota=100_000, memory=0, segment=10_000)) as bench:
        for _ in range(5):
            entry = bench.spool.put(encoded(b"payload"))
            assert bytes(entry.read()[0]) == b"payload"
            entry.release()


def test_small_entries_that_pin_full_segments_do_not_stop_the_spool(tmp_path: Path) -> None:
    """Each segment holds one large dead entry and one small live one: the disk is full of dead bytes (I8, I9)."""
    with opened(tmp_path / "spool", Limits(quota=100_000, memory=20_000, segment=20_000)) as bench:
        filler = bench.spool.put(encoded(bytes(12_000)))
        small = []
        for _ in range(2):
            large = bench.spool.put(encoded(bytes(18_500)))
            small.append(bench.spool.put(encoded(bytes(1_000))))
            large.release()
        filler.release()
        bench.spool.drain()
        assert [size > 19_000 for size in bench.files().values()] == [True, True], "the small ones keep both files"
        waits = threading.Event()
        bench.spool.pressure.subscribe(waits.set)
        future = in_thread(lambda: bench.spool.put(encoded(bytes(60_000))))
        assert waits.wait(PATIENCE)
        assert bench.spool.pressure.over(), "so the sink flushes the small ones"
        for entry in small:
            entry.release()
        future.result(PATIENCE)


def test_the_active_segment_goes_when_its_last_entry_does(tmp_path: Path) -> None:
    """Its dead bytes alone could hold the level above the low mark, with nothing left to release (I9)."""
    with opened(tmp_path / "spool", Limits(quota=100_000, memory=20_000, segment=100_000)) as bench:
        entry = bench.spool.put(encoded(bytes(85_000)))
        assert bench.spool.pressure.over()
        entry.release()
        bench.spool.drain()
        assert bench.files() == {}
        assert not bench.spool.pressure.over()


def test_a_segment_that_is_not_unlinked_yet_is_paid_for(tmp_path: Path) -> None:
    """A slow disk must not let dying segments pile up beyond what memory pays for."""
    files = FaultyFiles()
    unlinking, go_on = threading.Event(), threading.Event()

    def stall(path: Path) -> None:
        unlinking.set()
        assert go_on.wait(PATIENCE)

    files.before_unlink = stall
    with opened(tmp_path / "spool", SMALL, files) as bench:
        entry = bench.spool.put(encoded(bytes(40_000)))
        stored = bench.spool.levels()
        entry.release()
        assert unlinking.wait(PATIENCE)
        dying = bench.spool.levels()
        assert (dying.memory, dying.disk, dying.entries) == (ENTRY_OVERHEAD, stored.disk, 0)
        go_on.set()
        bench.spool.drain()
        gone = bench.spool.levels()
        assert (gone.memory, gone.disk) == (0, 0)


def test_an_entry_that_is_admitted_wakes_the_sink_only_after_the_lock_is_free(tmp_path: Path) -> None:
    """A wake may ask the spool for its levels: it would hang if the budget called it with its lock held."""
    with opened(tmp_path / "spool") as bench:
        seen: list[int] = []
        bench.spool.pressure.subscribe(lambda: seen.append(in_thread(bench.spool.levels).result(PATIENCE).entries))
        bench.spool.put(encoded(bytes(LARGE)))
        assert seen == [1]
