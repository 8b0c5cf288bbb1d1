"""The rows that are there, from a PostgreSQL to durable files, against the server's own COPY in binary.

The floor is `psql -c "COPY … TO STDOUT (FORMAT binary)"` to nowhere, one table after the other.
"""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path

from afterbay import Pipeline
from benchmarks.measure import Measurement
from benchmarks.postgres_bed import ROW, TABLES, Bed, Spent, bed, load, pipeline

ROWS = 2_000_000
REPETITIONS = 5


def measure(work: Path) -> list[Measurement]:
    """8 tables of 250 000 sysbench-like rows."""
    with bed() as server:
        _fill(server)
        ours, floor = Spent(server), Spent(server)
        before = load()
        for _ in range(REPETITIONS):  # in turns, so that both meet the same load
            floor.run(partial(_floor, server))
            ours.run(partial(_copied, _pipeline(work, server)))
    return [
        Measurement(
            "postgres, snapshot",
            ROWS,
            tuple(ours.seconds),
            "ratio >= 0.5",
            tuple(floor.seconds),
            "psql: COPY … TO STDOUT (FORMAT binary), to nowhere",
            {**before, **ours.figures("ours"), **floor.figures("floor")},
        )
    ]


def alone(work: Path) -> None:
    """Our part, once."""
    with bed() as server:
        _fill(server)
        _copied(_pipeline(work, server))


def _fill(server: Bed) -> None:
    each = ROWS // TABLES
    for table in range(TABLES):
        server.db.execute(f"INSERT INTO t{table} SELECT i, {ROW} FROM generate_series(1, {each}) i")
        server.db.execute(f"VACUUM (FREEZE, ANALYZE) t{table}")
    server.db.execute("CHECKPOINT")


def _floor(server: Bed) -> None:
    for table in range(TABLES):
        copy = f"COPY t{table} TO STDOUT (FORMAT binary)"
        subprocess.run(server.program("psql", server.uri, "-qc", copy), check=True, stdout=subprocess.DEVNULL)


def _pipeline(work: Path, server: Bed) -> Pipeline:
    return pipeline(work / "pg", server.uri, snapshot="only")


def _copied(made: Pipeline) -> None:
    stored = made.run().rows_stored
    if stored != ROWS:
        raise SystemExit(f"{stored} of {ROWS} rows were stored")
