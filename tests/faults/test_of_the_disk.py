"""What a user sees of each fault of the disk below spool and state: the error's code, its way out, and that nothing is
lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from afterbay.cli.failure import Failure
from afterbay_nodes.sources import log_reader
from afterbay_nodes.storage.local import LocalStore
from tests.failures.test_of_flow import until
from tests.support.canal import ddl, row, watermark
from tests.support.cli import afterbay
from tests.support.disturbed import counted_connections
from tests.support.points import Fault, arm
from tests.support.road import Road, small_batches

ROWS = 2000
LINES = [
    ddl(5, "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(99))"),
    *(row("t", 10 + n, {"id": str(n), "v": "x" * 60}) for n in range(ROWS)),
    watermark(9000),
]


@pytest.fixture
def road(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Road:
    """Everything goes through segments, of which there are several."""
    small_batches(monkeypatch)
    monkeypatch.setattr(log_reader, "BLOCK", 16_384)
    spool = {"memory": "32KiB", "disk_quota": "1MiB", "segment": "16KiB"}
    return Road(tmp_path, {"date_separator": "none", "file_size": "4KiB"}, spool=spool)


def fails(road: Road, exit_code: int = 1) -> Failure:
    """How a run fails."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - its code is what is looked at
        road.run(*LINES)
    failure = Failure.of(caught.value)
    assert failure.exit_code == exit_code
    return failure


def code_of(failure: Failure) -> str:
    return failure.diagnostics[0].code


def ends_well(road: Road) -> None:
    road.run(*LINES)
    bucket = road.read(date="none")
    assert [found.values[0] for found in bucket.rows("shop", "t")] == [str(n) for n in range(ROWS)]
    assert (bucket.unindexed, bucket.checkpoint) == ((), 9000)


def test_no_space_for_the_spool(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as faults:
        arm([Fault("disk.pwritev", 3, "before", "enospc")], put=faults.setattr)
        failure = fails(road)
    assert code_of(failure) == "spool.full"
    assert "disk_quota" in str(failure.diagnostics[0])
    ends_well(road)


def commits(road: Road, monkeypatch: pytest.MonkeyPatch, error: Callable[[sqlite3.Connection], None]) -> None:
    """From the sixth commit of the state on, `error` comes before it."""
    count = 0

    def wrap(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(connection: sqlite3.Connection, *given: Any) -> Any:
            nonlocal count
            count += 1
            if count >= 6:
                error(connection)
            return call(connection, *given)

        return counted

    monkeypatch.setattr(sqlite3, "connect", counted_connections(wrap))


def test_no_space_for_the_state(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite itself says so: the database may not grow, and what is committed does not fit."""

    def fills(connection: sqlite3.Connection) -> None:
        sqlite3.Connection.execute(connection, "pragma max_page_count = 1")
        sqlite3.Connection.execute(connection, "create table large as select zeroblob(1000000) as data")

    with monkeypatch.context() as faults:
        commits(road, faults, fills)
        failure = fails(road, exit_code=3)
    assert code_of(failure) == "state.full"
    assert "free space" in str(failure.diagnostics[0].hint)
    ends_well(road)


def test_a_state_whose_fsync_fails(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """What SQLite raises when its fsync fails; the checkpoint stays where it was, and the next run goes on from it."""

    def breaks(connection: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        raise error

    with monkeypatch.context() as faults:
        commits(road, faults, breaks)
        failure = fails(road, exit_code=3)
    assert code_of(failure) == "state.io"
    assert "check the disk" in str(failure.diagnostics[0].hint)
    ends_well(road)


@pytest.mark.parametrize(("point", "call"), [("disk.fsync", 20), ("disk.fdatasync", 8)])
def test_a_store_on_a_disk_whose_fsync_fails(
    road: Road, monkeypatch: pytest.MonkeyPatch, point: str, call: int
) -> None:
    """Never tried again: after a failed fsync the system may have thrown the bytes away (I1)."""
    with monkeypatch.context() as faults:
        arm([Fault(point, call, "before", "eio")], put=faults.setattr)
        failure = fails(road)
    assert code_of(failure) == "store.refused"
    assert "Input/output error" in str(failure.diagnostics[0])
    ends_well(road)


@contextmanager
def with_segments(road: Road, monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], None]) -> Iterator[None]:
    """The store takes the first file only after `harm` was done to the spool's folder, where more waits by then."""
    put = LocalStore.put_if_absent
    done = False

    def harmed(self: LocalStore, key: str, *given: Any) -> None:
        nonlocal done
        if key.endswith(".csv") and not done:
            done = True
            (catalog,) = (road.folder / "state").rglob("spool.db")
            until(lambda: len(segments(catalog.parent)) >= 2)
            harm(catalog.parent)
        put(self, key, *given)

    with monkeypatch.context() as faults:
        faults.setattr(LocalStore, "put_if_absent", harmed)
        yield
    assert done


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("segment-*.spool"))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize(
    "harm", [lambda path: path.unlink(), flip, lambda path: path.write_bytes(b"")], ids=["deleted", "damaged", "empty"]
)
def test_a_segment_that_is_deleted_or_damaged(
    road: Road, monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], None]
) -> None:
    """The run fails, never stores other bytes (I7), and the next one gets the rows from the source again."""

    def all_of_them(folder: Path) -> None:
        for path in segments(folder):
            harm(path)

    road.sink |= {"upload_concurrency": 1, "flush_interval": "10m", "file_size": "8KiB"}
    with with_segments(road, monkeypatch, all_of_them):
        failure = fails(road)
    damaged = [item for item in failure.diagnostics if item.code == "spool.damaged"]
    assert damaged, str(failure)
    assert "segment-" in str(damaged[0])
    assert damaged[0].to_dict()["protects"] == "I7"
    ends_well(road)


def test_a_damaged_spool_db_is_made_anew(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a cache: the next start discards it."""
    with monkeypatch.context() as faults:
        arm([Fault("sink.flush", 1, "before", "raise")], put=faults.setattr)
        fails(road)
    (catalog,) = (road.folder / "state").rglob("spool.db")
    catalog.write_bytes(b"no database at all" * 500)
    ends_well(road)


def test_a_damaged_checkpoint_db_is_refused_with_the_way_out(road: Road) -> None:
    """And the way out leads to a run that stores what is missing, once."""
    half = len(LINES) // 2
    file = road.write(*LINES[:half], watermark(5 + half))
    assert afterbay("run", file, cwd=road.folder).exit_code == 0
    for part in (road.folder / "state").glob("checkpoint.db*"):
        part.unlink() if part.name != "checkpoint.db" else part.write_bytes(b"no database at all" * 500)
    refused = afterbay("run", file, "--json", cwd=road.folder)
    assert (refused.exit_code, refused.codes) == (3, ["state.corrupt"])
    assert "afterbay state rebuild" in refused.data["diagnostics"][0]["hint"]
    rebuilt = afterbay("state", "rebuild", file, "--from-store", "--yes", "--json", cwd=road.folder)
    assert rebuilt.exit_code == 0, rebuilt.out
    ends_well(road)
