"""A pipeline that copies a PostgreSQL database to files, and what holds its copy against the database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from afterbay import Pipeline
from afterbay.runtime.report import RunReport
from afterbay_nodes.bucket.bucket import open_bucket
from afterbay_nodes.decoders.decode import Decoders
from afterbay_nodes.verify.against_database import AgainstDatabase
from afterbay_nodes.verify.report import Report
from afterbay_nodes.verify.verifier import verify


@dataclass
class Copied:
    """One database, and the pipeline `postgres -> encode_csv -> spool -> cloud_storage` in a folder."""

    folder: Path
    uri: str
    options: dict[str, Any] = field(default_factory=dict)
    sink: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.db = psycopg.connect(self.uri, autocommit=True)
        self.slot = str(self.options.get("slot") or "s_" + self.db.info.dbname)
        source = {"type": "postgres", "dsn": self.uri, "tables": ["public.*"], "slot": self.slot}
        nodes = {
            "pg": source | {"snapshot": "never", "large_values": "risk"} | self.options,
            "csv": {"type": "encode_csv", "inputs": "pg", "include_commit_ts": True},
            "spool": {"type": "spool", "inputs": "csv", "disk_quota": "64MiB"},
            "lake": {"type": "cloud_storage", "inputs": "spool", "uri": str(self.lake)} | self.sink,
        }
        document = {"name": "copied", "state": str(self.folder / "state"), "nodes": nodes}
        self.file.write_text(json.dumps(document))

    @property
    def file(self) -> Path:
        return self.folder / "copied.yaml"

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def pipeline(self) -> Pipeline:
        return Pipeline.from_yaml(self.file)

    def catches_up(self) -> RunReport:
        """Runs to the end of the log as it is now."""
        return self.pipeline().run(until="caught-up")

    def verified(self) -> Report:
        """The store against the live database."""
        with open_bucket(str(self.lake)) as bucket:
            return verify(bucket, Decoders(), comparisons=[AgainstDatabase(self.uri)], transaction_limit=0)

    def is_equal(self) -> None:
        """Asserts that the copy is the original."""
        report = self.verified()
        assert not report.faults, [str(fault) for fault in report.faults]

    def statements(self, table: str) -> list[str]:
        """The DDLs of a table's schema files, by version."""
        found = [json.loads(path.read_text()) for path in (self.lake / "public" / table / "meta").iterdir()]
        return [item["Query"] for item in sorted(found, key=lambda item: int(item["TableVersion"]))]

    def confirmed(self) -> int:
        """The slot's position, in bytes."""
        sql = "SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots WHERE slot_name = %s"
        return int(self.one(sql, self.slot))

    def one(self, sql: str, *values: object) -> Any:
        """One value of the database."""
        found = self.db.execute(sql, values).fetchone()
        assert found is not None
        return found[0]

    def close(self) -> None:
        """Drops what the pipeline left on the server."""
        self.db.execute("SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots WHERE active")
        self.db.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()"
        )
        self.db.close()


@contextmanager
def copied(folder: Path, uri: str, sink: dict[str, Any] | None = None, **options: Any) -> Iterator[Copied]:
    """A pipeline over a database; its slots are dropped in the end."""
    found = Copied(folder, uri, options, sink or {})
    try:
        yield found
    finally:
        found.close()
