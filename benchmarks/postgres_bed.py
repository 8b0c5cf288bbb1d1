"""What the cases of PostgreSQL share: a server, sysbench-like tables, the pipeline, and CPU seconds of both sides.

Server, client and pipeline are on the same cores: CPU seconds are told beside the clock. The server is the tests' own,
without fsync; what is measured is the reading.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

from afterbay import Pipeline
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.sources.postgres.declaration import Postgres
from afterbay_nodes.transforms.spool import Spool
from benchmarks.measure import fresh
from tests.support.postgres_server import PostgresServer

TABLES: Final = 8
_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")

_MADE: Final = """\
CREATE TABLE t{0} (id int PRIMARY KEY, k int NOT NULL, c char(120) NOT NULL, pad char(60) NOT NULL)
"""
_DIGITS: Final = """\
CREATE FUNCTION digits(seed bigint, length int) RETURNS text LANGUAGE sql IMMUTABLE RETURN
  left(repeat(lpad((seed * 48271 % 99999999977)::text, 11, '0') || '-', 10), length)
"""
ROW: Final = "i * 7919 % 2000000, digits(i, 119), digits(i + 1, 59)"
"""What the row `i` has besides its id: in the lengths of sysbench's, groups of digits."""


class Bed:
    """A server and one database in it. Owns the connection."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.uri = server.database()
        self.db = psycopg.connect(self.uri, autocommit=True)
        self.db.execute(_DIGITS)
        for number in range(TABLES):
            self.db.execute(_MADE.format(number))
        first_line = self.one("SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)")
        self._postmaster = int(str(first_line))

    def one(self, sql: str) -> Any:
        """The one value of a query."""
        found = self.db.execute(sql).fetchone()  # type: ignore[call-overload]
        return found[0] if found else None

    def program(self, name: str, *arguments: str) -> list[str]:
        """A command of one of the server's own programs."""
        return [str(self.server.binaries / name), *arguments]

    def cpu(self) -> float:
        """CPU seconds of the server's processes so far, those that ended too."""
        whole = 0.0
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended, and its parent counts it
            if int(entry.name) == self._postmaster:
                whole += sum(map(int, fields[11:15]))
            elif int(fields[1]) == self._postmaster:
                whole += sum(map(int, fields[11:13]))
        return whole * _TICK


@contextmanager
def bed() -> Iterator[Bed]:
    """A server of its own."""
    settings = {"wal_level": "logical", "shared_buffers": "256MB", "max_wal_size": "8GB", "timezone": "UTC"}
    with PostgresServer(**settings) as server:
        made = Bed(server)
        try:
            yield made
        finally:
            made.db.close()


def pipeline(
    folder: Path, uri: str, flush_interval: str = "5s", tables: tuple[str, ...] = ("public.*",), **source: Any
) -> Pipeline:
    """`postgres -> encode_csv -> spool -> cloud_storage` in a fresh `folder`; defaults for the rest."""
    fresh(folder)
    made = Pipeline("bench", state=folder / "state")
    made.add("pg", Postgres(dsn=uri, tables=tables, large_values="risk", **source))
    made.add("csv", EncodeCsv(include_commit_ts=True), inputs="pg", parallelism=2)
    made.add("spool", Spool(), inputs="csv")
    made.add("lake", CloudStorage(uri=str(folder / "lake"), flush_interval=flush_interval), inputs="spool")
    return made


class Spent:
    """Seconds by the clock, and CPU seconds of this process with its children and of the server, a repetition each."""

    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        self.seconds: list[float] = []
        self.cpu: list[float] = []
        self.server: list[float] = []

    def run(self, step: Callable[[], object]) -> None:
        """Runs `step` once. What is to be made for it was made before."""
        wall, cpu, server = time.perf_counter(), _cpu(), self._bed.cpu()
        step()
        self.seconds.append(time.perf_counter() - wall)
        self.cpu.append(_cpu() - cpu)
        self.server.append(self._bed.cpu() - server)

    def figures(self, who: str) -> dict[str, float | str]:
        """What to print of it."""
        return {
            f"{who}, seconds": " ".join(f"{value:.2f}" for value in self.seconds),
            f"{who}, CPU s, best": round(min(self.cpu), 2),
            f"{who}, server's CPU s, best": round(min(self.server), 2),
        }


def _cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def load() -> dict[str, float | str]:
    """How busy the machine was in the last minute; the case itself is in it."""
    return {"load": round(os.getloadavg()[0], 1)}
