"""How fast the `change_log` source reads, alone on one core: `python -m benchmarks.source_change_log`.

300 000 sysbench-like canal-json lines of about 640 bytes, a third each inserts, updates with full before-images and
deletes, 8 tables, transactions of 100 rows, a watermark every 1 000. The floor decodes the same lines with msgspec
into the same typed messages, and does nothing with them.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from pathlib import Path
from random import Random

from afterbay_nodes.sources.canal_json import decode
from afterbay_nodes.sources.change_log import ChangeLog
from benchmarks.measure import Measurement, timed
from benchmarks.outlet import CountingOutlet, play

ROWS = 300_000
REPETITIONS = 3
_TYPES = {"id": "int", "k": "int", "c": "char", "pad": "char"}


def measure(work: Path) -> list[Measurement]:
    """The plain file and the same one under gzip."""
    plain, packed = work / "log.jsonl", work / "log.jsonl.gz"
    lines = _lines()
    plain.write_bytes(b"\n".join(lines) + b"\n")
    packed.write_bytes(gzip.compress(plain.read_bytes(), 1))
    found = []
    for name, path in (("plain", plain), ("gzip", packed)):
        ours, floor = [], []
        for _ in range(REPETITIONS):  # in turns, so that both meet the same load
            floor.append(timed(lambda: [decode(line) and None for line in lines]))
            outlet = CountingOutlet()
            ours.append(timed(lambda path=path, outlet=outlet: play(ChangeLog(path=str(path)), outlet)))  # type: ignore[misc]
        figures = {
            "MB/s of lines": round(plain.stat().st_size / min(ours) / 1e6),
            "MiB a batch": round(outlet.nbytes / outlet.batches / (1 << 20), 2),
        }
        found.append(
            Measurement(
                name, outlet.rows, tuple(ours), "150 k rows/s", tuple(floor), "msgspec decode of the lines", figures
            )
        )
    return found


def _lines() -> list[bytes]:
    rng = Random(1)
    commit_ts, lines = 1 << 60, []
    for number in range(ROWS):
        commit_ts += number % 100 == 0
        values = {"id": str(number), "k": str(rng.randrange(10**6)), "c": "x" * 119 + str(number % 10), "pad": "y" * 60}
        kind = ("INSERT", "UPDATE", "DELETE")[number % 3]
        body = {"id": 0, "database": "sbtest", "table": f"sbtest{number % 8}", "pkNames": ["id"], "isDdl": False}
        body |= {"type": kind, "es": commit_ts >> 18, "ts": 1, "sql": "", "sqlType": dict.fromkeys(values, 4)}
        old = [{**values, "k": "7", "c": "z" * 120}] if kind == "UPDATE" else None
        body |= {"mysqlType": _TYPES, "old": old, "data": [values], "_tidb": {"commitTs": commit_ts}}
        lines.append(json.dumps(body).encode())
        if number % 1_000 == 999:
            lines.append(json.dumps({"type": "TIDB_WATERMARK", "_tidb": {"watermarkTs": commit_ts}}).encode())
    return lines


def main() -> None:
    """Prints one line a case."""
    with tempfile.TemporaryDirectory(prefix="afterbay-bench-") as folder:
        for item in measure(Path(folder)):
            figures = ", ".join(f"{name} {value}" for name, value in item.figures.items())
            sys.stdout.write(
                f"{item.name:10} {item.rate / 1e3:6.0f} k rows/s  {item.ratio:.2f} of the floor  {figures}\n"
            )


if __name__ == "__main__":
    main()
