"""How fast the `demo` source makes changes, alone on one core: `python -m benchmarks.source_demo`."""

from __future__ import annotations

import sys

from afterbay_nodes.sources.demo import Demo
from benchmarks.measure import Measurement, timed
from benchmarks.outlet import CountingOutlet, play

ROWS = 4_000_000
REPETITIONS = 3
CASES = {
    "8 tables": (Demo(rows=ROWS), "at least 3 M rows/s"),
    "8 tables, no DDL": (Demo(rows=ROWS, ddl_every=0), "at least 3 M rows/s"),
    "1 000 tables, no DDL": (Demo(rows=ROWS // 4, tables=1_000, ddl_every=0), "for information"),
}


def measure() -> list[Measurement]:
    """Every case. There is no floor: nothing is read, and what is made is made by Arrow."""
    found = []
    for name, (demo, target) in CASES.items():
        seconds = []
        for _ in range(REPETITIONS):
            outlet = CountingOutlet()
            seconds.append(timed(lambda demo=demo, outlet=outlet: play(demo, outlet)))  # type: ignore[misc]
        figures = {
            "bytes a row": round(outlet.nbytes / outlet.rows),
            "MiB a batch": round(outlet.nbytes / outlet.batches / (1 << 20), 3),
        }
        found.append(Measurement(name, outlet.rows, tuple(seconds), target, figures=figures))
    return found


def main() -> None:
    """Prints one line a case."""
    for item in measure():
        figures = ", ".join(f"{name} {value}" for name, value in item.figures.items())
        sys.stdout.write(f"{item.name:24} {item.rate / 1e6:6.2f} M rows/s  ({item.target})  {figures}\n")


if __name__ == "__main__":
    main()
