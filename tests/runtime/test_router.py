"""Routes are the same for ever, cost nothing once known, and one blocked shard holds up nobody."""

from __future__ import annotations

import subprocess
import sys
import threading
import tracemalloc

from afterbay.clock import SystemClock
from afterbay.messages import DrainMarker, DrainReason, Watermark
from afterbay.runtime.channel import UNBOUNDED, Channel
from afterbay.runtime.envelope import Envelope, watermark
from afterbay.runtime.router import Router, shard_of
from afterbay.schema import Column, TableName, TableSchema


def schema(table: str, version: int = 1, partition_id: int | None = None) -> TableSchema:
    return TableSchema(TableName("bank", table), version, (Column("id", "int"),), partition_id=partition_id)


def router(shards: int) -> tuple[Router, list[Channel]]:
    channels = [Channel(str(n), UNBOUNDED, SystemClock()) for n in range(shards)]
    return Router(channels), channels


def test_a_route_is_the_same_in_every_process_and_hash_seed() -> None:
    code = "from afterbay.runtime.router import shard_of;print([shard_of(f'bank\\x00t{n}', 16) for n in range(50)])"
    here = str([shard_of(f"bank\x00t{n}", 16) for n in range(50)])
    for seed in ("0", "1", "4242"):
        out = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        assert out.stdout.strip() == here


def test_dispatchers_that_share_a_directory_share_a_shard() -> None:
    route, _ = router(16)
    one, two = schema("t", 1, partition_id=1), schema("t", 9, partition_id=2)
    assert route.channel_of(one) is route.channel_of(two)


class CountingKey(str):
    """A route key that counts how often it is hashed by hand-written code."""

    encoded = 0

    def encode(self, *args: str) -> bytes:
        CountingKey.encoded += 1
        return super().encode(*args)


def test_a_known_route_neither_hashes_nor_allocates() -> None:
    route, _ = router(16)
    table = schema("orders")
    object.__setattr__(table, "route_key", CountingKey(table.route_key))
    first = route.channel_of(table)
    assert CountingKey.encoded == 1
    tracemalloc.start()
    try:
        route.channel_of(table)
        before = tracemalloc.take_snapshot()
        for _ in range(1000):
            route.channel_of(table)
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    grown = [
        s
        for s in after.compare_to(before, "filename")
        if s.traceback[0].filename.endswith("runtime/router.py") and s.size_diff > 0
    ]
    assert grown == []
    assert CountingKey.encoded == 1, "CRC-32 was computed once"
    assert route.channel_of(table) is first


def test_a_marker_goes_to_every_shard_and_a_watermark_to_none() -> None:
    route, channels = router(4)
    route.put(Envelope("p", 1, DrainMarker("p", 1, 1, DrainReason.REQUESTED)))
    route.put(watermark("p", 2))
    assert [channel.depth()[0] for channel in channels] == [1, 1, 1, 1]
    assert not any(isinstance(e.message, Watermark) for channel in channels for e in channel.get_many())


def test_sixteen_threads_route_side_by_side() -> None:
    route, channels = router(16)
    tables = [schema(f"t{n}") for n in range(200)]
    expected = {t.route_key: channels[shard_of(t.route_key, 16)] for t in tables}
    wrong: list[str] = []
    gate = threading.Barrier(16)

    def look() -> None:
        gate.wait()
        wrong.extend(
            table.route_key for table in tables * 20 if route.channel_of(table) is not expected[table.route_key]
        )

    threads = [threading.Thread(target=look) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
