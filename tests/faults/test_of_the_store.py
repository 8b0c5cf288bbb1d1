"""What a user sees of each fault of the store: which error, or that it only took longer; and that nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from afterbay.cli.failure import Failure
from afterbay_nodes.sinks import storage_sink
from afterbay_nodes.storage import local_file
from afterbay_nodes.storage.local import LocalStore
from afterbay_nodes.storage.store import ObjectInfo, StoreOptions
from tests.chaos.stores import S3Root
from tests.reader.bucket import Bucket, read_bucket
from tests.reader.csv_rows import CsvDialect
from tests.reader.paths import StoreShape
from tests.support import faulty_store
from tests.support.canal import ddl, row, watermark
from tests.support.cli import afterbay
from tests.support.clock import ManualClock
from tests.support.faulty_proxy import Fault as Spoilt
from tests.support.faulty_proxy import Proxy, Request, faulty_proxy
from tests.support.points import Fault, arm
from tests.support.road import Road, small_batches
from tests.support.stores import s3_client, s3_server

ROWS = 60
LINES = [
    ddl(5, "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(99))"),
    *(row("t", 10 + n, {"id": str(n), "v": "x" * 60}) for n in range(ROWS)),
    watermark(900),
]
FORMAT = {"date_separator": "none", "file_size": "1KiB"}
WANTED = [str(n) for n in range(ROWS)]


@pytest.fixture
def road(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Road:
    small_batches(monkeypatch)
    return Road(tmp_path, dict(FORMAT))


@pytest.fixture
def proxy(road: Road) -> Iterator[Proxy]:
    """The network before an S3 server that the road leads to."""
    with s3_server("chaos") as server, faulty_proxy(server) as proxy:
        client = s3_client(server)
        road.s3 = S3Root(client, proxy, "root", road.folder / "copy")  # type: ignore[attr-defined]
        road.sink["uri"] = road.s3.uri  # type: ignore[attr-defined]
        yield proxy
        client.close()


def fails(road: Road) -> str:
    """The code of the failure of a run, whose exit code is 1."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - its code is what is looked at
        road.run(*LINES)
    failure = Failure.of(caught.value)
    assert failure.exit_code == 1
    return failure.diagnostics[0].code


def look(road: Road) -> Bucket:
    """What a consumer sees."""
    root = road.s3.fetch() if hasattr(road, "s3") else road.lake
    return read_bucket(root, StoreShape("csv", date="none"), CsvDialect(commit_ts=True))


def stored(road: Road) -> list[str | None]:
    """The ids that are stored, where nothing is wrong."""
    bucket = look(road)
    assert (bucket.findings, bucket.unindexed) == ((), ())
    return [found.values[0] for found in bucket.rows("shop", "t")]


def brief(monkeypatch: pytest.MonkeyPatch, **options: float) -> None:
    """A store that gives up soon."""
    monkeypatch.setattr(storage_sink, "StoreOptions", partial(StoreOptions, **options))


def puts(fault: Spoilt, times: int) -> Callable[[Request], Spoilt]:
    """The first tries of each data file, index and checkpoint meet `fault`."""
    left: dict[str, int] = {}

    def choose(request: Request) -> Spoilt:
        if request.method != "PUT" or "probe" in request.path:
            return Spoilt.NONE
        left[request.path] = left.get(request.path, times) - 1
        return fault if left[request.path] >= 0 else Spoilt.NONE

    return choose


