"""Many tables: what each table costs, and what a slow store does to a thousand of them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.floor import Log, csv
from benchmarks.measure import Measurement, fresh, timed
from benchmarks.rows import SCHEMA, Mapped, Shape, prepare, table_schema
from benchmarks.sink import CSV, stored

EACH_ONCE = Shape(10_000, tables=10_000, batch=1, transaction=1)
WIDE = Shape(2_000_000, tables=1000, batch=500)
NARROW = Shape(2_000_000, tables=8, batch=2000)
NARROW_FILE = 400_000  # below one batch: each batch becomes a file, which makes as many files as WIDE has tables
DAY = "2026-01-02"


def each_once(work: Path) -> list[Measurement]:
    """10 000 tables with one change each: folders, schema file, data file, index file, all durable."""
    mapped = prepare(work, EACH_ONCE)
    ours, bare = [], []
    for _ in range(2):
        bare += [timed(partial(_folders, mapped, fresh(work / "floor"), threads)) for threads in (2, 16)]
        ours.append(timed(partial(stored, fresh(work / "ours"), mapped, CSV)))
    return [
        Measurement(
            "10 000 tables, a change each",
            EACH_ONCE.rows,
            tuple(ours),
            "ratio >= 0.67",
            tuple(bare),
            "the same folders, files and fsyncs + SQLite row a file, best of 2 and 16 threads",
        )
    ]


def each_once_alone(work: Path) -> None:
    """Our part of `each_once`, once."""
    stored(fresh(work / "ours"), prepare(work, EACH_ONCE), CSV)


def wide(work: Path) -> list[Measurement]:
    """2 000 000 rows over 1 000 tables, against 8 tables at the same number of files."""
    many, few = prepare(work, WIDE), prepare(work, NARROW)
    ours, bare = [], []
    files: dict[str, float | str] = {}

    def run(label: str, mapped: Mapped, folder: Path, **options: int) -> None:
        files[label] = stored(folder, mapped, CSV, **options).files

    for _ in range(3):
        bare.append(timed(partial(run, "files of 8 tables", few, fresh(work / "ours"), file_size=NARROW_FILE)))
        ours.append(timed(partial(run, "files", many, fresh(work / "ours"))))
    return [
        Measurement(
            "2 000 000 rows over 1 000 tables",
            WIDE.rows,
            tuple(ours),
            "ratio >= 0.67",
            tuple(bare),
            "8 tables, as many files",
            files,
        )
    ]


def wide_alone(work: Path) -> None:
    """Our part of `wide`, once."""
    stored(fresh(work / "ours"), prepare(work, WIDE), CSV)


def _folders(mapped: Mapped, root: Path, threads: int) -> None:
    """For each table what the protocol wants in the store, each file and each new folder entry made durable."""
    _folder(root)
    log = Log(root / "log.db")
    _folder(root / SCHEMA)
    schema_file = b"x" * 1200

    def work(share: int) -> None:
        for batch in mapped.batches():
            if batch.table % threads != share:
                continue
            table = root / SCHEMA / table_schema(batch.table).name.table
            data = table / "1000" / DAY
            for folder in (table, table / "meta", data.parent, data, data / "meta"):
                _folder(folder)
            _file(table / "meta" / "schema_1000_0000000000.json", schema_file)
            body = memoryview(csv(batch))
            _file(data / "CDC00000000000000000001.csv", body)
            _file(data / "meta" / "CDC.index", b"CDC00000000000000000001.csv\n")
            log.add(str(data), len(body), 1000)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    log.close()


def _folder(path: Path) -> None:
    path.mkdir()
    _sync_folder(path.parent)


def _file(path: Path, data: bytes | memoryview) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(fd, data)
    os.fdatasync(fd)
    os.close(fd)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)
