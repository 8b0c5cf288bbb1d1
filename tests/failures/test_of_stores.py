"""What went wrong between such systems and their stores (protocol §11): 1–4 and 12–15, each named for its failure."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from afterbay.errors import RunFailed
from afterbay.runtime.run import Run
from afterbay_nodes.sinks import storage_sink
from afterbay_nodes.storage import local_file
from afterbay_nodes.storage.local import LocalStore
from afterbay_nodes.storage.path_state import PathStates
from afterbay_nodes.storage.store import ObjectStore, StoreOptions
from tests.reader.bucket import read_bucket
from tests.reader.csv_rows import CsvDialect
from tests.reader.paths import StoreShape
from tests.sinks.test_choice import Desk, data_key, orders
from tests.support import faulty_store, state
from tests.support.canal import ddl, row, watermark
from tests.support.clock import ManualClock
from tests.support.faulty_proxy import Fault, Proxy, faulty_proxy
from tests.support.road import Road, small_batches
from tests.support.stores import Bench, s3_server, s3_uri

CREATE = ddl(5, "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(99))")
PLAIN = {"date_separator": "none", "file_index_digit": 6}
SHAPE = {"date": "none", "digits": 6}
MIB = 1 << 20


class Crash(Exception):
    """Stands for the end of the process at that point."""


def lines(count: int, text: str = "x" * 60) -> list[bytes]:
    return [CREATE, *(row("t", 10 + n, {"id": str(n), "v": text}) for n in range(count)), watermark(1000)]


def stored(road: Road) -> list[str | None]:
    return [found.values[0] for found in road.read(**SHAPE).rows("shop", "t")]


@pytest.fixture
def road(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Road:
    small_batches(monkeypatch)
    return Road(tmp_path, PLAIN | {"file_size": "1KiB"})


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with s3_server("lake") as server, faulty_proxy(server) as proxy:
        yield proxy


@pytest.fixture
def bucket(proxy: Proxy) -> Iterator[ObjectStore]:
    store = Bench(s3_uri(proxy.address, "lake/root")).open()
    yield store
    store.close()


def sizes(bucket: ObjectStore) -> dict[str, int]:
    """Data and index files in the bucket, with their sizes."""
    return {item.key: item.size for item in bucket.list("") if "CDC" in item.key}


def dies_at(call: str, part: str, when: str) -> faulty_store.Hook:
    def hook(now: str, key: str, moment: str) -> None:
        if (now, moment) == (call, when) and part in key:
            raise Crash(key)

    return hook


@pytest.mark.parametrize(
    ("call", "part", "when"),
    [("put_if_absent", "CDC", "before"), ("put_if_absent", "CDC", "after"), ("replace", "CDC.index", "after")],
)
def test_01_index_before_data(road: Road, monkeypatch: pytest.MonkeyPatch, call: str, part: str, when: str) -> None:
    """Whenever it dies: an index that a reader can see names a file that is there, complete."""
    with monkeypatch.context() as faults:
        faulty_store.install(faults, dies_at(call, part, when))
        with pytest.raises((RunFailed, ExceptionGroup)):
            road.run(*lines(40))

    seen = read_bucket(road.lake, StoreShape("csv", **SHAPE), CsvDialect(commit_ts=True))  # type: ignore[arg-type]
    assert [str(finding) for finding in seen.findings] == []


def test_02_a_failed_multipart_complete_is_ignored(tmp_path: Path, proxy: Proxy, bucket: ObjectStore) -> None:
    road = Road(tmp_path, PLAIN | {"uri": s3_uri(proxy.address, "lake/root")})
    nine = lines(9, "x" * MIB)
    proxy.choose = lambda request: (
        Fault.FORBID if request.method == "POST" and "uploadId" in request.query else Fault.NONE
    )

    with pytest.raises(RunFailed, match="complete of"):
        road.run(*nine)
    assert sizes(bucket) == {}, "no object, and no index that names it"

    proxy.choose = lambda request: Fault.NONE
    assert road.run(*nine).rows_stored == 9
    assert max(sizes(bucket).values()) > 9 * MIB


def test_03_a_part_fails_and_the_object_is_completed_without_it(
    tmp_path: Path, proxy: Proxy, bucket: ObjectStore
) -> None:
    road = Road(tmp_path, PLAIN | {"uri": s3_uri(proxy.address, "lake/root"), "flush_concurrency": 2})
    proxy.choose = lambda request: Fault.FORBID if "partNumber=2" in request.query else Fault.NONE

    with pytest.raises(RunFailed, match="part of"):
        road.run(*lines(9, "x" * MIB))

    assert sizes(bucket) == {}, "nothing of the parts that arrived became an object"


def test_04_a_stale_cached_index_overwrites_files_or_is_probed_for_ever(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else writes 200 files behind this run's first: that ends it by one question, and none is touched."""
    folder = road.lake / "shop/t/5"
    asked: list[str] = []
    head, listing = LocalStore.head, LocalStore.list
    monkeypatch.setattr(LocalStore, "head", lambda self, key: (asked.append(key), head(self, key))[1])
    monkeypatch.setattr(LocalStore, "list", lambda self, prefix: (asked.append(prefix), listing(self, prefix))[1])
    theirs = [folder / f"CDC{number:06}.csv" for number in range(2, 202)]

    def interferes(call: str, key: str, when: str) -> None:
        if call == "replace" and key.endswith("CDC.index") and when == "after" and not theirs[0].exists():
            for path in theirs:
                path.write_bytes(b"theirs")
            (folder / "meta/CDC.index").write_bytes(b"CDC000201.csv\n")
            asked.clear()

    faulty_store.install(monkeypatch, interferes)
    with pytest.raises((RunFailed, ExceptionGroup), match=r"state_older.*'shop/t/5/CDC000002\.csv' exists"):
        road.run(*lines(40))

    ours = sorted(set(folder.glob("*.csv")) - set(theirs))
    assert [path.name for path in ours] == ["CDC000001.csv"]
    assert {path.read_bytes() for path in theirs} == {b"theirs"}
    assert (folder / "meta/CDC.index").read_bytes() == b"CDC000201.csv\n"
    assert [key for key in asked if key.startswith("shop/t/5/CDC")] == ["shop/t/5/CDC000002.csv"]


