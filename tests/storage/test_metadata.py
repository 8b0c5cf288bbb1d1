from __future__ import annotations

import pytest

from afterbay.errors import RunFailed
from afterbay_nodes.storage.metadata import MetadataFile, is_mark, new_owner, put_mark, read_metadata
from tests.support.memory_store import MemoryStore
from tests.support.stores import LeapingClock

OURS, THEIRS = new_owner(), new_owner()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def clock() -> LeapingClock:
    return LeapingClock()


def test_the_checkpoint_is_written_as_the_protocol_says(store: MemoryStore, clock: LeapingClock) -> None:
    file = MetadataFile(store, clock)
    file.advance(449)

    assert file.write_due() is None
    assert store.objects == {"metadata": b'{"checkpoint-ts":449}'}
    assert read_metadata(store) == 449


@pytest.mark.parametrize(
    "content", [b'{"checkpoint-ts":%d}' % 2**64, b'{"checkpoint-ts":-1}', b'{"checkpoint-ts":true}', b"[" * 4000, b"{}"]
)
def test_what_is_no_checkpoint_is_refused(store: MemoryStore, content: bytes) -> None:
    store.objects["metadata"] = content
    with pytest.raises(RunFailed, match="holds no checkpoint"):
        read_metadata(store)


def test_it_is_written_at_most_every_two_seconds_and_at_the_end(store: MemoryStore, clock: LeapingClock) -> None:
    file = MetadataFile(store, clock)
    file.advance(1)
    file.write_due()

    file.advance(2)
    clock.pass_by(1.5)
    assert file.write_due() == pytest.approx(0.5)
    assert read_metadata(store) == 1
    clock.pass_by(0.5)
    file.write_due()
    assert read_metadata(store) == 2
    file.advance(3)
    file.finish()
    assert read_metadata(store) == 3


def test_without_news_nothing_is_written(store: MemoryStore, clock: LeapingClock) -> None:
    file = MetadataFile(store, clock)
    assert file.write_due() is None
    file.finish()
    file.advance(5)
    file.finish()
    file.advance(5)
    file.finish()

    assert store.count("replace") == 1


def test_it_never_goes_back(store: MemoryStore, clock: LeapingClock) -> None:
    file = MetadataFile(store, clock)
    file.advance(9)
    file.advance(8)
    file.finish()
    file.advance(4)
    clock.pass_by(10)
    file.write_due()
    file.finish()

    assert read_metadata(store) == 9


def test_it_does_not_go_below_what_the_store_shows(store: MemoryStore, clock: LeapingClock) -> None:
    store.objects["metadata"] = b'{"checkpoint-ts":100}'
    file = MetadataFile(store, clock)
    file.load()
    file.advance(99)
    file.finish()
    assert read_metadata(store) == 100

    file.advance(101)
    file.finish()
    assert read_metadata(store) == 101


def test_a_mark_is_a_checkpoint_of_nought_and_gets_the_plain_form(store: MemoryStore, clock: LeapingClock) -> None:
    assert put_mark(store, OURS)
    assert read_metadata(store) == 0
    assert is_mark(store.objects["metadata"])
    file = MetadataFile(store, clock)
    assert file.load() == 0
    assert store.objects["metadata"] == b'{"checkpoint-ts":0}'
    assert not is_mark(store.objects["metadata"])
    file.advance(7)
    file.finish()
    assert store.objects["metadata"] == b'{"checkpoint-ts":7}'


def test_a_root_has_one_mark(store: MemoryStore) -> None:
    assert put_mark(store, OURS)
    assert put_mark(store, OURS), "again, as a process that died before it could say so"
    assert not put_mark(store, THEIRS)
    store.objects["metadata"] = b'{"checkpoint-ts":0}'
    assert not put_mark(store, OURS), "whose the plain form is does not show"


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"checkpoint-ts":"1"}', b'{"checkpoint-ts":true}', b"\xff"])
def test_a_file_that_holds_no_checkpoint_is_an_error(store: MemoryStore, clock: LeapingClock, content: bytes) -> None:
    store.objects["metadata"] = content

    with pytest.raises(RunFailed, match="'metadata' in memory:// holds no checkpoint"):
        MetadataFile(store, clock).load()


def test_a_write_that_fails_is_tried_again_at_the_next_turn(
    store: MemoryStore, clock: LeapingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = MetadataFile(store, clock)
    file.advance(7)
    with monkeypatch.context() as broken:
        broken.setattr(
            store, "replace", lambda key, data, previous: (_ for _ in ()).throw(RunFailed("store.gave_up", "no"))
        )
        with pytest.raises(RunFailed):
            file.write_due()

    file.write_due()
    assert read_metadata(store) == 7
