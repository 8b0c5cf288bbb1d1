"""What is in a PostgreSQL's log already, drained to durable files, against `pg_recvlogical` of the same slot to a file.

Each repetition reads a copy of one slot, so that both decode the same log from the same place.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from afterbay import Pipeline
from benchmarks.measure import Measurement
from benchmarks.postgres_bed import ROW, TABLES, Bed, Spent, bed, load, pipeline

INSERTS, UPDATES, DELETES = 1_000_000, 500_000, 100_000
CHANGES = INSERTS + UPDATES + DELETES
TRANSACTION = 100
"""Rows of one table in each; the tables take turns."""

REPETITIONS = 5
BASE, PUBLICATION = "bench_base", "bench"

_LOADED = """\
CREATE PROCEDURE loaded() LANGUAGE plpgsql AS $$
DECLARE
  each int := {each};
BEGIN
  FOR start IN 1 .. {inserts} / {tables} BY each LOOP
    FOR t IN 0 .. {tables} - 1 LOOP
      EXECUTE format('INSERT INTO t%s SELECT i, {row} FROM generate_series(%s, %s) i', t, start, start + each - 1);
      COMMIT;
    END LOOP;
  END LOOP;
  FOR start IN 1 .. {updates} / {tables} BY each LOOP
    FOR t IN 0 .. {tables} - 1 LOOP
      EXECUTE format('UPDATE t%s SET k = k + 1 WHERE id BETWEEN %s AND %s', t, start, start + each - 1);
      COMMIT;
    END LOOP;
  END LOOP;
  FOR start IN 1 .. {deletes} / {tables} BY each LOOP
    FOR t IN 0 .. {tables} - 1 LOOP
      EXECUTE format('DELETE FROM t%s WHERE id BETWEEN %s AND %s', t, start, start + each - 1);
      COMMIT;
    END LOOP;
  END LOOP;
END $$
"""


def measure(work: Path) -> list[Measurement]:
    """1 000 000 inserts, 500 000 updates and 100 000 deletes of 8 sysbench-like tables, 100 rows a transaction."""
    with bed() as server:
        _load(server)
        ours, floor = Spent(server), Spent(server)
        before = load()
        for _ in range(REPETITIONS):  # in turns, so that both meet the same load
            with _slot(server) as slot:
                floor.run(partial(_floor, work / "received", server, slot))
            with _slot(server) as slot:
                ours.run(partial(_drained, _pipeline(work, server, slot)))
    return [
        Measurement(
            "postgres, drain",
            CHANGES,
            tuple(ours.seconds),
            "ratio >= 0.9",
            tuple(floor.seconds),
            "pg_recvlogical of the same slot to a file",
            {**before, **ours.figures("ours"), **floor.figures("floor")},
        )
    ]


def alone(work: Path) -> None:
    """Our part, once."""
    with bed() as server:
        _load(server)
        with _slot(server) as slot:
            _drained(_pipeline(work, server, slot))


def _load(server: Bed) -> None:
    server.db.execute(f"CREATE PUBLICATION {PUBLICATION} FOR ALL TABLES")
    server.db.execute(f"SELECT pg_create_logical_replication_slot('{BASE}', 'pgoutput')")
    loaded = _LOADED.format(
        each=TRANSACTION, tables=TABLES, inserts=INSERTS, updates=UPDATES, deletes=DELETES, row=ROW.replace("%", "%%")
    )
    server.db.execute(loaded.encode())
    server.db.execute("CALL loaded()")
    server.db.execute("CHECKPOINT")


@contextmanager
def _slot(server: Bed) -> Iterator[str]:
    """A copy of the slot."""
    name = "bench_copy"
    server.db.execute(f"SELECT pg_copy_logical_replication_slot('{BASE}', '{name}')")
    try:
        yield name
    finally:
        server.db.execute(f"SELECT pg_drop_replication_slot('{name}')")


def _floor(file: Path, server: Bed, slot: str) -> None:
    file.unlink(missing_ok=True)
    end = server.one("SELECT pg_logical_emit_message(true, 'end', '')::text")
    command = server.program("pg_recvlogical", "-d", server.uri, "-S", slot, "--start", "--no-loop", "-f", str(file))
    options = ["-E", str(end), "-o", "proto_version=1", "-o", f"publication_names={PUBLICATION}"]
    subprocess.run([*command, *options], check=True)


def _pipeline(work: Path, server: Bed, slot: str) -> Pipeline:
    return pipeline(work / "pg", server.uri, snapshot="never", slot=slot, publication=PUBLICATION)


def _drained(made: Pipeline) -> None:
    stored = made.run(until="caught-up").rows_stored
    if stored != CHANGES:
        raise SystemExit(f"{stored} of {CHANGES} changes were stored")
