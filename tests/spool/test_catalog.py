"""The catalog follows the segments: in groups, bounded, and never silently behind."""

from __future__ import annotations

import re
import sqlite3
import threading
from pathlib import Path

import pytest

from afterbay.errors import RunFailed
from afterbay.spool.catalog import GROUP_NOTES, Catalog
from afterbay.spool.limits import Limits
from tests.support.encoded import encoded
from tests.support.spool import PATIENCE, FaultyFiles, StillClock, in_thread, opened, rows, started

ON_DISK = Limits(quota=1_000_000, memory=40_000, segment=20_000)
BODY = bytes(31_000)
HEAD = encoded(b"payload").head


@pytest.fixture
def failures() -> list[RunFailed]:
    return []


@pytest.fixture
def catalog(tmp_path: Path, failures: list[RunFailed]) -> Catalog:
    return Catalog(tmp_path / "spool.db", "spool", 1000, StillClock(), failures.append)


def test_a_row_says_what_lies_where(tmp_path: Path) -> None:
    with opened(tmp_path / "spool", ON_DISK) as bench:
        bench.spool.put(encoded(BODY, table="o'rders\ud800", commit_ts=2**64 - 1))
        assert bench.catalog("select * from segments") == [(1, "segment-0000000000000001.spool", 31_024, 1, "active")]
        last = "18446744073709551615"
        assert bench.catalog("select * from entries") == [
            (1, 1, 0, 31_000, encoded(BODY).head.crc, "shop.o'rders\\ud800", 1, last, 0, last, 0)
        ]


def test_an_entry_that_ends_before_the_commit_is_never_written(tmp_path: Path, catalog: Catalog) -> None:
    statements: list[str] = []
    catalog._connection.set_trace_callback(statements.append)
    catalog.opened(1, "segment")
    catalog.added(1, 1, 0, 31, HEAD)
    catalog.added(2, 1, 31, 31, HEAD)
    catalog.removed(1, 1)
    catalog.close()
    assert rows(tmp_path, "select id, bytes, refs from segments") == [(1, 62, 1)]
    assert rows(tmp_path, "select id from entries") == [(2,)]
    assert sum(text.startswith("insert into entries") for text in statements) == 1


def test_a_full_group_does_not_wait_for_time_to_pass(tmp_path: Path, catalog: Catalog) -> None:
    """The clock stands still, so only the number of notes can end the wait."""
    committed = threading.Event()
    catalog._connection.set_trace_callback(lambda text: committed.set() if text == "commit" else None)
    catalog.opened(1, "segment")
    for number in range(GROUP_NOTES):
        assert not committed.is_set()
        catalog.added(number, 1, 0, 31, HEAD)
    assert committed.wait(PATIENCE)
    catalog.close()


def test_many_entries_share_a_commit(tmp_path: Path, catalog: Catalog) -> None:
    statements: list[str] = []
    catalog._connection.set_trace_callback(statements.append)
    catalog.opened(1, "segment")
    for number in range(GROUP_NOTES // 2):
        catalog.added(number, 1, 0, 31, HEAD)
    catalog.drain()
    assert statements.count("commit") == 1
    catalog.close()


def test_what_stops_the_catalog_stops_the_spool(tmp_path: Path, catalog: Catalog, failures: list[RunFailed]) -> None:
    catalog.opened(1, "segment")
    catalog.opened(1, "the same number again")
    with pytest.raises(RunFailed, match="UNIQUE") as caught:
        catalog.drain()
    assert caught.value.code == "spool.write"
    assert failures == [caught.value]
    with pytest.raises(RunFailed):
        catalog.close()


def test_a_full_disk_under_the_catalog_says_so(tmp_path: Path, catalog: Catalog) -> None:
    catalog._connection.execute("pragma max_page_count = 1")
    catalog.opened(1, "s" * 100_000)
    with pytest.raises(RunFailed, match=re.escape("[spool.full] cannot write spool.db")):
        catalog.drain()
    with pytest.raises(RunFailed):
        catalog.close()


def test_an_error_nobody_foresaw_still_ends_the_waiting(catalog: Catalog) -> None:
    def unlink() -> None:
        raise ZeroDivisionError

    catalog.condemned(1, unlink)
    with pytest.raises(RunFailed, match=r"\[spool\.catalog\].*ZeroDivisionError"):
        catalog.drain()
    with pytest.raises(RunFailed):
        catalog.close()


def test_a_put_that_waits_for_room_learns_that_none_can_be_made(tmp_path: Path) -> None:
    files = FaultyFiles()

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    files.before_unlink = refuse
    bench = started(tmp_path / "spool", ON_DISK, files)
    waits = threading.Event()
    entry = bench.spool.put(encoded(bytes(900_000)))
    bench.spool.pressure.subscribe(waits.set)
    future = in_thread(lambda: bench.spool.put(encoded(bytes(900_000))))
    assert waits.wait(PATIENCE)
    entry.release()
    with pytest.raises(RunFailed, match="Permission denied") as caught:
        future.result(PATIENCE)
    assert caught.value.code == "spool.write"
    with pytest.raises(RunFailed, match="Permission denied"):
        bench.spool.close()


def test_a_reader_may_look_while_the_spool_works(tmp_path: Path) -> None:
    with opened(tmp_path / "spool", ON_DISK) as bench:
        reader = sqlite3.connect(f"file:{bench.folder / 'spool.db'}?mode=ro", uri=True)
        reader.execute("begin")
        assert reader.execute("select count(*) from segments").fetchone() == (0,)
        entry = bench.spool.put(encoded(BODY))
        assert bench.catalog("select count(*) from segments") == [(1,)]
        entry.release()
        assert bench.catalog("select count(*) from segments") == [(0,)]
        assert reader.execute("select count(*) from segments").fetchone() == (0,)
        reader.close()
