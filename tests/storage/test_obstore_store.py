"""Azure Blob Storage (Azurite) behind a network that fails, and what obstore's errors say."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import obstore
import pytest

from afterbay.errors import Cancelled, EnvironmentRefused, RunFailed
from afterbay_nodes.storage.obstore_errors import Kind, fault
from afterbay_nodes.storage.obstore_store import ObstoreStore
from afterbay_nodes.storage.open import open_store
from afterbay_nodes.storage.retry import Cancel
from afterbay_nodes.storage.store import AlreadyExists, Changed, ObjectStore, StoreOptions
from afterbay_nodes.storage.traits import TellsTraits, Traits
from tests.support.azurite import ACCOUNT, ACCOUNT_KEY, signature
from tests.support.faulty_proxy import Fault, Proxy, faulty_proxy
from tests.support.gcs_server import Buckets, credentials_file, gs_uri
from tests.support.store_servers import azure_uri
from tests.support.stores import Bench

KEY = "shop/orders/445/CDC00001.csv"
LARGE = (8 << 20) * 2 + 1
_roots = itertools.count()


@pytest.fixture
def proxy(azurite: str) -> Iterator[Proxy]:
    with faulty_proxy(azurite) as proxy:
        yield proxy


@pytest.fixture
def bench(proxy: Proxy) -> Bench:
    return Bench(azure_uri(f"{proxy.address}/{ACCOUNT}", f"lake/faulty-{next(_roots)}"))


@pytest.fixture
def store(bench: Bench) -> Iterator[ObjectStore]:
    store = bench.open()
    store.check()
    yield store
    store.close()


@pytest.mark.parametrize("size", [4, LARGE])
def test_a_put_whose_answer_was_lost_recognises_its_own_object(
    store: ObjectStore, bench: Bench, proxy: Proxy, size: int
) -> None:
    body = os.urandom(size)
    proxy.spoil("PUT", Fault.LOSE_ANSWER)

    store.put_if_absent(KEY, [body], size)

    assert b"".join(map(bytes, store.open_read(KEY))) == body
    assert bench.meter.operations == ["put"]


def test_a_body_is_sent_from_the_buffers_of_its_caller(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    body = bytearray(b"abcdef" * 1000)
    sent: list[list[memoryview]] = []
    put = obstore.put_async

    def spied(client: object, name: str, parts: list[memoryview], **options: object) -> object:
        sent.append(parts)
        return put(client, name, parts, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(obstore, "put_async", spied)
    whole = memoryview(body)
    store.put_if_absent(KEY, [whole[:100], whole[100:]], len(body))

    assert [view.nbytes for view in sent[0]] == [100, 5900]
    assert all(view.obj is body for view in sent[0])
    assert store.get(KEY) == body


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


def test_a_replacement_whose_answer_was_lost_gives_the_version_that_is_there(store: ObjectStore, proxy: Proxy) -> None:
    first = store.replace("metadata", b"1", None)
    proxy.spoil("PUT", Fault.LOSE_ANSWER)

    second = store.replace("metadata", b"2", first)

    assert store.see("metadata") == (b"2", second)
    with pytest.raises(Changed):
        store.replace("metadata", b"3", first)


def test_a_replacement_that_arrives_late_is_refused_by_the_store(store: ObjectStore, proxy: Proxy) -> None:
    first = store.replace("metadata", b"1", None)
    proxy.spoil("PUT", Fault.LATE)

    store.replace("metadata", b"2", first)  # its first try is on its way
    store.replace("metadata", b"3", store.see("metadata").version)

    assert proxy.deliver() == [412]
    assert store.get("metadata") == b"3"


def test_a_request_that_is_refused_for_the_moment_is_sent_again(store: ObjectStore, bench: Bench, proxy: Proxy) -> None:
    proxy.spoil("PUT", Fault.REFUSE, times=2)

    store.put_if_absent(KEY, [b"x"], 1)

    assert bench.meter.operations == ["put", "put"]


def test_a_request_that_is_forbidden_is_not(store: ObjectStore, bench: Bench, proxy: Proxy) -> None:
    proxy.spoil("PUT", Fault.FORBID)

    with pytest.raises(RunFailed, match=r"put of 'shop/.*AccessDenied \(403\): spoilt") as caught:
        store.put_if_absent(KEY, [b"x"], 1)

    assert "docs/stores.md" in str(caught.value.hint)
    assert bench.meter.operations == []
    assert store.head(KEY) is None


def test_a_server_that_hangs_meets_the_deadline(bench: Bench, proxy: Proxy) -> None:
    store = bench.open(StoreOptions(operation_deadline=0.05, read_timeout=0.05, tries_deadline=1.0))
    proxy.choose = lambda request: Fault.HANG

    with pytest.raises(RunFailed, match=r"put of 'shop/orders.*failed \d+ times.*no answer within 0.05 s") as caught:
        store.put_if_absent(KEY, [b"x"], 1)
    with pytest.raises(RunFailed, match=r"get of 'shop/orders.*no answer within 0.05 s"):
        store.get(KEY)
    with pytest.raises(RunFailed, match=r"list of 'shop/.*no answer within 0.05 s"):
        list(store.list("shop/"))

    assert caught.value.code == "store.gave_up"
    store.close()


def test_a_cancel_ends_a_request_that_hangs(bench: Bench, proxy: Proxy) -> None:
    cancel = Cancel(bench.clock)
    store = open_store(bench.uri, clock=bench.clock, meter=bench.meter, cancel=cancel)
    asked = threading.Event()
    proxy.choose = lambda request: (asked.set(), Fault.HANG)[1]
    ended: list[BaseException] = []

    def put() -> None:
        try:
            store.put_if_absent(KEY, [b"x"], 1)
        except Cancelled as error:
            ended.append(error)

    thread = threading.Thread(target=put)
    thread.start()
    assert asked.wait(30)
    cancel.set()
    thread.join(30)

    assert len(ended) == 1, "the deadline of a put is five minutes: it was not waited for"
    store.close()


def test_a_read_that_is_cut_goes_on_where_it_was(store: ObjectStore, bench: Bench, proxy: Proxy) -> None:
    body = os.urandom(LARGE)
    store.put_if_absent(KEY, [body], LARGE)
    proxy.spoil("GET", Fault.CUT_BODY)

    assert b"".join(map(bytes, store.open_read(KEY))) == body
    assert bench.meter.operations == ["get"]


def test_a_read_goes_on_in_the_same_object_or_not_at_all(store: ObjectStore, bench: Bench, proxy: Proxy) -> None:
    body = os.urandom(LARGE)
    store.put_if_absent(KEY, [body], LARGE)
    proxy.spoil("GET", Fault.CUT_BODY)
    chunks = store.open_read(KEY)
    next(chunks)
    store.replace(KEY, os.urandom(9), store.see(KEY).version)

    with pytest.raises(RunFailed, match=r"get of 'shop/.*412"):
        list(chunks)


def test_a_listing_that_breaks_begins_anew(
    fake_gcs: tuple[str, Buckets], tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the stand-in for Google, whose pages are small."""
    monkeypatch.setattr("afterbay_nodes.storage.obstore_store.PAGE", 5)
    with faulty_proxy(fake_gcs[0]) as proxy:
        store = bench.open(uri=gs_uri(proxy.address, f"lake/pages-{next(_roots)}", credentials_file(tmp_path)))
        keys = [f"a/{number:02}/x" for number in range(20)]
        for key in keys:
            store.put_if_absent(key, [b"x"], 1)
        proxy.spoil("GET", Fault.REFUSE, query="continuation-token")

        assert [info.key for info in store.list("a/")] == keys
        assert bench.meter.operations == ["list"]
        store.close()


