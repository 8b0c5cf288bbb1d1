"""What the spool costs over a bare append of the same bytes: `python -m benchmarks.spool_put`.

Every entry goes to a segment and is catalogued. The floor writes the same buffers to one file, one `write` each. Both
leave the bytes in the page cache; removing them is not timed in either. The heap of a live entry is what
`ENTRY_OVERHEAD` has to cover.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from afterbay.clock import SystemClock
from afterbay.messages import BatchHead, EncodedBatch, FileFormat
from afterbay.schema import Column, RowPosition, TableName, TableSchema
from afterbay.spool.limits import Limits
from afterbay.spool.spool import Entry, Reservoir
from afterbay.telemetry import Telemetry
from afterbay.units import GIB, KIB, MIB, format_bytes
from benchmarks.measure import Measurement

REPETITIONS = 5
ONLY_DISK = Limits(quota=16 * GIB, memory=256 * MIB, segment=64 * MIB)
"""Payloads find no room in memory, because each is charged for the whole of which it is a slice; see `_batches`."""


def measure(work: Path) -> list[Measurement]:
    """Entries of 1 MiB and of 16 KiB to segments; contention with readers; what a live entry costs."""
    return [
        _against_floor(work, size=MIB, count=256, target="at least 0.8 of the floor"),
        _against_floor(work, size=16 * KIB, count=4096, target="for information"),
        _read_back(work, size=MIB, count=256),
        _overhead(work),
    ]


def _batches(size: int, count: int) -> list[EncodedBatch]:
    """Batches that share one payload, a slice of a buffer that is too large to stay in memory."""
    whole = pa.py_buffer(os.urandom(size) + bytes(ONLY_DISK.memory))
    body = (whole.slice(0, size),)
    name = TableName("bench", "sbtest")
    head = BatchHead(
        partition="bench",
        dispatcher=str(name),
        schema=TableSchema(name, 1, (Column("id", "bigint"),)),
        format=FileFormat("csv"),
        rows=1,
        inserts=1,
        updates=0,
        deletes=0,
        first=RowPosition(1, 0),
        last=RowPosition(1, 0),
        open=False,
        size=size,
        crc=zlib.crc32(body[0]),
    )
    positions = [RowPosition(435661838416609281 + number, 0) for number in range(count)]
    return [EncodedBatch(replace(head, first=position, last=position), body) for position in positions]


def _open(work: Path) -> Reservoir:
    return Reservoir.open(work / "spool", ONLY_DISK, SystemClock(), Telemetry("bench").node("spool"))


def _put_all(spool: Reservoir, batches: list[EncodedBatch]) -> list[Entry]:
    return [spool.put(batch) for batch in batches]


def _release_all(spool: Reservoir, entries: list[Entry]) -> None:
    for entry in entries:
        entry.release()
    spool.drain()


def _against_floor(work: Path, *, size: int, count: int, target: str) -> Measurement:
    """Also in CPU seconds of the putting thread, which a busy machine distorts less than the wall's."""
    batches = _batches(size, count)
    ours: list[float] = []
    floor: list[float] = []
    ours_cpu: list[float] = []
    floor_cpu: list[float] = []
    spool = _open(work)
    for _ in range(REPETITIONS):
        wall, cpu = _bare_append(work / "floor", batches)
        floor.append(wall)
        floor_cpu.append(cpu)
        started, cpu = time.perf_counter(), time.thread_time()
        entries = _put_all(spool, batches)
        ours_cpu.append(time.thread_time() - cpu)
        ours.append(time.perf_counter() - started)
        _release_all(spool, entries)
    spool.close()
    figures = {
        "MB/s": round(size * count / 1e6 / min(ours)),
        "floor MB/s": round(size * count / 1e6 / min(floor)),
        "ratio in CPU time": round(min(floor_cpu) / min(ours_cpu), 2),
    }
    name = f"spool put, entries of {format_bytes(size)}"
    return Measurement(name, count, tuple(ours), target, tuple(floor), "bare append", figures)


def _bare_append(path: Path, batches: list[EncodedBatch]) -> tuple[float, float]:
    """Wall and CPU seconds. The removal afterwards is in neither."""
    started, cpu = time.perf_counter(), time.thread_time()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND)
    for batch in batches:
        for buffer in batch.body:
            os.write(descriptor, buffer)
    os.close(descriptor)
    taken = time.perf_counter() - started, time.thread_time() - cpu
    path.unlink()
    return taken


def _read_back(work: Path, *, size: int, count: int) -> Measurement:
    """Puts while every entry of the last round is read, checked and released, by 16 threads and by one in turn."""
    batches = _batches(size, count)
    taken: dict[int, list[float]] = {1: [], 16: []}
    spool = _open(work)
    for _ in range(REPETITIONS):
        for threads, seconds in taken.items():
            entries = _put_all(spool, batches)
            readers = [threading.Thread(target=_consume, args=(entries[start::threads],)) for start in range(threads)]
            started = time.perf_counter()
            for reader in readers:
                reader.start()
            behind = _put_all(spool, batches)
            for reader in readers:
                reader.join()
            seconds.append(time.perf_counter() - started)
            _release_all(spool, behind)
    spool.close()
    rates = {f"MB/s with {n} reader(s)": round(2 * size * count / 1e6 / min(found)) for n, found in taken.items()}
    name = f"spool put while 16 threads read and release, entries of {format_bytes(size)}"
    wanted = "no slower with 16 threads than with 1"
    return Measurement(name, count, tuple(taken[16]), wanted, tuple(taken[1]), "the same with one reader", rates)


def _consume(entries: list[Entry]) -> None:
    for entry in entries:
        entry.read()
        entry.release()


def _overhead(work: Path) -> Measurement:
    """Bytes of heap and of catalog that one live entry costs beside its payload."""
    count = 20_000
    spool = _open(work)
    tracemalloc.start()
    started = time.perf_counter()
    entries = _put_all(spool, _batches(1, count))
    taken = time.perf_counter() - started
    spool.drain()
    heap = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    catalog = (work / "spool" / "spool.db").stat().st_size + (work / "spool" / "spool.db-wal").stat().st_size
    figures = {"heap bytes an entry": round(heap / count), "catalog bytes an entry": round(catalog / count)}
    _release_all(spool, entries)
    spool.close()
    return Measurement("spool, cost of a live entry", count, (taken,), "below ENTRY_OVERHEAD", figures=figures)


def main() -> None:
    """Prints each measurement."""
    with tempfile.TemporaryDirectory(prefix="afterbay-bench-") as folder:
        for item in measure(Path(folder)):
            ratio = f", {item.ratio:.2f} of {item.floor_name}" if item.ratio is not None else ""
            figures = ", ".join(f"{name} {value}" for name, value in item.figures.items())
            print(f"{item.name}: {figures}{ratio} (wanted: {item.target})", file=sys.stdout)


if __name__ == "__main__":
    main()
