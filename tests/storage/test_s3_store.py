from __future__ import annotations

import itertools
import logging
import os
import time
from collections.abc import Iterator

import pytest

from afterbay.errors import Cancelled, EnvironmentRefused, PipelineInvalid, RunFailed
from afterbay_nodes.storage.open import open_store
from afterbay_nodes.storage.retry import Cancel
from afterbay_nodes.storage.s3 import S3Store
from afterbay_nodes.storage.s3_answer import TURN
from afterbay_nodes.storage.s3_body import TookTooLong
from afterbay_nodes.storage.s3_options import S3Options
from afterbay_nodes.storage.store import AlreadyExists, ObjectInfo, ObjectStore, StoreOptions
from afterbay_nodes.storage.uri import parse_uri
from tests.support.faulty_proxy import Fault, Proxy, Request, faulty_proxy
from tests.support.stores import SECRET, Bench, s3_server, s3_uri

KEY = "shop/orders/445/CDC00001.csv"
LARGE = (8 << 20) * 2 + 1
_roots = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server("lake") as address:
        yield address


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    with faulty_proxy(server) as proxy:
        yield proxy


@pytest.fixture
def bench(proxy: Proxy) -> Bench:
    return Bench(s3_uri(proxy.address, f"lake/root-{next(_roots)}"))


@pytest.fixture
def store(bench: Bench) -> Iterator[ObjectStore]:
    store = bench.open()
    store.check()
    yield store
    store.close()


@pytest.fixture
def body() -> bytes:
    return os.urandom(LARGE)


def unfinished(store: ObjectStore) -> list[tuple[str, str]]:
    assert isinstance(store, S3Store)
    return list(store._requests.uploads(""))


def test_a_put_whose_answer_was_lost_recognises_its_own_object(store: ObjectStore, bench: Bench, proxy: Proxy) -> None:
    proxy.spoil("PUT", Fault.LOSE_ANSWER)

    store.put_if_absent(KEY, [b"ours"], 4)

    assert store.get(KEY) == b"ours"
    assert bench.meter.operations == ["put"]


def test_a_put_whose_first_try_never_arrived_meets_a_foreign_object_and_says_so(
    store: ObjectStore, bench: Bench, proxy: Proxy
) -> None:
    other = bench.open()
    other.put_if_absent(KEY, [b"them"], 4)
    proxy.spoil("PUT", Fault.REFUSE)

    with pytest.raises(AlreadyExists):
        store.put_if_absent(KEY, [b"ours"], 4)  # as long as theirs: only the bytes tell

    assert store.get(KEY) == b"them"
    other.close()


def test_a_completion_whose_answer_was_lost_recognises_its_own_object(
    store: ObjectStore, bench: Bench, proxy: Proxy, body: bytes
) -> None:
    proxy.spoil("POST", Fault.LOSE_ANSWER, query="uploadId")

    store.put_if_absent(KEY, [body], LARGE)

    assert b"".join(map(bytes, store.open_read(KEY))) == body
    assert unfinished(store) == []


def test_a_completion_in_conflict_starts_again(store: ObjectStore, bench: Bench, proxy: Proxy, body: bytes) -> None:
    proxy.spoil("POST", Fault.CONFLICT, query="uploadId")

    store.put_if_absent(KEY, [body], LARGE)

    assert store.head(KEY) == ObjectInfo(KEY, LARGE)
    assert bench.meter.operations == ["put"]
    assert unfinished(store) == []


def test_a_large_object_never_replaces_one_that_came_meanwhile(
    store: ObjectStore, bench: Bench, proxy: Proxy, body: bytes
) -> None:
    store.put_if_absent(KEY, [b"first"], 5)

    with pytest.raises(AlreadyExists):
        store.put_if_absent(KEY, [body], LARGE)

    assert store.get(KEY) == b"first"
    assert unfinished(store) == []