def test_a_server_that_drops_conditions_is_refused(fake_gcs: tuple[str, Buckets], tmp_path: Path, bench: Bench) -> None:
    with faulty_proxy(fake_gcs[0]) as proxy:
        proxy.ignored = ("x-goog-if-generation-match",)
        store = bench.open(uri=gs_uri(proxy.address, f"lake/loose-{next(_roots)}", credentials_file(tmp_path)))

        with pytest.raises(EnvironmentRefused, match="replaces objects that it was asked to keep") as caught:
            store.check()

        assert caught.value.code == "store.unconditional"
        assert list(store.list("")) == []
        store.close()


def test_the_doctor_is_told_what_the_store_promises(store: ObjectStore) -> None:
    assert isinstance(store, TellsTraits)
    assert store.traits() == Traits(conditional=True, compares=True, time=None)


def test_a_container_that_is_not_there_is_refused_with_what_to_do(azurite: str) -> None:
    store = Bench(azure_uri(azurite, "nowhere/root")).open()

    with pytest.raises(EnvironmentRefused, match="ContainerNotFound") as caught:
        store.check()

    assert caught.value.hint == "make the container first, or correct the uri"
    store.close()


def test_a_server_that_is_not_there_is_refused_soon(bench: Bench) -> None:
    store = bench.open(uri=azure_uri(f"http://127.0.0.1:9/{ACCOUNT}", "lake/root"))

    with pytest.raises(EnvironmentRefused, match=r"failed \d+ times in \d\d? s: ") as caught:
        store.check()

    assert "is the endpoint right" in str(caught.value.hint)
    store.close()


