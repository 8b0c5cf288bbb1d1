"""A random pipeline: one or two sources, each with one or two sinks, every option that shapes the store drawn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.reader.bucket import Form
from tests.reader.canal_rows import CanalForm
from tests.reader.csv_rows import CsvDialect
from tests.reader.described_rows import AvroForm, ParquetForm
from tests.reader.paths import StoreShape

QUOTAS = {"1MiB": 1 << 20, "2MiB": 2 << 20, "8MiB": 8 << 20}
MEMORY = {"0B": 0, "64KiB": 64 << 10, "1MiB": 1 << 20}

_FORMS: dict[str, tuple[str, Form, dict[str, Any]]] = {
    "encode_csv": ("csv", CsvDialect(commit_ts=True), {"include_commit_ts": True}),
    "encode_canal_json": ("json", CanalForm(), {}),
    "encode_parquet": ("parquet", ParquetForm(), {}),
    "encode_avro": ("avro", AvroForm(), {}),
}


@dataclass(frozen=True, slots=True)
class Branch:
    """One sink and what leads to it. `kind` is `file` or `s3`; the root is made by whoever runs it."""

    name: str
    kind: str
    encoder: str
    encoder_keys: dict[str, Any]
    spool: dict[str, Any]
    sink: dict[str, Any]
    shape: StoreShape
    form: Form

    @property
    def quota(self) -> int:
        """Bytes that the spool may have on the disk."""
        return QUOTAS[self.spool["disk_quota"]]


@dataclass(frozen=True, slots=True)
class Flow:
    """One source and its sinks. `kind` is `change_log` or `demo`; `keys` are the source's."""

    name: str
    kind: str
    keys: dict[str, Any]
    branches: tuple[Branch, ...]
    prunes: bool
    log: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A pipeline. `stores` are the kinds of store that it needs."""

    flows: tuple[Flow, ...]

    @property
    def stores(self) -> set[str]:
        return {branch.kind for flow in self.flows for branch in flow.branches}

    @property
    def branches(self) -> list[Branch]:
        return [branch for flow in self.flows for branch in flow.branches]

    def write(self, folder: Path, paths: dict[str, str], uris: dict[str, str]) -> Path:
        """The pipeline's file. `paths`: source -> the files of its log; `uris`: sink -> where it writes."""
        nodes: dict[str, dict[str, Any]] = {}
        for flow in self.flows:
            log = {"path": paths[flow.name]} if flow.kind == "change_log" else {}
            nodes[flow.name] = {"type": flow.kind, **flow.keys, **log}
            for branch in flow.branches:
                rows, spool = f"rows_{branch.name}", f"spool_{branch.name}"
                nodes[rows] = {"type": branch.encoder, "inputs": flow.name, **branch.encoder_keys}
                nodes[spool] = {"type": "spool", "inputs": rows, **branch.spool}
                nodes[branch.name] = {
                    "type": "cloud_storage",
                    "inputs": spool,
                    "uri": uris[branch.name],
                    **branch.sink,
                }
        file = folder / "pipeline.yaml"
        file.write_text(json.dumps({"name": "chaos", "state": str(folder / "state"), "nodes": nodes}, indent=1))
        return file

    def __str__(self) -> str:
        return "; ".join(
            f"{flow.kind}{' (pruned)' if flow.prunes else ''} -> "
            + ", ".join(f"{branch.encoder} on {branch.kind}" for branch in flow.branches)
            for flow in self.flows
        )


def draw(random: Random, *, sources: Sequence[str], stores: Sequence[str]) -> Scenario:
    """A pipeline of these kinds of source and store."""
    count = 2 if random.random() < 0.15 else 1
    flows = []
    for number in range(count):
        kind = random.choice(list(sources))
        branches = 2 if random.random() < 0.25 else 1
        partitioned = kind == "change_log" and random.random() < 0.5
        made = tuple(_branch(random, f"lake{number}{place}", stores, partitioned) for place in range(branches))
        flows.append(_flow(random, f"source{number}", kind, made, partitioned))
    return Scenario(tuple(flows))


def _flow(random: Random, name: str, kind: str, branches: tuple[Branch, ...], partitioned: bool) -> Flow:
    if kind == "change_log":
        log = {"tables": random.randint(1, 6), "partitioned": partitioned, "packed": random.random() < 0.3}
        return Flow(name, kind, {}, branches, random.random() < 0.7, log)
    keys = {
        "rows": random.choice((3_000, 8_000, 15_000)),
        "tables": random.randint(1, 5),
        "accounts": random.choice((20, 60, 200)),
        "ddl_every": random.choice((0, 700, 2_500)),
        "seed": random.randrange(1 << 30),
    }
    return Flow(name, kind, keys, branches, prunes=False)


def _branch(random: Random, name: str, stores: Sequence[str], partitioned: bool) -> Branch:
    encoder = random.choice(list(_FORMS))
    extension, form, keys = _FORMS[encoder]
    date = random.choice(("none", "day", "month", "year"))
    digits = random.choice((6, 9, 20))
    across, separated = random.random() < 0.2, random.random() < 0.6
    quota = random.choice(list(QUOTAS))
    spool = {
        "disk_quota": quota,
        "memory": random.choice([name for name, size in MEMORY.items() if size <= QUOTAS[quota]]),
        "segment": random.choice(("64KiB", "256KiB")),
    }
    sink = {
        "shards": random.choice((1, 2, 4, 16)),
        "file_size": random.choice(("1KiB", "8KiB", "32KiB", "64MiB")),
        "flush_interval": random.choice(("100ms", "300ms", "2s")),
        "date_separator": date,
        "file_index_digit": digits,
        "enable_table_across_nodes": across,
        "enable_partition_separator": separated,
        "time_zone": "UTC",
    }
    if random.random() < 0.3:
        sink["upload_concurrency"] = 1
    shared = partitioned and not separated
    shape = StoreShape(extension, date=date, digits=digits, across_nodes=across, shared_partitions=shared)  # type: ignore[arg-type]
    work = {"parallelism": random.choice((1, 2, 3))}
    return Branch(name, random.choice(list(stores)), encoder, keys | work, spool, sink, shape, form)