@pytest.mark.parametrize("side_by_side", [1, 3])
def test_a_part_that_fails_for_good_fails_the_object(
    bench: Bench, proxy: Proxy, body: bytes, side_by_side: int
) -> None:
    store = bench.open(StoreOptions(part_concurrency=side_by_side))
    store.check()
    proxy.choose = lambda request: Fault.FORBID if "partNumber=2" in request.query else Fault.NONE

    with pytest.raises(RunFailed, match=r"part of 'shop/.*AccessDenied"):
        store.put_if_absent(KEY, [body], LARGE)

    assert store.head(KEY) is None
    assert unfinished(store) == []
    store.close()


def test_a_part_that_fails_for_the_moment_is_sent_again(
    store: ObjectStore, bench: Bench, proxy: Proxy, body: bytes
) -> None:
    proxy.spoil("PUT", Fault.REFUSE, times=2, query="partNumber=2")

    store.put_if_absent(KEY, [body], LARGE)

    assert b"".join(map(bytes, store.open_read(KEY))) == body
    assert bench.meter.operations == ["part", "part"]


def test_a_completion_that_fails_is_a_failure(store: ObjectStore, proxy: Proxy, body: bytes) -> None:
    proxy.choose = lambda request: (
        Fault.FORBID if request.method == "POST" and "uploadId" in request.query else Fault.NONE
    )

    with pytest.raises(RunFailed, match="complete of"):
        store.put_if_absent(KEY, [body], LARGE)

    assert store.head(KEY) is None
    assert unfinished(store) == []


@pytest.mark.parametrize("at", [("PUT", "partNumber=2"), ("POST", "uploadId")])
def test_an_upload_that_was_swept_by_another_starts_again(
    store: ObjectStore, bench: Bench, proxy: Proxy, body: bytes, at: tuple[str, str]
) -> None:
    method, query = at
    proxy.spoil(method, Fault.NO_UPLOAD, query=query)

    store.put_if_absent(KEY, [body], LARGE)

    assert b"".join(map(bytes, store.open_read(KEY))) == body
    assert bench.meter.operations == ["put"]
    assert unfinished(store) == []


def test_a_server_that_hangs_meets_the_deadline(bench: Bench, proxy: Proxy) -> None:
    store = bench.open(StoreOptions(read_timeout=0.05, tries_deadline=1.0))
    proxy.choose = lambda request: Fault.HANG

    with pytest.raises(RunFailed, match=r"put of 'shop/orders.*failed \d+ times.*ReadTimeoutError") as caught:
        store.put_if_absent(KEY, [b"x"], 1)

    assert caught.value.code == "store.gave_up"
    store.close()


def test_a_body_that_is_sent_too_slowly_meets_the_deadline_of_its_try(bench: Bench) -> None:
    store = bench.open(StoreOptions(operation_deadline=300.0))
    assert isinstance(store, S3Store)
    guard = store._guard()

    bench.clock.pass_by(300.0)
    guard()
    bench.clock.pass_by(1.0)
    with pytest.raises(TookTooLong):
        guard()
    store.close()


def test_a_cancel_ends_an_upload_and_its_retries(bench: Bench, proxy: Proxy, body: bytes) -> None:
    cancel = Cancel(bench.clock)
    store = open_store(bench.uri, clock=bench.clock, meter=bench.meter, cancel=cancel)
    proxy.choose = lambda request: (cancel.set(), Fault.REFUSE)[1] if "partNumber=2" in request.query else Fault.NONE

    with pytest.raises(Cancelled):
        store.put_if_absent(KEY, [body], LARGE)

    store.close()
    after = bench.open()
    assert unfinished(after) == []
    after.close()


