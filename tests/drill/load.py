"""A steady load: a change log that grows by so many bytes a second, whoever reads it or not."""

from __future__ import annotations

import json
import random
import threading
import time
from pathlib import Path

TABLES = 8
TEXT_BYTES = 1000
LINE_BYTES = 1400  # of the log, about; the row that is stored has about 1 100
FIRST_TS = 449_000_000_000_000_000
_TICK = 0.1
_LETTERS = "".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=1 << 20))


class Feeder:
    """Appends rows and a watermark to `log`, ten times a second, until `stop`. Owns its thread and the file."""

    def __init__(self, log: Path, rows_per_second: int) -> None:
        self._file = log.open("wb", buffering=1 << 20)
        self._a_tick = max(1, int(rows_per_second * _TICK))
        self._ending = threading.Event()
        self._number = 0
        self.rows = 0
        self._thread = threading.Thread(target=self._feed, name="feeder")
        self._append()  # the file is there, with its first rows, before anybody reads it
        self._thread.start()

    def stop(self) -> None:
        """Returns when all is in the file."""
        self._ending.set()
        self._thread.join()
        self._file.close()

    def _feed(self) -> None:
        due = time.monotonic() + _TICK
        while not self._ending.wait(max(0.0, due - time.monotonic())):
            self._append()
            due += _TICK

    def _append(self) -> None:
        """One transaction of rows over all tables, and the watermark that says it is complete."""
        self._number += 1
        commit_ts = FIRST_TS + self._number
        for _ in range(self._a_tick):
            self._file.write(_row(self.rows, commit_ts))
            self.rows += 1
        self._file.write(_watermark(commit_ts))
        self._file.flush()


def _row(number: int, commit_ts: int) -> bytes:
    at = number * 911 % ((1 << 20) - TEXT_BYTES)
    body = {
        "id": 0,
        "database": "drill",
        "table": f"t{number % TABLES}",
        "pkNames": ["id"],
        "isDdl": False,
        "type": "INSERT",
        "es": 7,
        "ts": 8,
        "sql": "",
        "sqlType": {"id": -5, "note": 12},
        "mysqlType": {"id": "bigint", "note": "varchar"},
        "old": None,
        "data": [{"id": str(number), "note": _LETTERS[at : at + TEXT_BYTES]}],
        "_tidb": {"commitTs": commit_ts},
    }
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def _watermark(commit_ts: int) -> bytes:
    body = {"id": 0, "database": "", "table": "", "pkNames": None, "isDdl": False, "type": "TIDB_WATERMARK", "es": 7}
    body |= {"ts": 8, "sql": "", "sqlType": None, "mysqlType": None, "old": None, "data": None}
    return json.dumps(body | {"_tidb": {"watermarkTs": commit_ts}}).encode() + b"\n"
