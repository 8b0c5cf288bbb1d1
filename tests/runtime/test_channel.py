"""Channels are bounded in items and bytes, end cleanly, and never block for ever on one large item."""

from __future__ import annotations

import threading

import pytest

from afterbay.clock import SystemClock
from afterbay.errors import Cancelled
from afterbay.messages import DrainMarker, DrainReason
from afterbay.runtime.channel import UNBOUNDED, Bound, Channel, ChannelClosed
from afterbay.runtime.envelope import Envelope, watermark


def item(n: int, nbytes: int = 1) -> Envelope:
    return Envelope("p", n, DrainMarker("p", n, n, DrainReason.REQUESTED), nbytes=nbytes)


def channel(items: int | None = None, nbytes: int | None = None, producers: int = 1) -> Channel:
    return Channel("edge", Bound(items, nbytes), SystemClock(), producers=producers)


def test_items_come_out_in_order_and_in_batches() -> None:
    edge = channel()
    for n in range(5):
        edge.put(item(n))
    assert [e.sequence for e in edge.get_many(most=3)] == [0, 1, 2]
    assert [e.sequence for e in edge.get_many()] == [3, 4]


@pytest.mark.parametrize("bound", [Bound(2, None), Bound(None, 20)])
def test_a_full_channel_blocks_its_producer_until_there_is_room(bound: Bound) -> None:
    edge = Channel("edge", bound, SystemClock())
    edge.put(item(0, 10))
    edge.put(item(1, 10))
    put = threading.Event()

    def produce() -> None:
        edge.put(item(2, 10))
        put.set()

    thread = threading.Thread(target=produce)
    thread.start()
    assert not put.is_set()
    assert edge.depth() == (2, 20)
    assert [e.sequence for e in edge.get_many(most=1)] == [0]
    assert put.wait(5)
    thread.join()
    assert edge.depth() == (2, 20)


def test_an_empty_channel_takes_an_item_of_any_size() -> None:
    edge = channel(nbytes=10)
    edge.put(item(0, 1_000_000))
    assert edge.depth() == (1, 1_000_000)


def test_it_ends_when_every_producer_has_closed_and_all_is_read() -> None:
    edge = channel(producers=2)
    edge.put(item(0))
    edge.close()
    edge.close()
    assert len(edge.get_many()) == 1
    with pytest.raises(ChannelClosed):
        edge.get_many()


def test_cancel_ends_reader_and_writer() -> None:
    edge = channel(items=1)
    edge.put(item(0))
    edge.cancel()
    with pytest.raises(Cancelled):
        edge.put(item(1))
    with pytest.raises(Cancelled):
        edge.get_many()


def test_wake_returns_an_empty_batch_even_if_it_came_first() -> None:
    edge = channel()
    edge.wake()
    assert edge.get_many() == []


def test_a_timeout_returns_an_empty_batch() -> None:
    assert channel().get_many(timeout=0.0) == []


def test_idle_watermarks_collapse_into_the_newest() -> None:
    edge = Channel("edge", UNBOUNDED, SystemClock())
    for n in range(1000):
        edge.put(watermark("p", n))
    edge.put(watermark("q", 3))
    assert [(e.partition, e.sequence) for e in edge.get_many()] == [("p", 999), ("q", 3)]
