"""How long a committed change of a PostgreSQL takes to be in the store, while pgbench goes on at half of what it can.

When a change is visible is seen from outside: the index files are looked at every 10 ms. When it was committed is told
by the row that its transaction has in `pgbench_history`, whose `mtime` is the time at which the transaction *began*.
"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as arrow_csv

from afterbay.runtime.report import RunReport
from benchmarks.measure import Measurement
from benchmarks.postgres_bed import Bed, bed, load, pipeline

SCALE, CLIENTS = 10, 4
ALONE_SECONDS, SECONDS = 10, 30
FLUSH_INTERVAL = 2.0
SLOT = "bench_lag"
_LOOK = 0.01

Stamps = npt.NDArray[np.int64]


def measure(work: Path) -> list[Measurement]:
    """TPC-B of 4 clients: 10 s alone for the rate, then 30 s at half of it beside the pipeline."""
    with bed() as server:
        _bench(server, "-i", "-q", "-s", str(SCALE))
        # Nothing identifies its rows otherwise.
        server.db.execute("ALTER TABLE pgbench_history ADD COLUMN hid bigserial PRIMARY KEY")
        alone = _rate(_bench(server, "-n", "-c", str(CLIENTS), "-j", "2", "-T", str(ALONE_SECONDS)))
        tables = ("public.pgbench_*",)
        made = pipeline(work / "pg", server.uri, f"{FLUSH_INTERVAL:.0f}s", snapshot="never", slot=SLOT, tables=tables)
        before = load()
        run = made.start(until=SECONDS + 5 * FLUSH_INTERVAL)
        _wait_for_slot(server)
        with _Watch(work / "pg" / "lake" / "public") as watch:
            steady = ["-n", "-c", str(CLIENTS), "-j", "2", "-T", str(SECONDS), "--rate", f"{alone / 2:.0f}"]
            reached = _rate(_bench(server, *steady))
            report = run.wait()
    assert report is not None
    lags = watch.lags()
    return [
        Measurement(
            "postgres, lag",
            _rows(report),
            (SECONDS,),
            f"lag <= {FLUSH_INTERVAL + 1:.0f} s: the flush interval and 1 s",
            figures={
                **before,
                "transactions/s, alone": round(alone),
                "transactions/s, beside the pipeline": round(reached),
                "files": len(lags),
                "lag of a file's oldest change, s, median": round(float(np.median(lags)), 2),
                "lag of a file's oldest change, s, 99th percentile": round(float(np.percentile(lags, 99)), 2),
                "lag of a file's oldest change, s, longest": round(max(lags), 2),
            },
        )
    ]


def _rows(report: RunReport) -> int:
    if not report.rows_stored or report.rows_stored != report.rows_in:
        raise SystemExit(f"{report.rows_stored} of {report.rows_in} changes were stored")
    return report.rows_stored


def _bench(server: Bed, *options: str) -> str:
    found = subprocess.run(server.program("pgbench", *options, server.uri), check=True, capture_output=True, text=True)
    return found.stdout


def _rate(told: str) -> float:
    found = re.search(r"^tps = ([0-9.]+)", told, re.MULTILINE)
    if found is None:
        raise SystemExit(f"pgbench tells no rate: {told}")
    return float(found[1])


def _wait_for_slot(server: Bed) -> None:
    deadline = time.monotonic() + 60
    while not server.one(f"SELECT active FROM pg_replication_slots WHERE slot_name = '{SLOT}'"):
        if time.monotonic() > deadline:
            raise SystemExit("the pipeline does not read its slot")
        time.sleep(0.1)


class _Watch:
    """A reader of the store that looks at its index files all the time. Owns the thread that does."""

    def __init__(self, lake: Path) -> None:
        self._lake = lake
        self._seen: dict[Path, float] = {}  # when each data file was told by an index, by time.time()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch")

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def lags(self) -> list[float]:
        """Of each file's oldest change: from the begin of its transaction until it was visible, in seconds."""
        stamps: dict[Path, Stamps] = {}
        began: list[tuple[Stamps, Stamps]] = []
        for path in sorted(self._lake.glob("*/*/*/CDC*.csv")):
            read = arrow_csv.read_csv(path, arrow_csv.ReadOptions(autogenerate_column_names=True))
            stamps[path] = read.column(3).to_numpy()
            if "pgbench_history" in path.parts:
                moments = read.column(8).cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
                began.append((stamps[path], moments))
        order = np.concatenate([found for found, _ in began])
        moments = np.concatenate([found for _, found in began])
        ranked = np.argsort(order)
        order, moments = order[ranked], moments[ranked]
        return [
            self._visible(path) - int(moments[np.searchsorted(order, found.min())]) / 1e6
            for path, found in stamps.items()
        ]

    def _visible(self, path: Path) -> float:
        """An index tells the last file: those before it are visible too."""
        later = [seen for file, seen in self._seen.items() if file.parent == path.parent and file.name >= path.name]
        return min(later)

    def _look(self) -> None:
        told: dict[Path, str] = defaultdict(str)
        known: list[Path] = []
        looked = 0.0
        while True:
            last = self._stop.is_set()
            if last or time.monotonic() - looked > 0.25 or not known:
                looked = time.monotonic()
                known = list(self._lake.glob("*/*/*/meta/CDC.index"))
            for index in known:
                name = index.read_text().strip()
                if name and name != told[index]:
                    told[index] = name
                    self._seen.setdefault(index.parent.parent / name, time.time())
            if last:
                return
            time.sleep(_LOOK)
