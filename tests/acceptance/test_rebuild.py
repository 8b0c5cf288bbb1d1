"""A lost checkpoint.db is made anew from the store: nothing lost, nothing twice, and what is not known is said."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import afterbay, dies
from tests.support.nasty_checks import ends_well, honest
from tests.support.nasty_log import NastyLog, nasty_log
from tests.support.nasty_pipeline import (
    NastyPipeline,
    avro_pipeline,
    canal_pipeline,
    csv_pipeline,
    parquet_pipeline,
)

MAKERS = {"csv": csv_pipeline, "canal": canal_pipeline, "parquet": parquet_pipeline, "avro": avro_pipeline}

# Each leaves something else: a file without index, an index without commit, a schema file alone, a commit.
DEATHS = [
    ("csv", "link:5:after"),
    ("csv", "rename:8:before"),
    ("csv", "commit:25:before"),
    ("canal", "link:18:after"),
    ("canal", "commit:12:after"),
    ("parquet", "link:18:after"),
    ("avro", "rename:14:after"),
]


def lose(pipeline: NastyPipeline) -> None:
    for part in pipeline.state.glob("checkpoint.db*"):
        part.unlink()


def rebuild(pipeline: NastyPipeline, *words: str) -> dict[str, Any]:
    done = afterbay("state", "rebuild", pipeline.file, "--from-store", "--json", *words, cwd=pipeline.folder)
    assert done.exit_code == 0, done.out + done.err
    data: dict[str, Any] = done.data
    return data


@pytest.mark.parametrize(("form", "step"), DEATHS)
def test_a_run_that_died_goes_on_without_its_state(tmp_path: Path, form: str, step: str) -> None:
    """The first half is stored by a run that ended well, so there is a checkpoint; the next one dies in the second."""
    log = nasty_log(4000, 5)
    events = tmp_path / "events.jsonl"
    pipeline = MAKERS[form](tmp_path, events)
    first_half(log, events)
    assert afterbay("run", pipeline.file, cwd=tmp_path).exit_code == 0
    log.write(events)
    dies(step, "run", pipeline.file, cwd=tmp_path)
    lose(pipeline)
    done = rebuild(pipeline)
    assert done["backup"] is None
    assert done["checkpoints"]["log"] > 0
    honest(pipeline, log)  # before anything runs: the checkpoint is not ahead of the store (I1)
    checked = afterbay("verify", pipeline.lake, "--state", pipeline.state, cwd=tmp_path)
    assert checked.exit_code == 0, checked.out + checked.err
    ends_well(pipeline, log)


def test_a_state_that_is_lost_again_and_again(tmp_path: Path) -> None:
    """Also before there is a checkpoint, and while a run finds its place."""
    log = nasty_log(4000, 5)
    pipeline = csv_pipeline(tmp_path, log.write(tmp_path / "events.jsonl"))
    for step in ("link:12:after", "link:1:before", "commit:4:after"):
        dies(step, "run", pipeline.file, cwd=tmp_path)
        lose(pipeline)
        rebuild(pipeline)
        honest(pipeline, log)
    dies("commit:4:after", "run", pipeline.file, cwd=tmp_path)  # the state that was made anew is kept
    honest(pipeline, log)
    ends_well(pipeline, log)
    same = afterbay("verify", pipeline.lake, "--against", tmp_path / "events.jsonl", cwd=tmp_path)
    assert same.exit_code == 0, same.out + same.err


@pytest.mark.parametrize(
    "lake",
    [
        {"date_separator": "none"},
        {"enable_table_across_nodes": True, "file_index_digit": 8},
    ],
    ids=lambda keys: next(iter(keys)),
)
def test_other_layouts(tmp_path: Path, lake: dict[str, Any]) -> None:
    log = nasty_log(1500, 7)
    events = tmp_path / "events.jsonl"
    pipeline = csv_pipeline(tmp_path, events, lake=lake)
    first_half(log, events)
    assert afterbay("run", pipeline.file, cwd=tmp_path).exit_code == 0
    log.write(events)
    dies("link:6:after", "run", pipeline.file, cwd=tmp_path)
    lose(pipeline)
    rebuild(pipeline)
    assert afterbay("run", pipeline.file, cwd=tmp_path).exit_code == 0
    for words in (("--state", pipeline.state), ("--against", events)):
        same = afterbay("verify", pipeline.lake, *words, cwd=tmp_path)
        assert same.exit_code == 0, same.out + same.err


def row(commit_ts: int, number: int, partition: int) -> bytes:
    values = {"id": str(number), "v": "x"}
    types = {"id": "bigint", "v": "varchar"}
    return _line("INSERT", commit_ts, data=[values], mysqlType=types, partitionId=partition)


def _line(kind: str, commit_ts: int, *, partitionId: int | None = None, **more: Any) -> bytes:
    tidb = {"commitTs": commit_ts} if partitionId is None else {"commitTs": commit_ts, "partitionId": partitionId}
    message = {"database": "shop", "table": "orders", "type": kind, "isDdl": False, "pkNames": ["id"], **more}
    return json.dumps({**message, "_tidb": tidb}).encode() + b"\n"


def test_partitions_of_a_table_have_a_position_each(tmp_path: Path) -> None:
    lines = [row(10 * number, number, 101 + number % 3) for number in range(1, 60)]
    events = tmp_path / "events.jsonl"
    pipeline = csv_pipeline(tmp_path, events, lake={"file_size": "1KiB"})
    events.write_bytes(
        b"".join(lines[:30]) + _line("TIDB_WATERMARK", 0).replace(b'"commitTs": 0', b'"watermarkTs": 300')
    )
    assert afterbay("run", pipeline.file, cwd=tmp_path).exit_code == 0
    events.write_bytes(events.read_bytes() + b"".join(lines[30:]))
    dies("commit:4:after", "run", pipeline.file, cwd=tmp_path)
    lose(pipeline)
    assert rebuild(pipeline)["checkpoints"]["log"] >= 300
    ended = afterbay("run", pipeline.file, cwd=tmp_path)
    assert ended.exit_code == 0, ended.err
    same = afterbay("verify", pipeline.lake, "--state", pipeline.state, "--against", events, cwd=tmp_path)
    assert same.exit_code == 0, same.out + same.err
    assert {path.parts[-3] for path in pipeline.lake.rglob("CDC*.csv")} == {"101", "102", "103"}


def first_half(log: NastyLog, path: Path) -> int:
    """Writes the log up to a watermark; gives the watermark."""
    middle = next(at for at in range(len(log.lines) // 2, len(log.lines)) if b"TIDB_WATERMARK" in log.lines[at])
    path.write_bytes(b"".join(log.lines[: middle + 1]))
    return int(json.loads(log.lines[middle])["_tidb"]["watermarkTs"])


@pytest.mark.parametrize(
    ("encoder", "step"), [("encode_csv", "link:9:after"), ("encode_canal_json", "commit:20:before")]
)
def test_the_demo_bank_finds_its_place(tmp_path: Path, encoder: str, step: str) -> None:
    disturbed, twin = (demo(tmp_path / name, encoder) for name in ("disturbed", "twin"))
    dies(step, "run", disturbed, cwd=disturbed.parent)
    for part in (disturbed.parent / "state").glob("checkpoint.db*"):
        part.unlink()
    done = afterbay("state", "rebuild", disturbed, "--from-store", cwd=disturbed.parent)
    assert done.exit_code == 0, done.err
    for file in (disturbed, twin):
        ended = afterbay("run", file, cwd=file.parent)
        assert ended.exit_code == 0, ended.err
    tables = [afterbay("verify", "lake", "--json", cwd=file.parent).data["tables"] for file in (disturbed, twin)]
    for counts in (found for side in tables for found in side):
        del counts["files"], counts["bytes"], counts["fences"]  # files are cut where a run ends
    assert tables[0] == tables[1]
    assert afterbay("apply", "lake", "--to", f"sqlite:///{tmp_path}/twin.db", cwd=twin.parent).exit_code == 0
    same = afterbay("verify", "lake", "--against", f"sqlite:///{tmp_path}/twin.db", cwd=disturbed.parent)
    assert same.exit_code == 0, same.out + same.err


def demo(folder: Path, encoder: str) -> Path:
    folder.mkdir()
    nodes = {
        "bank": {"type": "demo", "rows": 12000, "tables": 3, "accounts": 200, "ddl_every": 2000},
        "rows": {"type": encoder, "inputs": "bank"} | ({"include_commit_ts": True} if encoder == "encode_csv" else {}),
        "spool": {"type": "spool", "inputs": "rows", "disk_quota": "1MiB", "segment": "64KiB"},
        "lake": {"type": "cloud_storage", "inputs": "spool", "uri": "./lake", "shards": 2, "file_size": "32KiB"},
    }
    file = folder / "pipeline.yaml"
    file.write_text(json.dumps({"name": "bank", "state": "./state", "nodes": nodes}))
    return file


def test_a_damaged_state_is_kept_and_the_refusal_names_the_verb(tmp_path: Path) -> None:
    log = nasty_log(400, 5)
    pipeline = csv_pipeline(tmp_path, log.write(tmp_path / "events.jsonl"))
    assert afterbay("run", pipeline.file, cwd=tmp_path).exit_code == 0
    lose(pipeline)
    (pipeline.state / "checkpoint.db").write_bytes(b"no database at all" * 100)
    refused = afterbay("run", pipeline.file, "--json", cwd=tmp_path)
    assert (refused.exit_code, refused.codes) == (3, ["state.corrupt"])
    assert "afterbay state rebuild" in refused.data["diagnostics"][0]["hint"]
    asked = afterbay("state", "rebuild", pipeline.file, "--from-store", "--json", cwd=tmp_path)
    assert (asked.exit_code, asked.codes) == (2, ["call.unconfirmed"])
    backup = Path(rebuild(pipeline, "--yes")["backup"])
    assert (backup / "checkpoint.db").read_bytes().startswith(b"no database")
    ends_well(pipeline, log)


def test_what_the_store_cannot_tell_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    log = nasty_log(400, 5)
    bare = csv_pipeline(tmp_path / "bare", log.write(tmp_path / "events.jsonl"), rows={"include_commit_ts": False})
    assert afterbay("run", bare.file, cwd=bare.folder).exit_code == 0
    before = (bare.state / "checkpoint.db").read_bytes()
    refused = afterbay("state", "rebuild", bare.file, "--from-store", "--yes", "--json", cwd=bare.folder)
    assert (refused.exit_code, refused.codes) == (1, ["rebuild.store"])
    assert "do not carry their commit-ts" in refused.data["diagnostics"][0]["message"]
    assert (bare.state / "checkpoint.db").read_bytes() == before
    assert not list(bare.state.glob("backup-*"))


def test_a_damaged_store_is_refused(tmp_path: Path) -> None:
    log = nasty_log(400, 5)
    pipeline = csv_pipeline(tmp_path, log.write(tmp_path / "events.jsonl"))
    assert afterbay("run", pipeline.file, cwd=tmp_path).exit_code == 0
    lose(pipeline)
    next(iter(sorted(pipeline.lake.rglob("CDC*.csv")))).unlink()
    refused = afterbay("state", "rebuild", pipeline.file, "--from-store", "--json", cwd=tmp_path)
    assert refused.exit_code == 1
    assert {"index.without_file", "number.gap"} & set(refused.codes)
    assert not (pipeline.state / "checkpoint.db").exists()


def test_a_pipeline_that_renames_on_the_way_is_refused_by_the_name_of_the_node(tmp_path: Path) -> None:
    pipeline = csv_pipeline(
        tmp_path,
        tmp_path / "events.jsonl",
        moved={"type": "route", "inputs": "log", "rules": [{"match": "*.*", "schema": "lake", "table": "{table}"}]},
        rows={"inputs": "moved"},
    )
    refused = afterbay("state", "rebuild", pipeline.file, "--from-store", "--json", cwd=tmp_path)
    assert (refused.exit_code, refused.codes) == (2, ["rebuild.renamed"])
    assert "'moved'" in refused.data["diagnostics"][0]["message"]


def test_a_log_that_begins_behind_the_checkpoint_is_refused(tmp_path: Path) -> None:
    """Earlier files of the log were removed: with its cursor a run would go on, without it changes could be lost."""
    lines = [row(10 * number, number, 101) for number in range(1, 20)]
    events = tmp_path / "events.jsonl"
    pipeline = csv_pipeline(tmp_path, events)
    events.write_bytes(b"".join(lines[:10]))
    assert afterbay("run", pipeline.file, cwd=tmp_path).exit_code == 0
    lose(pipeline)
    assert rebuild(pipeline)["checkpoints"]["log"] == 100
    events.write_bytes(b"".join(lines[12:]))
    refused = afterbay("run", pipeline.file, "--json", cwd=tmp_path)
    assert (refused.exit_code, refused.codes) == (1, ["change_log.begins"])
    events.write_bytes(b"".join(lines))
    assert afterbay("run", pipeline.file, cwd=tmp_path).exit_code == 0
    same = afterbay("verify", pipeline.lake, "--state", pipeline.state, "--against", events, cwd=tmp_path)
    assert same.exit_code == 0, same.out + same.err


def test_a_state_that_a_run_has_is_not_rebuilt(tmp_path: Path) -> None:
    from afterbay.clock import SystemClock
    from afterbay.state.lock import DirectoryLock

    pipeline = csv_pipeline(tmp_path, tmp_path / "events.jsonl")
    pipeline.state.mkdir()
    lock = DirectoryLock.acquire(pipeline.state, SystemClock())
    refused = afterbay("state", "rebuild", pipeline.file, "--from-store", "--json", cwd=tmp_path)
    lock.release()
    assert (refused.exit_code, refused.codes) == (3, ["state.locked"])


def test_the_new_database_is_one_file_with_every_migration(tmp_path: Path) -> None:
    from afterbay_migrations.checkpoint import STEPS

    log = nasty_log(400, 5)
    pipeline = csv_pipeline(tmp_path, log.write(tmp_path / "events.jsonl"))
    assert afterbay("run", pipeline.file, cwd=tmp_path).exit_code == 0
    lose(pipeline)
    rebuild(pipeline)
    assert sorted(path.name for path in pipeline.state.glob("checkpoint*")) == ["checkpoint.db"]
    connection = sqlite3.connect(pipeline.state / "checkpoint.db")
    names = [row[0] for row in connection.execute("select name from _sqlite_migrations order by id")]
    connection.close()
    assert names == list(STEPS)


def test_quiet_says_nothing(tmp_path: Path) -> None:
    pipeline = csv_pipeline(tmp_path, nasty_log(400, 5).write(tmp_path / "events.jsonl"))
    assert afterbay("run", pipeline.file, cwd=tmp_path).exit_code == 0
    lose(pipeline)
    done = afterbay("state", "rebuild", pipeline.file, "--from-store", "--quiet", cwd=tmp_path)
    assert (done.exit_code, done.out, done.err) == (0, "", "")
