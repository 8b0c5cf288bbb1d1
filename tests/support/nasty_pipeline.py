"""Pipeline files for the nasty log: small files, a tiny spool and short waits give a run many moments to die in."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.verify import AVRO, CANAL, CSV, PARQUET, Form


@dataclass(frozen=True, slots=True)
class NastyPipeline:
    """A pipeline in a folder of its own: `file` is to be run, `lake` is read back, `state` is asked."""

    file: Path
    lake: Path
    state: Path
    form: Form

    @property
    def folder(self) -> Path:
        return self.file.parent

    def data_files(self) -> int:
        """How many data files there are now, indexed or not."""
        return sum(1 for _ in _files(self.lake))


def csv_pipeline(folder: Path, events: str | Path, **nodes: dict[str, Any]) -> NastyPipeline:
    """change_log -> encode_csv -> spool -> cloud_storage. `nodes` adds or replaces keys of a node by its name."""
    encoder = {"type": "encode_csv", "include_commit_ts": True, "parallelism": 2}
    return _written(folder, events, encoder, CSV, nodes)


def canal_pipeline(folder: Path, events: str | Path, **nodes: dict[str, Any]) -> NastyPipeline:
    """The same as canal-json."""
    return _written(folder, events, {"type": "encode_canal_json", "parallelism": 2}, CANAL, nodes)


def parquet_pipeline(folder: Path, events: str | Path, **nodes: dict[str, Any]) -> NastyPipeline:
    """The same as Parquet: files that are assembled when they are flushed."""
    return _written(folder, events, {"type": "encode_parquet", "parallelism": 2}, PARQUET, nodes)


def avro_pipeline(folder: Path, events: str | Path, **nodes: dict[str, Any]) -> NastyPipeline:
    """The same as Avro."""
    return _written(folder, events, {"type": "encode_avro", "parallelism": 2}, AVRO, nodes)


def _written(
    folder: Path, events: str | Path, encoder: dict[str, Any], form: Form, changed: dict[str, dict[str, Any]]
) -> NastyPipeline:
    folder.mkdir(parents=True, exist_ok=True)
    lake, state = folder / "lake", folder / "state"
    nodes: dict[str, dict[str, Any]] = {
        "log": {"type": "change_log", "path": str(events)},
        "rows": {**encoder, "inputs": "log"},
        "spool": {"type": "spool", "inputs": "rows", "disk_quota": "4MiB", "memory": "64KiB", "segment": "512KiB"},
        "lake": {
            "type": "cloud_storage",
            "inputs": "spool",
            "uri": str(lake),
            "shards": 4,
            "file_size": "32KiB",
            "flush_interval": "100ms",
        },
    }
    for name, keys in changed.items():
        nodes[name] = {**nodes.get(name, {}), **keys}
    file = folder / "pipeline.yaml"
    # JSON is YAML: every name and value arrives as it is, whatever it holds.
    file.write_text(json.dumps({"name": "nasty", "state": str(state), "nodes": nodes}, indent=1))
    return NastyPipeline(file, lake, state, form)


def _files(folder: Path) -> Iterator[str]:
    for _, _, names in os.walk(folder):
        yield from (name for name in names if name.startswith("CDC") and not name.endswith(".index"))