def test_12_path_states_grow_with_tables_and_versions_or_forget_a_number(tmp_path: Path) -> None:
    """A hundred versions, in turn, three times, with room for eight: bounded, and no number is given out twice."""
    desk = Desk(tmp_path)
    desk.writer._paths = PathStates(desk.run.clock, ttl=1e9, limit=8)
    versions = range(100, 200)
    for version in versions:  # as the DDLs between them have left them
        desk.flush(version, orders(version, f"c{version}"))
    for turn in (1, 2):
        for version in versions:
            desk.flush(1000 * turn + version, orders(version, f"c{version}"))
            assert len(desk.writer._paths) <= 8

    assert desk.data() == sorted(data_key(version, number) for version in versions for number in (1, 2, 3))
    state.close_all()


def test_13_a_flush_fails_half_way(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data is there and its index is not: the next run finishes it, and nothing is stored twice."""
    with monkeypatch.context() as faults:
        faulty_store.install(faults, dies_at("replace", "CDC.index", "before"))
        with pytest.raises((RunFailed, ExceptionGroup)):
            road.run(*lines(40))
    assert road.objects(".csv") == ["shop/t/5/CDC000001.csv"]
    assert road.objects(".index") == []

    road.run(*lines(40))

    assert stored(road) == [str(n) for n in range(40)]


def test_14_the_store_is_full_and_then_freed(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes are tried again until there is room; the checkpoint waits, and no row is lost or doubled."""
    road.clock = clock = ManualClock()
    full = [25]  # writes that find no room
    while_full: list[bytes] = []
    write = local_file.write_durably

    def written(file: int, views: Sequence[memoryview]) -> None:
        if sum(view.nbytes for view in views) > 200 and full[0]:
            full[0] -= 1
            while_full.append((road.lake / "metadata").read_bytes())
            raise OSError(errno.ENOSPC, "no space left on device")
        write(file, views)

    monkeypatch.setattr(local_file, "write_durably", written)

    until_it_ends(road.start(*lines(40)), lambda: clock.advance(10.0))

    assert full == [0]
    assert set(while_full) == {b'{"checkpoint-ts":0}'}, "no checkpoint is shown before its rows are there"
    assert stored(road) == [str(n) for n in range(40)]


def test_15_the_upload_hangs_for_ever(tmp_path: Path, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    brief = partial(StoreOptions, read_timeout=0.1, tries_deadline=1.0)
    monkeypatch.setattr(storage_sink, "StoreOptions", brief)
    proxy.choose = lambda request: Fault.HANG if request.method == "PUT" and "CDC" in request.path else Fault.NONE
    run = Road(tmp_path, PLAIN | {"uri": s3_uri(proxy.address, "lake/root")}).start(*lines(3))

    with pytest.raises(RunFailed, match="ReadTimeoutError") as caught:
        until_it_ends(run, lambda: None)

    assert caught.value.code == "store.gave_up"


def until_it_ends(run: Run, meanwhile: Callable[[], None]) -> None:
    """Waits for the end, at most 20 s. Raises what failed the run."""
    for _ in range(1000):
        if run.wait(0.02) is not None:
            return
        meanwhile()
    run.cancel()
    raise AssertionError("it hangs")
