"""A DDL is stored, the checkpoint is still behind it, the process dies: the restart knows both schemas (I3, I6)."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from afterbay import Pipeline
from afterbay.errors import RunFailed
from afterbay.runtime.report import RunReport
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.sources.change_log import ChangeLog
from afterbay_nodes.transforms.spool import Spool
from tests.support import faulty_store


class Crash(Exception):
    """Stands for the end of the process."""


def row(ts: int, **data: str) -> dict[str, object]:
    types = {name: "int" if name == "id" else "varchar" for name in data}
    java = {name: 4 if name == "id" else 12 for name in data}
    return {
        "id": 0,
        "database": "shop",
        "table": "item",
        "pkNames": ["id"],
        "isDdl": False,
        "type": "INSERT",
        "es": 0,
        "ts": 0,
        "sql": "",
        "sqlType": java,
        "mysqlType": types,
        "old": None,
        "data": [data],
        "_tidb": {"commitTs": ts},
    }


def ddl(ts: int, kind: str, sql: str) -> dict[str, object]:
    return {"database": "shop", "table": "item", "isDdl": True, "type": kind, "sql": sql, "_tidb": {"commitTs": ts}}


LOG = [
    ddl(10, "CREATE", "CREATE TABLE `item` (id int primary key, a varchar(10), b varchar(10))"),
    *(row(ts, id=str(ts), a="x", b="y") for ts in range(11, 16)),
    ddl(20, "ALTER", "ALTER TABLE `item` DROP COLUMN b"),
    *(row(ts, id=str(ts), a="x") for ts in range(21, 26)),
    {"id": 0, "type": "TIDB_WATERMARK", "_tidb": {"watermarkTs": 30}},
]


def run(folder: Path) -> RunReport:
    log = folder / "events.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in LOG))
    pipeline = Pipeline("shop", state=folder / "state")
    pipeline.add("log", ChangeLog(path=str(log)))
    pipeline.add("csv", EncodeCsv(include_commit_ts=True), inputs="log")
    pipeline.add("spool", Spool(), inputs="csv")
    pipeline.add("lake", CloudStorage(uri=str(folder / "lake"), date_separator="none"), inputs="spool")
    return pipeline.run(until="end")


def stored(folder: Path, version: int) -> list[list[str]]:
    found: list[list[str]] = []
    for path in sorted((folder / "lake/shop/item" / str(version)).glob("CDC*.csv")):
        with path.open(newline="") as file:
            found.extend(csv.reader(file))
    return found


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("part", ["schema_10_", "schema_20_", "item/10/", "item/20/"])
def test_drop_column_stored_checkpoint_behind_it_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, moment: str
) -> None:
    def dies(call: str, key: str, when: str) -> None:
        if part in key and when == moment:
            raise Crash(key)

    with monkeypatch.context() as faults:
        faulty_store.install(faults, dies)
        with pytest.raises(RunFailed, match="Crash"):
            run(tmp_path)
    report = run(tmp_path)
    assert [[line[3], *line[4:]] for line in stored(tmp_path, 10)] == [
        [str(ts), str(ts), "x", "y"] for ts in range(11, 16)
    ]
    assert [[line[3], *line[4:]] for line in stored(tmp_path, 20)] == [[str(ts), str(ts), "x"] for ts in range(21, 26)]
    schemas = sorted((tmp_path / "lake/shop/item/meta").glob("schema_*.json"))
    columns = [[column["ColumnName"] for column in json.loads(path.read_text())["TableColumns"]] for path in schemas]
    assert columns == [["id", "a", "b"], ["id", "a"]]
    assert report.checkpoints == {"log": 30}
    assert run(tmp_path).rows_stored == 0