def test_a_slow_store_only_takes_longer(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = [Fault(point, 1, "before", "slow", times=1000, seconds=0.01) for point in ("store.put", "store.replace")]
    with monkeypatch.context() as faults:
        arm(slow, put=faults.setattr)
        assert road.run(*LINES).rows_stored == ROWS
    assert stored(road) == WANTED


def test_a_store_that_throttles_is_asked_again(road: Road, proxy: Proxy) -> None:
    proxy.choose = puts(Spoilt.REFUSE, 1)
    assert road.run(*LINES).rows_stored == ROWS
    assert stored(road) == WANTED


def test_a_store_that_throttles_for_ever_ends_the_run_and_the_next_one_goes_on(
    road: Road, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as faults:
        brief(faults, tries_deadline=0.3)
        proxy.choose = puts(Spoilt.REFUSE, 10_000)
        assert fails(road) == "store.gave_up"
    assert look(road).rows("shop", "t") == []
    proxy.choose = lambda request: Spoilt.NONE
    road.run(*LINES)
    assert stored(road) == WANTED


@pytest.mark.parametrize("fault", [Spoilt.LATE, Spoilt.LOSE_ANSWER], ids=["before", "after"])
def test_a_write_that_fails_before_or_after_its_bytes_are_durable_is_made_once(
    road: Road, proxy: Proxy, fault: Spoilt
) -> None:
    """What the network held back arrives at the end, and takes nothing back."""
    proxy.choose = puts(fault, 1)
    assert road.run(*LINES).rows_stored == ROWS
    assert stored(road) == WANTED
    statuses = proxy.deliver()
    assert bool(statuses) == (fault is Spoilt.LATE)
    assert set(statuses) <= {412}
    assert stored(road) == WANTED


@pytest.mark.parametrize("point", ["store.put", "store.replace"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_folder_that_fails_before_or_after_its_bytes_are_durable_fails_the_run(
    road: Road, monkeypatch: pytest.MonkeyPatch, point: str, when: Any
) -> None:
    with monkeypatch.context() as faults:
        arm([Fault(point, 4, when, "eio")], put=faults.setattr)
        assert fails(road) == "node.failed"
    assert look(road).findings == ()
    road.run(*LINES)
    assert stored(road) == WANTED


def test_a_store_that_hangs_ends_the_run_at_its_deadline_and_the_next_one_goes_on(
    road: Road, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as faults:
        brief(faults, read_timeout=0.1, tries_deadline=0.5)
        proxy.choose = puts(Spoilt.HANG, 10_000)
        assert fails(road) == "store.gave_up"
    proxy.choose = lambda request: Spoilt.NONE
    road.run(*LINES)
    assert stored(road) == WANTED


def truncates(part: str) -> Callable[[int, Sequence[memoryview]], None]:
    """A disk that keeps half of some objects, and says that all is well."""
    write = local_file.write_durably

    def written(file: int, views: Sequence[memoryview]) -> None:
        data = b"".join(bytes(view) for view in views)
        write(file, [memoryview(data[: len(data) // 2] if part.encode() in data else data)])

    return written


def dies_behind_a_file(call: str, key: str, when: str) -> None:
    if key.endswith(".csv") and when == "after":
        raise ConnectionError(key)


def test_an_object_that_the_store_truncates_is_found_by_verify(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as faults:
        faults.setattr(local_file, "write_durably", truncates('"I","t","shop",10,'))
        road.run(*LINES)
    checked = afterbay("verify", road.lake, "--json", cwd=road.folder)
    assert checked.exit_code == 1
    assert "CDC00000000000000000001.csv" in checked.out


def test_an_object_that_was_truncated_when_the_process_died_is_refused_by_name(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as faults:
        faults.setattr(local_file, "write_durably", truncates('"I","t","shop",10,'))
        faulty_store.install(faults, dies_behind_a_file)
        assert fails(road) == "node.failed"
    assert fails(road) == "recovery.mismatch"
    (road.lake / "shop/t/5/CDC00000000000000000001.csv").unlink()  # as the hint says
    road.run(*LINES)
    assert stored(road) == WANTED


@pytest.mark.parametrize("step", [-90_000.0, 90_000.0])
def test_a_clock_that_is_turned_moves_no_rows(road: Road, monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    """Dates in paths never go back, so a reader's order stays that of the commits (I4)."""
    road.clock = clock = ManualClock()
    road.sink |= {"date_separator": "day", "time_zone": "UTC", "upload_concurrency": 1}
    turned = LocalStore.put_if_absent

    def put(self: LocalStore, *given: Any) -> None:
        turned(self, *given)
        clock.step(step)

    with monkeypatch.context() as faults:
        faults.setattr(LocalStore, "put_if_absent", put)
        road.run(*LINES)
    bucket = road.read()
    assert [found.values[0] for found in bucket.rows("shop", "t")] == WANTED


def test_a_listing_that_comes_late_loses_and_repeats_nothing(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store lists nothing of what the dead run wrote: numbers come from the state, and each file is asked for."""
    with monkeypatch.context() as faults:
        arm([Fault("store.replace", 4, "before", "raise")], put=faults.setattr)
        fails(road)
    late = {path.relative_to(road.lake).as_posix() for path in road.lake.rglob("CDC*")}
    assert late
    listing = LocalStore.list

    def without(self: LocalStore, prefix: str) -> Iterator[ObjectInfo]:
        return (item for item in listing(self, prefix) if item.key not in late)

    with monkeypatch.context() as faults:
        faults.setattr(LocalStore, "list", without)
        road.run(*LINES)
    assert stored(road) == WANTED
