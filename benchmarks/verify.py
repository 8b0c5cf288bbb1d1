"""Verification of a store: every rule on every row, by two threads, against a bare read of the same files.

The floor reads each file into memory and gives it to `pyarrow.csv`, two files side by side: it knows the columns,
checks nothing, and keeps nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as arrow_csv

from afterbay_nodes.bucket.bucket import open_bucket
from afterbay_nodes.decoders.decode import Decoders
from afterbay_nodes.verify.report import Report
from afterbay_nodes.verify.row_digest import Digests
from afterbay_nodes.verify.verifier import THREADS, verify
from benchmarks.floor import STORED
from benchmarks.measure import MB, Measurement, fresh
from benchmarks.rows import Mapped, Shape, prepare
from benchmarks.sink import CSV, EIGHT_MIB, stored

SHAPE = Shape(2_000_000)
REPETITIONS = 5

_READ = arrow_csv.ReadOptions(column_names=STORED.names, use_threads=False)
_PARSE = arrow_csv.ParseOptions(newlines_in_values=True)
_CONVERT = arrow_csv.ConvertOptions(column_types=STORED)


def measure(work: Path) -> list[Measurement]:
    """The rules alone, and with digests of all rows as `--against` a change log needs them."""
    lake = _lake(work, prepare(work, SHAPE))
    size = sum(path.stat().st_size for path in _files(lake))
    found = []
    for name, digests in (("verify, csv", False), ("verify, csv, with digests", True)):
        ours, floor = _Timed(), _Timed()
        for _ in range(REPETITIONS):  # in turns, so that both meet the same load
            floor.run(lambda: _bare(lake))
            ours.run(lambda digests=digests: _verified(lake, digests=digests))  # type: ignore[misc]
        found.append(
            Measurement(
                name,
                SHAPE.rows,
                tuple(ours.seconds),
                "at least 200 MB/s" if not digests else "for information",
                tuple(floor.seconds),
                f"pyarrow.csv of the same files, {THREADS} threads",
                {
                    "MB/s": round(size / min(ours.seconds) / MB),
                    "MB a CPU second": round(size / min(ours.cpu) / MB),
                    "floor, MB/s": round(size / min(floor.seconds) / MB),
                    "floor, MB a CPU second": round(size / min(floor.cpu) / MB),
                    "CPU ratio": round(min(floor.cpu) / min(ours.cpu), 2),
                },
            )
        )
    return found


def alone(work: Path) -> None:
    """Our part, once."""
    _verified(_lake(work, prepare(work, SHAPE)), digests=False)


class _Timed:
    """Wall-clock and CPU seconds of repetitions; the CPU seconds are of all threads."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.cpu: list[float] = []

    def run(self, step: Callable[[], object]) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        step()
        self.seconds.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)


def _lake(work: Path, mapped: Mapped) -> Path:
    """The store of the benchmark, written once."""
    folder = work / "verified"
    if not (folder / "lake" / "metadata").exists():
        stored(fresh(folder), mapped, CSV, **EIGHT_MIB)
    return folder / "lake"


def _verified(lake: Path, *, digests: bool) -> Report:
    with open_bucket(str(lake)) as bucket:
        report = verify(bucket, Decoders(), digests=Digests() if digests else None)
    if not report.is_clean:
        raise SystemExit(f"the benchmark's store has faults: {report.faults[0]}")
    return report


def _bare(lake: Path) -> None:
    def read(path: Path) -> int:
        return int(arrow_csv.read_csv(pa.BufferReader(path.read_bytes()), _READ, _PARSE, _CONVERT).num_rows)

    with ThreadPoolExecutor(THREADS) as pool:
        if sum(pool.map(read, _files(lake))) != SHAPE.rows:
            raise SystemExit("the floor read other rows")


def _files(lake: Path) -> list[Path]:
    return sorted(lake.rglob("CDC*.csv"))