def test_a_probe_that_a_dead_process_left_is_hidden_and_swept(store: ObjectStore) -> None:
    assert isinstance(store, ObstoreStore)
    store._send(store._root + ".afterbay-probe-1", [], 0, "create")

    assert list(store.list("")) == []
    store.sweep()
    assert list(store._objects("")) == []


@pytest.mark.parametrize("key", ["a\\b", "a\tb/c", "a/\x85"])
def test_a_name_that_would_be_another_on_its_way_is_refused(store: ObjectStore, key: str) -> None:
    with pytest.raises(RunFailed, match="is refused"):
        store.put_if_absent(key, [b"x"], 1)


def test_a_key_over_the_limit_is_refused(store: ObjectStore) -> None:
    with pytest.raises(RunFailed, match="over 1024 bytes"):
        store.put_if_absent("/".join(["x" * 200] * 6), [b"x"], 1)


def test_objects_get_the_tier_that_the_uri_asks_for(bench: Bench, proxy: Proxy) -> None:
    store = bench.open(uri=bench.uri + "&access-tier=cool")
    store.put_if_absent(KEY, [b"x"], 1)

    assert [request.headers["x-ms-access-tier"] for request in proxy.seen if request.method == "PUT"] == ["Cool"]
    store.close()


def test_objects_get_the_class_that_the_uri_asks_for(
    fake_gcs: tuple[str, Buckets], tmp_path: Path, bench: Bench
) -> None:
    with faulty_proxy(fake_gcs[0]) as proxy:
        uri = gs_uri(proxy.address, f"lake/class-{next(_roots)}", credentials_file(tmp_path))
        store = bench.open(uri=uri + "&storage-class=nearline")
        store.put_if_absent(KEY, [b"x"], 1)

        assert [request.headers["x-goog-storage-class"] for request in proxy.seen] == ["NEARLINE"]
        store.close()


def test_an_error_tells_neither_signature_nor_dump() -> None:
    """The address of a request has a shared access signature in it, and not every version of obstore hides it."""
    address = "https://a.blob.example/lake/x?sv=1&sig=canary%2Bsignature"
    dump = f"Debug source:\nGeneric {{ uri: {address} }}"
    text = f"Generic error: Error performing PUT {address} in 9ms - HTTP error\n\n{dump}"

    told = fault(obstore.exceptions.GenericError(text))

    assert str(told) == (
        "GenericError: Generic error: Error performing PUT https://a.blob.example/lake/x in 9ms - HTTP error"
    )
    assert told.kind is Kind.PASSING


def test_the_rights_of_the_page_are_enough_for_a_shared_access_signature(azurite: str) -> None:
    def store(rights: str) -> ObjectStore:
        where = f"lake/sas-{next(_roots)}?endpoint={azurite}&account-name={ACCOUNT}"
        return Bench(f"azblob://{where}&sas-token={quote(signature('lake', rights), safe='')}").open()

    writer, reader = store("rwdl"), store("rl")
    writer.check()
    writer.sweep()
    writer.put_if_absent(KEY, [b"x"], 1)
    with pytest.raises(AlreadyExists):
        writer.put_if_absent(KEY, [b"y"], 1)
    writer.replace("metadata", b"2", writer.replace("metadata", b"1", None))
    assert [info.key for info in writer.list("")] == ["metadata", KEY]
    writer.delete([KEY])
    assert list(reader.list("")) == []
    with pytest.raises(RunFailed, match=r"put of 'metadata'.*\(403\)"):
        reader.replace("metadata", b"3", None)
    writer.close()
    reader.close()


def test_secrets_are_never_printed(bench: Bench, proxy: Proxy) -> None:
    store = bench.open()
    proxy.choose = lambda request: Fault.FORBID
    with pytest.raises(EnvironmentRefused) as caught:
        store.check()
    store.close()

    error: BaseException | None = caught.value
    while error is not None:  # the causes too: a traceback prints them
        assert ACCOUNT_KEY not in f"{error!r} {error}"
        error = error.__cause__ or error.__context__
    assert ACCOUNT_KEY not in store.display
