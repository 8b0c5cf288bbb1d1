"""The same rows through other Python tools, each with the most durability that it offers, said exactly.

They are no part of the development environment: `uv run --isolated --group peers python -m benchmarks peers` brings
them for one run. A peer that is not installed is left out with a line that says so.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from benchmarks import floor
from benchmarks.measure import Measurement, fresh, timed
from benchmarks.rows import Mapped, prepare, table_schema
from benchmarks.sink import CSV, EIGHT_MIB, SHAPE, stored

FILE = EIGHT_MIB["file_size"]


def measure(work: Path) -> list[Measurement]:
    """Each peer that is installed, three times, in turns with ours in the same process. Every row must be stored."""
    mapped = prepare(work, SHAPE)
    found: list[Measurement] = []
    for name, (module, durability, run) in PEERS.items():
        if find_spec(module) is None:
            print(f"peers: {name} is left out: it is not installed (see `benchmarks/peers.py`)", file=sys.stderr)
            continue
        theirs, ours = Clocked(), Clocked()
        for _ in range(3):
            peer = fresh(work / "peer")
            theirs.time(partial(run, mapped, peer))
            if (rows := stored_rows(peer / "lake")) != SHAPE.rows:
                raise SystemExit(f"{name} stored {rows} of {SHAPE.rows} rows")
            ours.time(partial(stored, fresh(work / "ours"), mapped, CSV, **EIGHT_MIB))
        told = "afterbay, the same rows: every guarantee on, fsync of each file and folder"
        figures = {"its durability": durability, "CPU s": min(theirs.cpu), "CPU s of ours": min(ours.cpu)}
        found.append(
            Measurement(f"peer {name}", SHAPE.rows, tuple(theirs.wall), "beside ours", tuple(ours.wall), told, figures)
        )
    return found


@dataclass(frozen=True, slots=True)
class Clocked:
    """Seconds of each repetition: on the wall, and of CPU in this process (all threads)."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def time(self, step: Callable[[], object]) -> None:
        """Runs `step` once."""
        used = time.process_time()
        self.wall.append(timed(step))
        self.cpu.append(round(time.process_time() - used, 2))


def stored_rows(lake: Path) -> int:
    """Rows in the CSV files below `lake`, headers left out. No value of the benchmark's rows has a line feed."""
    rows = 0
    for path in lake.rglob("*.csv"):
        content = path.read_bytes()
        rows += content.count(b"\n") - content.startswith((b"op,", b'"op",'))
    return rows


def _dlt(mapped: Mapped, folder: Path) -> None:
    """One resource a table, Arrow in, CSV files out, through dlt's extract, normalize and load."""
    import dlt

    os.environ |= {
        "DLT_DATA_DIR": str(folder / "data"),
        "DESTINATION__FILESYSTEM__BUCKET_URL": str(folder / "lake"),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "DATA_WRITER__FILE_MAX_BYTES": str(FILE),
        "DATA_WRITER__DISABLE_COMPRESSION": "true",
        "NORMALIZE__WORKERS": "1",
        "LOAD__WORKERS": "2",
    }
    folder.mkdir(parents=True)

    def rows(table: int) -> Iterator[pa.Table]:
        for batch in mapped.batches():
            if batch.table == table:
                yield pa.Table.from_batches([floor.stored_columns(batch)])

    tables = [dlt.resource(rows(n), name=table_schema(n).name.table) for n in range(mapped.shape.tables)]
    pipeline = dlt.pipeline(
        "bench", pipelines_dir=str(folder / "state"), destination="filesystem", dataset_name="bench"
    )
    pipeline.run(tables, loader_file_format="csv", write_disposition="append").raise_on_failed_jobs()


def _bytewax(mapped: Mapped, folder: Path) -> None:
    """A partition a table on two workers; its file is synced at each snapshot, which the recovery store keeps."""
    import bytewax.operators as op
    from bytewax.dataflow import Dataflow
    from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
    from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
    from bytewax.recovery import RecoveryConfig, init_db_dir
    from bytewax.testing import cluster_main

    names = [str(number) for number in range(mapped.shape.tables)]

    class Part(StatefulSourcePartition):  # type: ignore[misc]
        def __init__(self, table: int) -> None:
            self._batches = (batch for batch in mapped.batches() if batch.table == table)
            self._done = 0

        def next_batch(self) -> list[Any]:
            batch = next(self._batches, None)
            if batch is None:
                raise StopIteration
            self._done += 1
            return [(str(batch.table), batch)]

        def snapshot(self) -> int:
            return self._done

    class Input(FixedPartitionedSource):  # type: ignore[misc]
        def list_parts(self) -> list[str]:
            return names

        def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> Part:
            return Part(int(for_part))

    class File(StatefulSinkPartition):  # type: ignore[misc]
        def __init__(self, table: int) -> None:
            self._folder = folder / "lake" / str(table)
            self._folder.mkdir(parents=True)
            self._number = 0
            self._file = self._open()

        def _open(self) -> BinaryIO:
            file = (self._folder / f"{self._number}.csv").open("wb", buffering=0)
            above = os.open(self._folder, os.O_RDONLY)
            os.fsync(above)
            os.close(above)
            return file

        def write_batch(self, values: list[Any]) -> None:
            for batch in values:
                self._file.write(floor.csv(batch))
            if self._file.tell() >= FILE:
                os.fsync(self._file.fileno())
                self._file.close()
                self._number += 1
                self._file = self._open()

        def snapshot(self) -> tuple[int, int]:
            os.fsync(self._file.fileno())
            return self._number, self._file.tell()

        def close(self) -> None:
            self._file.close()

    class Output(FixedPartitionedSink):  # type: ignore[misc]
        def list_parts(self) -> list[str]:
            return names

        def part_fn(self, item_key: str) -> int:
            return int(item_key)

        def build_part(self, step_id: str, for_part: str, resume_state: tuple[int, int] | None) -> File:
            return File(int(for_part))

    flow = Dataflow("bench")
    op.output("out", op.input("in", flow, Input()), Output())
    recovery = folder / "recovery"
    recovery.mkdir(parents=True)
    init_db_dir(recovery, 1)
    cluster_main(
        flow,
        [],
        0,
        epoch_interval=timedelta(seconds=1),
        recovery_config=RecoveryConfig(str(recovery)),
        worker_count_per_proc=2,
    )


Peer = tuple[str, str, Callable[[Mapped, Path], None]]
PEERS: dict[str, Peer] = {
    "dlt": (
        "dlt",
        "no fsync at all; rows go to work files first, whose state changes by rename, then are copied into place, so "
        "that a crash may leave half a file under its name; a run that failed goes on with its pending package",
        _dlt,
    ),
    "bytewax": (
        "bytewax",
        "a snapshot a second into its recovery store (SQLite, synced at each commit); our sink for it syncs the data "
        "file at each snapshot and when it is full, and the folder of a new file; no index, a restart may leave rows "
        "behind the snapshot in the file",
        _bytewax,
    ),
}
