"""A write that the network held back arrives late: neither an index nor the checkpoint goes back (I1, I6)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from afterbay.errors import RunFailed
from afterbay.runtime.run import start
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.storage.open import open_store
from afterbay_nodes.storage.store import ObjectStore
from afterbay_nodes.transforms.spool import Spool
from tests.support.faulty_proxy import Fault, Proxy, Request, faulty_proxy
from tests.support.flow import SCRIPTS, Event, Promise, Rows, Scripted, plan
from tests.support.stores import LeapingClock, RetryTally, s3_server, s3_uri

INDEX = "s/a/0/meta/CDC.index"
METADATA = "metadata"
_roots = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server("lake") as address:
        yield address


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    with faulty_proxy(server) as proxy:
        yield proxy


class Lake:
    """A state, and a root behind the proxy."""

    def __init__(self, folder: Path, proxy: Proxy) -> None:
        self.folder = folder
        self.uri = s3_uri(proxy.address, f"lake/root-{next(_roots)}")

    def run(self, files: int) -> None:
        """A hundred rows for each file."""
        events: list[Event] = []
        for first in range(1, 100 * files, 100):
            events += [Rows("a", tuple((ts, 0) for ts in range(first, first + 100))), Promise(first + 99)]
        SCRIPTS["s"] = {"": events}
        flow = plan(
            self.folder / "state",
            ("log", Scripted(script="s"), ()),
            ("csv", EncodeCsv(include_commit_ts=True), ("log",)),
            ("spool", Spool(), ("csv",)),
            ("lake", CloudStorage(uri=self.uri, date_separator="none", shards=1, file_size="1KiB"), ("spool",)),
        )
        assert start(flow).wait(60) is not None

    def get(self, key: str) -> bytes:
        with self.store() as store:
            return store.get(key)

    def newest_file(self) -> bytes:
        """What an index is to say. Its number is not the count of files: a dead run's file may have been fenced."""
        with self.store() as store:
            return max(item.key.rpartition("/")[2] for item in store.list("s/a/0/CDC")).encode() + b"\n"

    @contextmanager
    def store(self) -> Iterator[ObjectStore]:
        with closing(open_store(self.uri, clock=LeapingClock(), meter=RetryTally())) as store:
            yield store


@pytest.fixture
def lake(tmp_path: Path, proxy: Proxy) -> Lake:
    return Lake(tmp_path, proxy)


def late(key: str, afterwards: Fault, good: int = 0) -> Callable[[Request], Fault]:
    """After `good` writes of `key` one is held by the network; its repeats meet `afterwards`."""
    writes = itertools.count()

    def choose(request: Request) -> Fault:
        if request.method != "PUT" or not request.path.endswith(f"/{key}"):
            return Fault.NONE
        number = next(writes)
        return Fault.NONE if number < good else Fault.LATE if number == good else afterwards

    return choose


@pytest.mark.parametrize("good", [0, 1])
def test_a_late_index_of_the_same_run_is_refused(lake: Lake, proxy: Proxy, good: int) -> None:
    proxy.choose = late(INDEX, Fault.NONE, good)
    lake.run(5)
    newest = lake.get(INDEX)
    assert newest == b"CDC00000000000000000005.csv\n"
    assert proxy.deliver() == [412]
    assert lake.get(INDEX) == newest


@pytest.mark.parametrize("key", [INDEX, METADATA])
@pytest.mark.parametrize("when", ["at once", "before a run without news", "after a good run"])
def test_a_late_write_of_a_dead_run_takes_nothing_back(lake: Lake, proxy: Proxy, key: str, when: str) -> None:
    lake.run(1)
    proxy.choose = late(key, Fault.FORBID)
    with pytest.raises((RunFailed, ExceptionGroup)):
        lake.run(5)
    proxy.choose = lambda request: Fault.NONE
    assert proxy.held
    if when == "at once":
        assert proxy.deliver() == [200]
    if when != "after a good run":
        lake.run(5)
    lake.run(9)
    newest = lake.get(INDEX), lake.get(METADATA)
    assert newest == (lake.newest_file(), b'{"checkpoint-ts":900}')
    if when != "at once":
        assert proxy.deliver() == [412]
    assert (lake.get(INDEX), lake.get(METADATA)) == newest


def test_a_late_write_between_look_and_write_is_replaced(lake: Lake, proxy: Proxy) -> None:
    """The restart has seen the index; then the dead run's write arrives, and then the restart's own."""
    lake.run(1)
    proxy.choose = late(INDEX, Fault.FORBID)
    with pytest.raises((RunFailed, ExceptionGroup)):
        lake.run(5)

    def arrives(request: Request) -> Fault:
        if request.method == "PUT" and request.path.endswith(INDEX) and proxy.held:
            assert proxy.deliver() == [200]
        return Fault.NONE

    proxy.choose = arrives
    lake.run(5)
    assert not proxy.held
    assert lake.get(INDEX) == b"CDC00000000000000000005.csv\n"
