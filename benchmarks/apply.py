"""`afterbay apply` into DuckDB against DuckDB's own `read_csv` of the same files: `python -m benchmarks.apply`.

Sysbench-like rows of eight tables in CSV files of about 8 MiB, commit-ts stored. Ours decodes and checks every field,
nets by key, deletes and inserts, and keeps its watermark, one transaction a file; the floor only loads the lines, one
table after the other. Seconds are CPU seconds of this process, all threads together, beside those on the clock: on a
machine with other work only the former mean something.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import duckdb

from afterbay.messages import ChangeBatch
from afterbay_nodes.apply.engine import Apply, ApplyOptions
from afterbay_nodes.apply.targets.open import open_target
from afterbay_nodes.bucket.bucket import open_bucket
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.storage.layout import Layout
from afterbay_nodes.storage.schema_file import SchemaFile
from benchmarks.encode import change_batch, encoder
from benchmarks.measure import Measurement, fresh
from benchmarks.rows import SCHEMA, Shape, prepare, table_schema

ROWS = 1_600_000
FILE_BYTES = 8 << 20
REPETITIONS = 3
TARGETS = {"DuckDB": ("duckdb", "at least 300 k rows/s"), "SQLite": ("sqlite", "for information")}


def measure(work: Path) -> list[Measurement]:
    """Each target, in turns with the floor."""
    shape = Shape(ROWS)
    root = stored(work / "apply-store", shape)
    found = []
    for name, (scheme, target) in TARGETS.items():
        ours, clock, floor = [], [], []
        for _ in range(REPETITIONS if scheme == "duckdb" else 1):
            floor.append(_floor(root, fresh(work / "floor")))
            cpu, wall = _apply(root, scheme, fresh(work / "copy"))
            ours.append(cpu)
            clock.append(wall)
        figures = {"rows/s on the clock": round(ROWS / min(clock)), "files": len(list(root.rglob("*.csv")))}
        floor_name = "DuckDB's read_csv into tables, CPU seconds"
        found.append(
            Measurement(f"apply, {name}, CPU seconds", ROWS, tuple(ours), target, tuple(floor), floor_name, figures)
        )
    return found


def stored(root: Path, shape: Shape) -> Path:
    """The rows as a store, made on the first call: files of about `FILE_BYTES`, and a checkpoint behind all of them."""
    if (root / "metadata").exists():
        return root
    root.mkdir(parents=True)
    encode = encoder(EncodeCsv(include_commit_ts=True), 0)
    bodies: dict[int, list[bytes]] = defaultdict(list)
    numbers: dict[int, int] = defaultdict(int)
    layout = Layout()

    def flush(table: int) -> None:
        schema = table_schema(table)
        folder = root / layout.data_directory(schema, schema.version, "2026-01-02")
        (folder / "meta").mkdir(parents=True, exist_ok=True)
        numbers[table] += 1
        name = layout.file_name("CDC", numbers[table], "csv")
        (folder / name).write_bytes(b"".join(bodies.pop(table)))
        (folder / "meta" / "CDC.index").write_text(f"{name}\n")

    for item in prepare(root.parent, shape).batches():
        changes: ChangeBatch = change_batch(item)
        bodies[item.table] += [part.to_pybytes() for part in encode(changes).body]
        if sum(map(len, bodies[item.table])) >= FILE_BYTES:
            flush(item.table)
    for table in list(bodies):
        flush(table)
    for table in range(shape.tables):
        schema = table_schema(table)
        file = SchemaFile.of(schema, schema.version)
        path = root / Layout.schema_file(layout.table_directory(schema), schema.version, file.checksum)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.to_bytes())
    (root / "metadata").write_text(f'{{"checkpoint-ts":{2**62}}}')
    return root


def alone(work: Path) -> None:
    """Our part once, for the peak of its memory."""
    _apply(stored(work / "apply-store", Shape(ROWS)), "duckdb", fresh(work / "copy"))


def _apply(root: Path, scheme: str, copy: Path) -> tuple[float, float]:
    """CPU seconds and seconds on the clock."""
    copy.mkdir()
    cpu, wall = time.process_time(), time.perf_counter()
    with open_bucket(str(root)) as bucket:
        target = open_target(f"{scheme}:///{copy}/copy.db")
        work = Apply(bucket, target, ApplyOptions())
        work.round()
        target.close()
    assert work.report.rows == ROWS
    return time.process_time() - cpu, time.perf_counter() - wall


def _floor(root: Path, copy: Path) -> float:
    copy.mkdir()
    cpu = time.process_time()
    with duckdb.connect(str(copy / "floor.duckdb")) as db:
        for folder in sorted((root / SCHEMA).iterdir()):
            db.execute(f"CREATE TABLE {folder.name} AS SELECT * FROM read_csv('{folder}/**/*.csv', header = false)")
    return time.process_time() - cpu


def main() -> None:
    """Prints one line a target."""
    with tempfile.TemporaryDirectory(prefix="afterbay-bench-") as folder:
        for item in measure(Path(folder)):
            figures = ", ".join(f"{name} {value:,}" for name, value in item.figures.items())
            sys.stdout.write(
                f"{item.name:30} {item.rate / 1e3:7,.0f} k rows/s  {item.ratio:.2f} of the floor  {figures}\n"
            )


if __name__ == "__main__":
    main()
