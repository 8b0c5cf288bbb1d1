"""What the encoders cost over a bare `pyarrow.csv.write_csv` of the same rows: `python -m benchmarks.encode`.

Sysbench-like rows (id, k, c, pad) in batches of 4 000, inserts, updates and deletes mixed, no I/O. The floor writes
the four columns alone, by as many threads as the case; ours add operation, names, commit-ts, checks and CRC-32.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as arrow_csv

from afterbay.clock import SystemClock
from afterbay.messages import ChangeBatch, EncodedBatch
from afterbay.node import Transform, TransformContext
from afterbay.telemetry import Telemetry
from afterbay_nodes.encoders.encode_avro import EncodeAvro
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.encoders.encode_debezium_json import EncodeDebeziumJson
from afterbay_nodes.encoders.encode_parquet import EncodeParquet
from benchmarks.measure import Measurement, timed
from benchmarks.rows import Shape, TableBatch, prepare, table_schema

ROWS = 400_000
REPETITIONS = 5
CASES: dict[str, tuple[Transform[ChangeBatch, EncodedBatch], str]] = {
    "CSV": (EncodeCsv(include_commit_ts=True), "for information"),
    "CSV, delimiter of two bytes": (EncodeCsv(include_commit_ts=True, delimiter="||"), "for information"),
    "CSV, no quotes": (EncodeCsv(include_commit_ts=True, quote=""), "for information"),
    "CSV with old values": (EncodeCsv(include_commit_ts=True, output_old_value=True), "for information"),
    "canal-json": (EncodeCanalJson(), "at least 600 k rows/s on two threads"),
    "canal-json, changed columns": (EncodeCanalJson(only_output_updated_columns=True), "for information"),
    "Debezium JSON": (EncodeDebeziumJson(), "for information"),
    "Parquet, up to the spool": (EncodeParquet(), "for information"),
    "Avro": (EncodeAvro(), "for information"),
    "Avro, no codec": (EncodeAvro(codec="none"), "for information"),
}

_SCHEMAS = [table_schema(number) for number in range(Shape(ROWS).tables)]
_WRITER = arrow_csv.WriteOptions(include_header=False, batch_size=8192, null_string="\\N", eol="\r\n")
_Step = Callable[[ChangeBatch], object]


def measure(work: Path) -> list[Measurement]:
    """Every case by one thread and by two."""
    batches = [change_batch(item) for item in prepare(work, Shape(ROWS)).batches()]
    found = []
    for threads in (1, 2):
        for name, (node, target) in CASES.items():
            ours, floor = [], []
            for _ in range(REPETITIONS):  # in turns, so that both meet the same load
                floor.append(_seconds(batches, [_bare] * threads))
                ours.append(_seconds(batches, [encoder(node, instance) for instance in range(threads)]))
            size = sum(map(_size, map(encoder(node, 0), batches)))
            found.append(
                Measurement(
                    f"{name}, {threads} thread{'s' * (threads > 1)}",
                    ROWS,
                    tuple(ours),
                    target,
                    tuple(floor),
                    f"write_csv of the columns, {threads} thread{'s' * (threads > 1)}",
                    {"MB/s": round(size / min(ours) / 1e6), "bytes a row": round(size / ROWS)},
                )
            )
    return found


def change_batch(item: TableBatch) -> ChangeBatch:
    return ChangeBatch.of(
        partition="bench",
        dispatcher=str(item.table),
        schema=_SCHEMAS[item.table],
        rows=item.rows,
        ops=item.ops,
        commit_ts=item.commit_ts,
        ordinals=item.ordinals,
        before=item.before,
    )


def _seconds(batches: list[ChangeBatch], steps: list[_Step]) -> float:
    """All batches once, dealt to as many threads as there are steps."""

    def work(instance: int) -> None:
        for batch in batches[instance :: len(steps)]:
            steps[instance](batch)

    with ThreadPoolExecutor(len(steps)) as pool:
        return timed(lambda: list(pool.map(work, range(len(steps)))))


def _bare(batch: ChangeBatch) -> object:
    out = pa.BufferOutputStream()
    arrow_csv.write_csv(batch.rows, out, _WRITER)
    return out.getvalue()


def encoder(node: Transform[ChangeBatch, EncodedBatch], instance: int) -> _Step:
    meter = Telemetry("bench").node(node.type_name)
    return node.open(TransformContext(node.type_name, instance, Path(), SystemClock(), meter)).process


def _size(made: object) -> int:
    assert isinstance(made, EncodedBatch)
    return made.head.size


def main() -> None:
    """Prints one line a case."""
    with tempfile.TemporaryDirectory(prefix="afterbay-bench-") as folder:
        for item in measure(Path(folder)):
            figures = ", ".join(f"{name} {value}" for name, value in item.figures.items())
            sys.stdout.write(
                f"{item.name:40} {item.rate / 1e3:7,.0f} k rows/s  {item.ratio:.2f} of the floor  {figures}\n"
            )


if __name__ == "__main__":
    main()
