"""From Arrow to durable files: encode -> spool -> writers, with fsync and checkpoint, against the thin script."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from afterbay import Pipeline
from afterbay.messages import ChangeBatch
from afterbay.node import Source
from afterbay.runtime.report import RunReport
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.transforms.spool import Spool
from benchmarks import floor
from benchmarks.mapped_source import MappedChanges
from benchmarks.measure import Measurement, fresh, timed
from benchmarks.rows import Mapped, Shape, prepare

Encoder = EncodeCsv | EncodeCanalJson
CSV = EncodeCsv(include_commit_ts=True)
CANAL = EncodeCanalJson()
SHAPE = Shape(2_000_000)
TENTH = Shape(200_000)
ONE_TABLE = Shape(400_000, tables=1, batch=100, transaction=10)
EIGHT_MIB = {"file_size": 8 << 20}


def pipeline(folder: Path, source: Source[ChangeBatch], encoder: Encoder, spool: Spool, lake: CloudStorage) -> Pipeline:
    """The benchmarks' pipeline, its state in `folder`."""
    made = Pipeline("bench", state=folder / "state")
    made.add("changes", source)
    made.add("rows", encoder, inputs="changes", parallelism=2)
    made.add("spool", spool, inputs="rows")
    made.add("lake", lake, inputs="spool")
    return made


def stored(folder: Path, mapped: Mapped, encoder: Encoder, **options: Any) -> RunReport:
    """Runs the pipeline into a fresh `folder` to the end of its input. Every row must be stored."""
    source = MappedChanges.of(mapped, before_images=isinstance(encoder, EncodeCanalJson))
    lake = CloudStorage(uri=str(folder / "lake"), **options)
    report = pipeline(folder, source, encoder, Spool(), lake).run(until="end")
    if report.rows_stored != mapped.shape.rows:
        raise SystemExit(f"{report.rows_stored} of {mapped.shape.rows} rows were stored")
    return report


def csv(work: Path) -> list[Measurement]:
    """8 tables interleaved, transactions of 100 rows, 8 MiB files, CSV with commit-ts."""
    mapped = prepare(work, SHAPE)
    ours, bare = [], []
    for _ in range(5):
        bare += [timed(partial(floor.write_files, mapped, fresh(work / "floor"), floor.csv, n)) for n in (1, 2)]
        ours.append(timed(partial(stored, fresh(work / "ours"), mapped, CSV, **EIGHT_MIB)))
    floor_name = "write_csv + fsync + SQLite row a file, best of 1 and 2 threads"
    return [Measurement("sink, csv", SHAPE.rows, tuple(ours), "ratio >= 1.0", tuple(bare), floor_name)]


def csv_alone(work: Path) -> None:
    """Our part of `csv`, once."""
    stored(fresh(work / "ours"), prepare(work, SHAPE), CSV, **EIGHT_MIB)


def canal(work: Path) -> list[Measurement]:
    """The same as canal-json; the thin script encodes a tenth of the rows, one msgspec call a row."""
    mapped, tenth = prepare(work, SHAPE), prepare(work, TENTH)
    ours, bare = [], []
    for _ in range(3):
        for threads in (1, 2):
            script = partial(floor.write_files, tenth, fresh(work / "floor"), floor.canal_json, threads)
            bare.append(timed(script) * SHAPE.rows / TENTH.rows)
        ours.append(timed(partial(stored, fresh(work / "ours"), mapped, CANAL, **EIGHT_MIB)))
    floor_name = "msgspec a row + fsync + SQLite row a file, best of 1 and 2 threads, a tenth of the rows"
    return [Measurement("sink, canal-json", SHAPE.rows, tuple(ours), ">= 600 k rows/s", tuple(bare), floor_name)]


def canal_alone(work: Path) -> None:
    """Our part of `canal`, once."""
    stored(fresh(work / "ours"), prepare(work, SHAPE), CANAL, **EIGHT_MIB)


def interval(work: Path) -> list[Measurement]:
    """One table, transactions of 10 rows in batches of 100: does the flush interval limit the throughput?"""
    mapped = prepare(work, ONE_TABLE)
    found: dict[str, list[float]] = {"5s": [], "500ms": []}
    for _ in range(3):
        for wait, seconds in found.items():
            seconds.append(timed(partial(stored, fresh(work / "ours"), mapped, CSV, flush_interval=wait)))
    return [
        Measurement(
            "one table, small transactions, flush_interval 5s",
            ONE_TABLE.rows,
            tuple(found["5s"]),
            "ratio about 1.0",
            tuple(found["500ms"]),
            "the same with flush_interval 500ms",
        )
    ]
