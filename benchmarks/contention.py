"""`python -m benchmarks.contention`: the route cache and the path states, one thread against sixteen.

The interpreter runs one thread at a time, so sixteen threads can do no more than one; the ratio says how much of it the
locks take away, and the CPU seconds how much work it makes. (Rotation of segments under sixteen readers is in
`benchmarks.spool_put`.)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from afterbay.clock import SystemClock
from afterbay.runtime.channel import UNBOUNDED, Channel
from afterbay.runtime.router import Router
from afterbay.schema import Column, TableName, TableSchema
from afterbay_nodes.storage.path_state import PathStates

CALLS = 320_000
THREADS = 16


@dataclass(frozen=True, slots=True)
class Seen:
    """Calls a second over all threads, and the CPU seconds of all calls together."""

    rate: float
    cpu: float


def measure(work: Callable[[int], None], threads: int) -> Seen:
    """`work` is told how many calls to make."""
    gate = threading.Barrier(threads + 1)

    def body() -> None:
        gate.wait()
        work(CALLS // threads)

    workers = [threading.Thread(target=body) for _ in range(threads)]
    for worker in workers:
        worker.start()
    gate.wait()
    started, used = time.perf_counter(), time.process_time()
    for worker in workers:
        worker.join()
    return Seen(CALLS / (time.perf_counter() - started), time.process_time() - used)


def routes() -> Callable[[int], None]:
    """Look-ups of known routes of 1 000 tables."""
    router = Router([Channel(str(n), UNBOUNDED, SystemClock()) for n in range(16)])
    tables = [TableSchema(TableName("s", f"t{n}"), 1, (Column("id", "int"),)) for n in range(1000)]

    def work(calls: int) -> None:
        for n in range(calls):
            router.channel_of(tables[n % 1000])

    return work


def paths() -> Callable[[int], None]:
    """Pins and unpins of 1 000 path states, which are looked through every few milliseconds for what has expired."""
    states = PathStates(SystemClock(), ttl=0.01)
    keys = [(f"s/t{n}/1", "CDC") for n in range(1000)]

    def work(calls: int) -> None:
        for n in range(calls):
            states.pin(keys[n % 1000])
            states.unpin(keys[n % 1000])

    return work


def main() -> None:
    """Prints both rates and their ratio, the median of three."""
    for name, make in (("route", routes), ("path state, with cleanup", paths)):
        pairs = []
        for _ in range(3):
            one, many = measure(make(), 1), measure(make(), THREADS)
            pairs.append((many.rate / one.rate, one, many))
        ratio, one, many = sorted(pairs, key=lambda pair: pair[0])[1]
        print(
            f"{name}: {one.rate / 1e3:,.0f} k/s ({one.cpu:.2f} CPU s) by 1 thread, "
            f"{many.rate / 1e3:,.0f} k/s ({many.cpu:.2f} CPU s) by {THREADS}: ratio {ratio:.2f}"
        )


if __name__ == "__main__":
    main()
