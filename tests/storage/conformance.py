"""What every object store must do. A store's test module inherits this class and gives it a `bench`."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from afterbay.errors import RunFailed
from afterbay_nodes.storage.advance import UNSEEN, advance
from afterbay_nodes.storage.store import (
    AlreadyExists,
    Changed,
    NotFound,
    ObjectInfo,
    ObjectStore,
    Seen,
    StoreOptions,
)
from tests.support.stores import Bench

KEY = "shop/orders/445/2024-05-17/CDC00001.csv"
INDEX = "shop/orders/445/meta/CDC.index"
LARGE = (8 << 20) * 2 + 12345


def everything(store: ObjectStore) -> list[ObjectInfo]:
    return list(store.list(""))


class StoreConformance:
    """`asks`: the store replaces an object only if it is the version that was seen."""

    asks = True

    @pytest.fixture
    def store(self, bench: Bench) -> ObjectStore:
        store = bench.open()
        store.check()
        yield store
        store.close()

    def test_an_object_is_the_concatenation_of_its_parts_and_keeps_its_size(self, store: ObjectStore) -> None:
        parts = [b"a,", memoryview(b"b\n"), pa.py_buffer(b"c,d\n"), b""]

        store.put_if_absent(KEY, parts, 8)

        assert store.get(KEY) == b"a,b\nc,d\n"
        assert store.head(KEY) == ObjectInfo(KEY, 8)

    def test_an_object_may_be_empty(self, store: ObjectStore) -> None:
        store.put_if_absent(KEY, [], 0)

        assert store.head(KEY) == ObjectInfo(KEY, 0)
        assert store.get(KEY) == b""
        assert list(store.open_read(KEY)) == []

    def test_a_name_is_given_once(self, store: ObjectStore) -> None:
        store.put_if_absent(KEY, [b"first"], 5)

        with pytest.raises(AlreadyExists, match=r"CDC00001\.csv"):
            store.put_if_absent(KEY, [b"other"], 5)
        with pytest.raises(AlreadyExists):  # equal bytes are no excuse: this call did not write them
            store.put_if_absent(KEY, [b"first"], 5)

        assert store.get(KEY) == b"first"

    def test_of_many_that_want_a_name_exactly_one_gets_it(self, store: ObjectStore) -> None:
        start = threading.Barrier(8)

        def claim(number: int) -> bool:
            start.wait()
            try:
                store.put_if_absent(KEY, [b"%d" % number], 1)
            except AlreadyExists:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            won = [number for number, result in enumerate(pool.map(claim, range(8))) if result]

        assert len(won) == 1
        assert store.get(KEY) == b"%d" % won[0]

    def test_a_wrong_size_is_refused_before_anything_is_there(self, store: ObjectStore) -> None:
        with pytest.raises(RunFailed, match="announced with 4 bytes and has 3"):
            store.put_if_absent(KEY, [b"abc"], 4)

        assert everything(store) == []

    @pytest.mark.parametrize("side_by_side", [1, 3])
    def test_a_large_object_of_many_small_buffers_arrives_whole(self, bench: Bench, side_by_side: int) -> None:
        store = bench.open(StoreOptions(part_concurrency=side_by_side))
        store.check()
        body = os.urandom(LARGE)
        view = memoryview(body)
        parts = [view[at : at + 9_973] for at in range(0, LARGE, 9_973)]

        store.put_if_absent(KEY, parts, LARGE)

        assert store.head(KEY) == ObjectInfo(KEY, LARGE)
        assert b"".join(bytes(chunk) for chunk in store.open_read(KEY)) == body
        with pytest.raises(AlreadyExists):
            store.put_if_absent(KEY, parts, LARGE)
        store.close()

    def test_reading_is_in_chunks_of_bounded_size(self, store: ObjectStore) -> None:
        store.put_if_absent(KEY, [bytes(3 << 20)], 3 << 20)

        sizes = [chunk.nbytes for chunk in store.open_read(KEY)]

        assert sum(sizes) == 3 << 20
        assert max(sizes) <= 1 << 20

    def test_what_must_be_small_is_refused_when_it_is_not(self, store: ObjectStore) -> None:
        store.replace("metadata", b"x" * 100, None)

        with pytest.raises(RunFailed, match="has 100 bytes, over 99"):
            store.get("metadata", 99)

    def test_an_object_is_replaced_by_who_saw_its_version(self, store: ObjectStore) -> None:
        first = store.replace(INDEX, b"CDC00000000000000000001.csv\n", None)
        assert store.see(INDEX) == Seen(b"CDC00000000000000000001.csv\n", first)

        second = store.replace(INDEX, b"2\n", first)

        assert store.see(INDEX) == Seen(b"2\n", second)
        assert store.get(INDEX) == b"2\n"
        assert store.replace(INDEX, b"3\n", store.see(INDEX).version) == store.see(INDEX).version

    def test_what_is_there_already_counts_as_replaced_whoever_wrote_it(self, store: ObjectStore) -> None:
        first = store.replace(INDEX, b"1\n", None)
        second = store.replace(INDEX, b"2\n", first)
        again = store.replace(INDEX, b"2\n", second)  # some stores give equal bytes a new version

        assert [store.replace(INDEX, b"2\n", version) for version in (first, None)] == [again] * 2
        assert store.see(INDEX) == Seen(b"2\n", again)

    def test_another_version_than_the_one_that_was_seen_is_left_as_it_is(self, store: ObjectStore) -> None:
        """A store whose writes never come late, or that knows no such condition, does not ask and replaces."""
        first = store.replace(INDEX, b"1\n", None)
        second = store.replace(INDEX, b"2\n", first)

        for version in (first, None):
            if self.asks:
                with pytest.raises(Changed, match=r"CDC\.index"):
                    store.replace(INDEX, b"3\n", version)
                assert store.see(INDEX) == Seen(b"2\n", second)
            else:
                store.replace(INDEX, b"3\n", version)
                assert store.get(INDEX) == b"3\n"
        store.delete([INDEX])
        if self.asks:
            with pytest.raises(Changed):
                store.replace(INDEX, b"4\n", second)
            assert store.head(INDEX) is None

    def test_of_what_is_not_there_no_version_is_seen(self, store: ObjectStore) -> None:
        with pytest.raises(NotFound, match=r"CDC\.index"):
            store.see(INDEX)
        store.replace(INDEX, b"x" * 100, None)
        with pytest.raises(RunFailed, match="has 100 bytes, over 99"):
            store.see(INDEX, 99)

    def test_what_goes_forward_is_never_taken_back(self, store: ObjectStore) -> None:
        """I1: content that is ahead is somebody else's, who is left what he wrote."""

        def write(number: int, version: str | None) -> str:
            return advance(store, INDEX, b"%d" % number, version, lambda found: int(found) < number)

        first = write(1, UNSEEN)
        assert write(1, UNSEEN) == first, "our own bytes, from a try whose answer was lost"
        nine = write(9, first)
        with pytest.raises(RunFailed, match=r"store\.ahead.*'shop/orders/445/meta/CDC\.index'.* b'5' there"):
            write(5, UNSEEN)
        assert store.see(INDEX) == Seen(b"9", nine)
        write(12, UNSEEN)
        assert store.get(INDEX) == b"12"
        if self.asks:
            with pytest.raises(RunFailed, match=r"store\.ahead"):
                write(11, nine)  # what it saw last is not what is there
            assert store.get(INDEX) == b"12"
            assert write(13, nine) == store.see(INDEX).version
            assert store.get(INDEX) == b"13"

    def test_a_replaced_object_is_seen_old_or_new_and_never_torn(self, store: ObjectStore) -> None:
        version = store.replace("metadata", b"0" * 1000, None)
        done = threading.Event()

        def replace() -> None:
            last = version
            for number in range(1, 31):
                last = store.replace("metadata", b"%d" % (number % 10) * 1000, last)
            done.set()

        seen = []
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(replace)
            while not done.is_set() and not writing.done():
                seen.append(store.get("metadata"))
            writing.result()

        assert all(len(content) == 1000 and len(set(content)) == 1 for content in seen)

    def test_what_is_not_there_is_said_to_be_missing(self, store: ObjectStore) -> None:
        assert store.head(KEY) is None
        assert list(store.list("shop/")) == []
        with pytest.raises(NotFound, match=r"CDC00001\.csv"):
            store.get(KEY)
        with pytest.raises(NotFound):
            next(store.open_read(KEY))

    def test_a_listing_after_a_write_is_complete_and_keeps_folders_together(self, store: ObjectStore) -> None:
        keys = ["a.csv", "a/x", "a/b/c", "a-b/x", "ab", "b/meta/schema_1_0000000001.json", "b/CDC1.csv", "ä/ü", "😀/x"]
        for number, key in enumerate(keys):
            store.put_if_absent(key, [b"x" * number], number)

        listed = [info.key for info in store.list("")]
        assert sorted(listed) == sorted(keys)
        for folder in ("a/", "a/b/", "b/", "b/meta/"):
            inside = [number for number, key in enumerate(listed) if key.startswith(folder)]
            assert inside == list(range(inside[0], inside[-1] + 1))
        assert {info.key: info.size for info in store.list("")} == {key: n for n, key in enumerate(keys)}
        assert {info.key for info in store.list("a/")} == {"a/b/c", "a/x"}
        assert {info.key for info in store.list("a")} == {key for key in keys if key.startswith("a")}
        assert [info.key for info in store.list("b/meta/schema_")] == ["b/meta/schema_1_0000000001.json"]

    @pytest.mark.parametrize(
        "name", ["orders 2024", "müller", "日本語", "a+b&c=d", "100%", "%2F", "q?x#y", "'\"", "emoji😀", "~", "a:b*"]
    )
    def test_names_are_kept_as_they_are(self, store: ObjectStore, name: str) -> None:
        store.put_if_absent(f"shop/{name}/CDC1.csv", [b"x"], 1)

        assert everything(store) == [ObjectInfo(f"shop/{name}/CDC1.csv", 1)]
        assert store.get(f"shop/{name}/CDC1.csv") == b"x"

    @pytest.mark.parametrize(
        "key", ["", "/etc/passwd", "../x", "a/../../x", "a/./b", "a//b", "a/", "a\x00b", "a/" + "x" * 256, "a/\ud800"]
    )
    def test_a_key_that_could_leave_the_root_is_refused(self, store: ObjectStore, key: str) -> None:
        for refused in (
            lambda: store.put_if_absent(key, [b"x"], 1),
            lambda: store.replace(key, b"x", None),
            lambda: store.get(key),
            lambda: store.head(key),
            lambda: store.delete([key]),
        ):
            with pytest.raises(RunFailed, match="is refused"):
                refused()

        assert everything(store) == []

    def test_many_are_deleted_and_the_others_stay(self, store: ObjectStore) -> None:
        gone = [f"shop/orders/445/2024-05-{day:02}/CDC{number}.csv" for day in range(1, 5) for number in range(10)]
        for key in [*gone, KEY]:
            store.put_if_absent(key, [b"x"], 1)

        store.delete([*gone, "shop/never/was.csv"])
        store.delete([])

        assert everything(store) == [ObjectInfo(KEY, 1)]

    def test_a_deleted_name_is_free_again(self, store: ObjectStore) -> None:
        store.put_if_absent(KEY, [b"old"], 3)
        store.delete([KEY])
        store.put_if_absent(KEY, [b"new"], 3)

        assert store.get(KEY) == b"new"

    def test_pruning_takes_no_object(self, store: ObjectStore) -> None:
        store.put_if_absent(KEY, [b"x"], 1)
        store.prune(lambda folder: True)

        assert everything(store) == [ObjectInfo(KEY, 1)]

    def test_checking_and_sweeping_leave_nothing_and_take_nothing(self, store: ObjectStore) -> None:
        store.put_if_absent(KEY, [b"x"], 1)
        store.check()
        store.sweep()

        assert everything(store) == [ObjectInfo(KEY, 1)]

    def test_another_opening_of_the_root_sees_the_same(self, bench: Bench, store: ObjectStore) -> None:
        store.put_if_absent(KEY, [b"x"], 1)
        other = bench.open()
        other.check()  # a writer asks what the store knows before it writes

        assert everything(other) == [ObjectInfo(KEY, 1)]
        with pytest.raises(AlreadyExists):
            other.put_if_absent(KEY, [b"y"], 1)
        other.close()