def test_an_upload_that_cannot_be_given_up_is_told_after_a_cancel_too(
    bench: Bench, proxy: Proxy, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """No cancel ends the request that tidies up before its answer is read."""
    cancel = Cancel(bench.clock)
    store = open_store(bench.uri, clock=bench.clock, meter=bench.meter, cancel=cancel)

    def choose(request: Request) -> Fault:
        if request.method == "DELETE":
            return Fault.FORBID
        if "partNumber=2" in request.query:
            cancel.set()
        return Fault.NONE

    proxy.choose = choose
    with caplog.at_level(logging.WARNING), pytest.raises(Cancelled):
        store.put_if_absent(KEY, [body], LARGE)
    assert "stays behind: AccessDenied" in caplog.text
    store.close()
    proxy.choose = lambda request: Fault.NONE
    after = bench.open()
    after.sweep()
    assert unfinished(after) == []
    after.close()


@pytest.mark.parametrize("part", [Fault.DRIP_HEAD, Fault.DRIP_BODY])
@pytest.mark.parametrize("call", ["get", "put", "list"])
def test_an_answer_that_drips_meets_the_deadline_of_its_try(bench: Bench, proxy: Proxy, part: Fault, call: str) -> None:
    """Each byte comes within the time of one silence: 10 s after the other, for ever (I9)."""
    store = bench.open(StoreOptions(operation_deadline=300.0, tries_deadline=300.0))
    if call == "get":
        store.put_if_absent(KEY, [b"x"], 1)
    proxy.choose = lambda request: part
    dripped: list[int] = []

    def next_byte() -> None:
        dripped.append(1)
        bench.clock.pass_by(10.0)

    proxy.before_drip = next_byte
    ask = {
        "get": lambda: store.get(KEY),
        "put": lambda: store.replace(KEY, b"x", None),
        "list": lambda: list(store.list("shop/")),
    }
    with pytest.raises(RunFailed, match=r"failed 1 times in \d+ s: not done within 300 s"):
        ask[call]()
    assert len(dripped) >= 30
    store.close()


def test_a_start_waits_for_a_dripping_answer_no_longer_than_its_check_may_take(bench: Bench, proxy: Proxy) -> None:
    store = bench.open()
    proxy.choose = lambda request: Fault.DRIP_HEAD
    proxy.before_drip = lambda: bench.clock.pass_by(5.0)
    with pytest.raises(EnvironmentRefused, match=r"not done within 20 s"):
        store.check()
    store.close()


def test_a_cancel_ends_the_wait_for_an_answer(bench: Bench, proxy: Proxy) -> None:
    """Not after the silence that is allowed to a store: at the next turn (I9)."""
    cancel = Cancel(bench.clock)
    store = open_store(bench.uri, clock=bench.clock, meter=bench.meter, cancel=cancel)
    proxy.choose = lambda request: (cancel.set(), Fault.HANG)[1]

    started = time.monotonic()
    with pytest.raises(Cancelled):
        store.put_if_absent(KEY, [b"x"], 1)
    assert time.monotonic() - started < StoreOptions().read_timeout / 2
    store.close()


def test_a_silent_server_is_waited_for_as_long_as_the_options_say(bench: Bench, proxy: Proxy) -> None:
    """A turn of the wait is no time-out: an answer that takes longer than one is taken."""
    store = bench.open()
    proxy.choose = lambda request: Fault.DRIP_HEAD
    proxy.drips = 3
    proxy.before_drip = lambda: proxy.released.wait(TURN * 1.2) and None
    store.put_if_absent(KEY, [b"x"], 1)
    assert bench.meter.operations == []
    store.close()


def test_a_read_that_is_cut_goes_on_where_it_was(store: ObjectStore, bench: Bench, proxy: Proxy, body: bytes) -> None:
    store.put_if_absent(KEY, [body], LARGE)
    proxy.spoil("GET", Fault.CUT_BODY)

    assert b"".join(map(bytes, store.open_read(KEY))) == body
    assert bench.meter.operations == ["get"]


def test_a_store_without_conditional_writes_is_found_out_and_looked_up_first(
    bench: Bench, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.ignored = ("If-None-Match", "If-Match")
    store = bench.open()
    with caplog.at_level(logging.WARNING):
        store.check()

    assert "does not know conditional writes" in caplog.text
    assert list(store.list("")) == []
    store.put_if_absent(KEY, [b"first"], 5)
    with pytest.raises(AlreadyExists):
        store.put_if_absent(KEY, [b"other"], 5)
    proxy.spoil("PUT", Fault.LOSE_ANSWER)
    store.put_if_absent("shop/orders/445/CDC00002.csv", [b"ours"], 4)
    assert store.get(KEY) == b"first"
    store.close()


def test_sweeping_aborts_unfinished_uploads_below_the_root_only(server: str, bench: Bench) -> None:
    mine, beside = bench.open(), Bench(s3_uri(server, f"lake/root-{next(_roots)}x")).open()
    assert isinstance(mine, S3Store)
    assert isinstance(beside, S3Store)
    mine._requests.begin(mine._name(KEY))
    beside._requests.begin(beside._name(KEY))

    mine.sweep()

    assert [name for name, _ in unfinished(mine)] == [beside._name(KEY)]
    beside.sweep()
    mine.close()
    beside.close()


def test_a_probe_that_a_dead_process_left_is_hidden_and_swept(store: ObjectStore) -> None:
    assert isinstance(store, S3Store)
    store._requests.send(store._name(".afterbay-probe-1"), [], {})

    assert list(store.list("")) == []
    store.sweep()
    assert list(store._objects("")) == []


def test_a_bucket_that_is_not_there_is_refused_with_what_to_do(server: str) -> None:
    store = Bench(s3_uri(server, "nowhere/root")).open()

    with pytest.raises(EnvironmentRefused, match="NoSuchBucket") as caught:
        store.check()

    assert caught.value.hint == "make the bucket first, or correct the uri"
    store.close()


def test_a_server_that_is_not_there_is_refused_soon(bench: Bench) -> None:
    store = bench.open(uri=s3_uri("http://127.0.0.1:9", "lake/root"))

    with pytest.raises(EnvironmentRefused, match=r"failed \d+ times in \d\d? s: EndpointConnectionError"):
        store.check()
    store.close()


def test_a_key_over_the_limit_of_s3_is_refused(store: ObjectStore) -> None:
    with pytest.raises(RunFailed, match="over 1024 bytes"):
        store.put_if_absent("/".join(["x" * 200] * 6), [b"x"], 1)


def test_secrets_are_never_printed(bench: Bench, proxy: Proxy) -> None:
    uri = parse_uri(bench.uri + "&session-token=test-secret-token")
    options = S3Options.from_uri(uri)
    store = bench.open()
    proxy.choose = lambda request: Fault.FORBID
    with pytest.raises(EnvironmentRefused) as caught:
        store.check()
    store.close()

    for text in (repr(uri), str(uri), uri.display, repr(options), str(options), store.display, str(caught.value)):
        assert SECRET not in text


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("regio=x", "did you mean 'region'"),
        ("access-key=x", "only one of"),
        ("session-token=x", "without access-key"),
        ("force-path-style=maybe", "write true or false"),
        ("endpoint=localhost:9000", "no http"),
        ("endpoint=https://me:pw@host", "no http"),
        ("sse-kms-key-id=x", "aws:kms"),
    ],
)
def test_wrong_options_are_refused(query: str, says: str) -> None:
    with pytest.raises(PipelineInvalid, match=says) as caught:
        S3Options.from_uri(parse_uri(f"s3://lake/root?{query}"))

    assert "pw" not in str(caught.value)


def test_the_options_of_an_uri_reach_the_requests() -> None:
    options = S3Options.from_uri(
        parse_uri(
            "s3://lake/a/b?endpoint=https://minio.example:9000&storage-class=STANDARD_IA&sse=aws:kms"
            "&sse-kms-key-id=k1&acl=private"
        )
    )

    assert (options.bucket, options.root) == ("lake", "a/b")
    assert options.upload == {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "k1",
        "StorageClass": "STANDARD_IA",
        "ACL": "private",
    }


@pytest.mark.parametrize(
    ("query", "style"),
    [
        ("", "auto"),
        ("endpoint=http://h:1", "path"),
        ("endpoint=http://h:1&provider=alibaba", "virtual"),
        ("endpoint=http://h:1&provider=alibaba&force-path-style=true", "path"),
        ("force-path-style=false", "virtual"),
    ],
)
def test_the_bucket_is_in_the_path_where_hosts_have_no_bucket_names(query: str, style: str) -> None:
    assert S3Options.from_uri(parse_uri(f"s3://lake?{query}")).addressing_style == style
