"""Small histories: a change log, and the store that the real pipeline makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afterbay import Pipeline
from afterbay_nodes.bucket.bucket import open_bucket
from afterbay_nodes.decoders.decode import Decoders
from afterbay_nodes.encoders.encode_avro import EncodeAvro
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.encoders.encode_debezium_json import EncodeDebeziumJson
from afterbay_nodes.encoders.encode_parquet import EncodeParquet
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.sources.change_log import ChangeLog
from afterbay_nodes.transforms.spool import Spool
from afterbay_nodes.transforms.table_rules import TableRules
from afterbay_nodes.verify.against_log import AgainstLog
from afterbay_nodes.verify.against_state import AgainstState
from afterbay_nodes.verify.report import Report
from afterbay_nodes.verify.row_digest import Digests
from afterbay_nodes.verify.verifier import Comparison, verify
from tests.support import canal

Encoder = EncodeCsv | EncodeCanalJson | EncodeDebeziumJson | EncodeAvro | EncodeParquet
CSV = EncodeCsv(include_commit_ts=True)
FORMATS: dict[str, Encoder] = {
    "csv": CSV,
    "csv without commit-ts": EncodeCsv(),
    "csv with old values": EncodeCsv(include_commit_ts=True, output_old_value=True),
    "csv with old values, without commit-ts": EncodeCsv(output_old_value=True, output_field_header=True),
    "canal-json": EncodeCanalJson(),
    "canal-json without commit-ts": EncodeCanalJson(enable_tidb_extension=False),
    "canal-json, changed columns and keys": EncodeCanalJson(
        only_output_updated_columns=True, delete_only_output_handle_key_columns=True
    ),
}


@dataclass(frozen=True, slots=True)
class Stored:
    """A store in `lake`, the log that it was made of, and the state of its pipeline."""

    lake: Path
    log: Path
    state: Path

    def files(self) -> dict[str, bytes]:
        """Everything in the store, by key."""
        found = (path for path in sorted(self.lake.rglob("*")) if path.is_file())
        return {path.relative_to(self.lake).as_posix(): path.read_bytes() for path in found}

    def data_files(self) -> list[str]:
        """The keys of the data files."""
        return [key for key in self.files() if key.rpartition("/")[2].startswith("CDC") and "/meta/" not in key]


def run(folder: Path, lines: Sequence[bytes], encoder: Encoder = CSV, **options: Any) -> Stored:
    """Runs the lines through the pipeline. A second run in the same folder goes on with a longer log."""
    folder.mkdir(parents=True, exist_ok=True)
    log = canal.write(folder / "events.jsonl", *lines)
    made = Pipeline("shop", state=folder / "state")
    made.add("changes", ChangeLog(path=str(log)))
    made.add("rows", encoder, inputs="changes")
    made.add("spool", Spool(), inputs="rows")
    made.add("lake", CloudStorage(uri=str(folder / "lake"), shards=1, **options), inputs="spool")
    made.run(until="end")
    return Stored(folder / "lake", log, folder / "state")


def verified(
    lake: Path,
    against: Path | str | None = None,
    decoders: Decoders | None = None,
    comparisons: Sequence[Comparison] = (),
    raw_changes: bool = False,
    rules: TableRules | None = None,
    **more: Any,
) -> Report:
    """What `verify` says."""
    digests = Digests() if against is not None else None
    comparisons = [
        *comparisons,
        *([AgainstLog(str(against), digests, rules=rules, raw_changes=raw_changes)] if digests is not None else []),
    ]
    with open_bucket(str(lake)) as bucket:
        return verify(bucket, decoders or Decoders(), comparisons=comparisons, digests=digests, **more)


def told(report: Report) -> list[tuple[str, str, int]]:
    """(code, file, row) of each fault."""
    return [(fault.code, fault.key, fault.row) for fault in report.faults]


CREATE = "CREATE TABLE pets (id BIGINT PRIMARY KEY, name VARCHAR(20), age INT)"
TYPES = {"id": "bigint", "name": "varchar", "age": "int"}


def pet(
    commit_ts: int, id: int, name: str | None, age: int | None, *, old: Any = None, kind: str | None = None
) -> bytes:
    """A row of `shop.pets`."""
    data = {"id": str(id), "name": name, "age": None if age is None else str(age)}
    return canal.row("pets", commit_ts, data, old=old, kind=kind, types=TYPES)


def two_versions() -> list[bytes]:
    """A table of two versions, with rows of each kind in each, and another one."""
    return [
        canal.ddl(900, "CREATE DATABASE shop"),
        canal.ddl(1000, CREATE, table="pets"),
        pet(1001, 1, "Tom", 5),
        pet(1001, 2, 'Jerry "the mouse"', None),
        pet(1005, 1, "Tom", 6, old={"age": "5"}),
        canal.row("cars", 1006, {"id": "7", "v": "beetle"}),
        pet(1009, 2, 'Jerry "the mouse"', None, kind="DELETE"),
        canal.watermark(1010),
        canal.ddl(2000, "ALTER TABLE pets DROP COLUMN age", table="pets"),
        canal.row("pets", 2001, {"id": "3", "name": "Spike\r\nTyke"}, types={"id": "bigint", "name": "varchar"}),
        canal.row("pets", 2003, {"id": "4", "name": None}, types={"id": "bigint", "name": "varchar"}),
        canal.watermark(2010),
    ]


def stored_against_state(stored: Stored) -> Report:
    """What `verify` says with the state."""
    return verified(stored.lake, comparisons=[AgainstState(stored.state)])
