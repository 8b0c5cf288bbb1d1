"""What stands between S3 and a failing network, by servers that people run: one knows conditions, one does not."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterator

import pytest

from afterbay.errors import EnvironmentRefused
from afterbay_nodes.storage.s3 import S3Store
from afterbay_nodes.storage.store import AlreadyExists
from tests.support.faulty_proxy import Fault, Proxy, faulty_proxy
from tests.support.stores import SECRET, Bench, s3_uri

KEY = "shop/orders/445/CDC00001.csv"
LARGE = (8 << 20) + 1
SERVERS = ("seaweedfs", "rclone")
_roots = itertools.count()


@pytest.fixture(params=SERVERS)
def proxy(request: pytest.FixtureRequest) -> Iterator[Proxy]:
    with faulty_proxy(request.getfixturevalue(request.param)) as proxy:
        yield proxy


@pytest.fixture
def bench(proxy: Proxy) -> Bench:
    return Bench(s3_uri(proxy.address, f"lake/faulty-{next(_roots)}"))


@pytest.fixture
def store(bench: Bench) -> Iterator[S3Store]:
    store = bench.open()
    assert isinstance(store, S3Store)
    store.check()
    yield store
    store.close()


@pytest.mark.parametrize("server", SERVERS)
def test_what_a_server_knows_is_found_out_once(
    server: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    store = Bench(s3_uri(request.getfixturevalue(server), f"lake/probe-{next(_roots)}")).open()
    assert isinstance(store, S3Store)
    with caplog.at_level(logging.WARNING):
        store.check()

    assert bool(store._condition) == (server == "seaweedfs")
    assert ("does not know conditional writes" in caplog.text) == (server == "rclone")
    assert list(store.list("")) == []
    store.close()


@pytest.mark.parametrize(("size", "lost"), [(4, ("PUT", "")), (LARGE, ("POST", "uploadId"))])
def test_a_put_whose_answer_was_lost_recognises_its_own_object(
    store: S3Store, bench: Bench, proxy: Proxy, size: int, lost: tuple[str, str]
) -> None:
    body = os.urandom(size)
    method, query = lost
    proxy.spoil(method, Fault.LOSE_ANSWER, query=query)

    store.put_if_absent(KEY, [body], size)

    assert b"".join(map(bytes, store.open_read(KEY))) == body
    assert bench.meter.operations
    assert list(store._requests.uploads(store._root)) == []


def test_a_large_object_never_replaces_one_that_is_there(store: S3Store) -> None:
    store.put_if_absent(KEY, [b"first"], 5)

    with pytest.raises(AlreadyExists):
        store.put_if_absent(KEY, [bytes(LARGE)], LARGE)

    assert store.get(KEY) == b"first"
    assert list(store._requests.uploads(store._root)) == []


def test_unfinished_uploads_of_a_dead_run_are_aborted_at_the_start(store: S3Store) -> None:
    name = store._name(KEY)
    store._requests.send_part(name, store._requests.begin(name), 1, [memoryview(bytes(1 << 10))])
    beside = store._root.rstrip("/") + "-beside/x"
    upload = store._requests.begin(beside)

    store.sweep()

    assert list(store._requests.uploads(store._root)) == []
    assert [found for found, _ in store._requests.uploads(beside)] == [beside]
    store._requests.abort(beside, upload)
    assert list(store.list("")) == []


def test_a_wrong_secret_is_refused_without_it(proxy: Proxy, bench: Bench) -> None:
    store = bench.open(uri=bench.uri.replace(SECRET, "canary-secret"))

    with pytest.raises(EnvironmentRefused) as caught:
        store.check()

    assert "canary-secret" not in str(caught.value)
    assert caught.value.hint
    store.close()
