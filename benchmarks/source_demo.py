"""How fast the `demo` source makes changes, alone on one core: `python -m benchmarks.source_demo`.

The floor is what any source of such rows has to do: the same columns, already computed, cut into the same batches.
"""

from __future__ import annotations

import sys

import pyarrow as pa
from benchmarks.measure import Measurement, timed
from benchmarks.outlet import CountingOutlet, play

from afterbay.messages import ChangeBatch
from afterbay_nodes.sources.demo import Demo

ROWS = 4_000_000
REPETITIONS = 3
CASES = {
    "8 tables": Demo(rows=ROWS),
    "8 tables, no DDL": Demo(rows=ROWS, ddl_every=0),
    "1 000 tables, no DDL": Demo(rows=ROWS // 4, tables=1_000, ddl_every=0),
}


def measure() -> list[Measurement]:
    """Every case."""
    found = []
    for name, demo in CASES.items():
        ours, floor = [], []
        for _ in range(REPETITIONS):
            outlet = CountingOutlet(keep=500)
            ours.append(timed(lambda outlet=outlet, demo=demo: play(demo, outlet)))  # type: ignore[misc]
            kept = sum(batch.num_rows for batch in outlet.kept)
            floor.append(timed(lambda outlet=outlet: list(map(_made_again, outlet.kept))) * outlet.rows / kept)  # type: ignore[misc]
        figures = {
            "bytes a row": round(outlet.nbytes / outlet.rows),
            "MiB a batch": round(outlet.nbytes / outlet.batches / (1 << 20), 3),
        }
        target = "at least 3 M rows/s" if demo.tables == 8 else "for information"
        found.append(Measurement(name, outlet.rows, tuple(ours), target, tuple(floor), "the batches alone", figures))
    return found


def _made_again(batch: ChangeBatch) -> ChangeBatch:
    return ChangeBatch.of(
        partition=batch.partition,
        dispatcher=batch.dispatcher,
        schema=batch.schema,
        rows=pa.RecordBatch.from_arrays(batch.rows.columns, schema=batch.schema.arrow_schema),
        ops=batch.ops,
        commit_ts=batch.commit_ts,
        ordinals=batch.ordinals,
        before=batch.before,
        commit_ms=batch.commit_ms,
    )


def main() -> None:
    """Prints one line a case."""
    for item in measure():
        figures = ", ".join(f"{name} {value}" for name, value in item.figures.items())
        sys.stdout.write(f"{item.name:24} {item.rate / 1e6:6.2f} M rows/s  {item.ratio:.2f} of the floor  {figures}\n")


if __name__ == "__main__":
    main()
