"""The whole road from a change log to a folder, every part real: change_log, an encoder, spool, cloud_storage."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from afterbay import Pipeline
from afterbay.clock import Clock
from afterbay.node import Transform
from afterbay.runtime.report import RunReport
from afterbay.runtime.run import Run, start
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.sources import log_player, log_reader
from afterbay_nodes.sources.change_log import ChangeLog
from afterbay_nodes.transforms.spool import Spool
from tests.reader.bucket import Bucket, read_bucket
from tests.reader.csv_rows import CsvDialect
from tests.reader.paths import StoreShape
from tests.support.canal import write


def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The change log is read in blocks of 2 KiB, and what is complete goes after each: few rows make many batches."""
    monkeypatch.setattr(log_player, "SETTLE_BYTES", 1)
    monkeypatch.setattr(log_reader, "BLOCK", 2048)


@dataclass
class Road:
    """A folder for log, state and lake. `sink` and `spool` are keys of these nodes, `between` nodes before the encoder.

    A `uri` in `sink` is used instead of the folder's lake. `read` and `directories` are of CSV, which it writes unless
    told otherwise.
    """

    folder: Path
    sink: dict[str, Any] = field(default_factory=dict)
    between: Sequence[Transform[Any, Any]] = ()
    clock: Clock | None = None
    spool: dict[str, Any] = field(default_factory=dict)
    encoder: Transform[Any, Any] = field(default_factory=lambda: EncodeCsv(include_commit_ts=True))

    @property
    def lake(self) -> Path:
        """Where it writes."""
        return self.folder / "lake"

    def run(self, *lines: bytes, state: str = "state", adopt: bool = False) -> RunReport:
        """Plays a log of these lines to its end."""
        report = self.start(*lines, state=state, adopt=adopt).wait(60)
        assert report is not None, "it did not end"
        return report

    def start(self, *lines: bytes, state: str = "state", adopt: bool = False) -> Run:
        """Begins to play a log of these lines."""
        pipeline = Pipeline("road", state=self.folder / state)
        pipeline.add("log", ChangeLog(path=str(write(self.folder / "events.jsonl", *lines))))
        last = "log"
        for number, node in enumerate(self.between):
            pipeline.add(f"{node.type_name}{number}", node, inputs=last)
            last = f"{node.type_name}{number}"
        pipeline.add("rows", self.encoder, inputs=last)
        pipeline.add("spool", Spool(**self.spool), inputs="rows")
        sink = {"uri": str(self.lake), "shards": 4} | self.sink
        pipeline.add("lake", CloudStorage(**sink), inputs="spool")
        return start(pipeline.compile(), adopt=adopt, clock=self.clock)

    def write(self, *lines: bytes, state: str = "state") -> Path:
        """A pipeline file of the same, with a log of these lines, for the command line. Nodes between are left out."""
        log = write(self.folder / "events.jsonl", *lines)
        nodes: dict[str, dict[str, Any]] = {
            "log": {"type": "change_log", "path": str(log)},
            "rows": {"type": self.encoder.type_name, "inputs": "log", **self.encoder.model_dump(exclude_unset=True)},
            "spool": {"type": "spool", "inputs": "rows", **self.spool},
            "lake": {"type": "cloud_storage", "inputs": "spool", "uri": str(self.lake), "shards": 4, **self.sink},
        }
        file = self.folder / "pipeline.yaml"
        file.write_text(json.dumps({"name": "road", "state": str(self.folder / state), "nodes": nodes}))
        return file

    def read(self, **shape: Any) -> Bucket:
        """What an independent reader sees, which must be without a fault. `shape`: keys of `StoreShape`."""
        bucket = read_bucket(self.lake, StoreShape("csv", **shape), CsvDialect(commit_ts=True))
        assert [str(finding) for finding in bucket.findings] == []
        return bucket

    def objects(self, ends: str = "") -> list[str]:
        """The keys of all objects that end so, in order."""
        files = (path.relative_to(self.lake).as_posix() for path in self.lake.rglob("*") if path.is_file())
        return sorted(key for key in files if key.endswith(ends))

    def directories(self) -> list[str]:
        """The directories of data files, in order."""
        return sorted({key.rpartition("/")[0] for key in self.objects(".csv")})

    def schema_file(self, key: str) -> dict[str, Any]:
        """A schema file's content."""
        found: dict[str, Any] = json.loads((self.lake / key).read_text())
        return found
