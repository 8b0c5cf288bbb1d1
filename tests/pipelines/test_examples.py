"""Every pipeline in `pipelines/` validates, runs to its end in an empty folder, and stores what it says."""

from __future__ import annotations

import gzip
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.test_quickstart import total_after_each_commit
from tests.reader.bucket import Bucket, Form, read_bucket
from tests.reader.canal_rows import CanalForm
from tests.reader.csv_rows import CsvDialect
from tests.reader.described_rows import ParquetForm
from tests.reader.paths import StoreShape
from tests.support.cli import REPOSITORY, Finished, afterbay

FOLDER = REPOSITORY / "pipelines"
CSV = CsvDialect(commit_ts=True)


def sound(root: Path, shape: StoreShape, form: Form) -> Bucket:
    bucket = read_bucket(root, shape, form)
    assert bucket.findings == ()
    assert bucket.unindexed == ()
    return bucket


def change_log_to_files(cwd: Path) -> None:
    bucket = sound(cwd / "afterbay-demo" / "change_log", StoreShape("json"), CanalForm())
    assert sorted(bucket.tables) == [("shop", "customers"), ("shop", "orders")]
    assert [file.type for file in bucket.ddls] == [1, 3, 3, 5, 7]
    (customers,) = bucket.tables["shop", "customers"]
    assert [column.name for column in customers.schema.columns] == ["id", "name"]
    # The change of the key 2 to 3 is a delete and an insert.
    assert [(row.op, row.values[0]) for row in customers.rows] == [("I", "1"), ("I", "2"), ("D", "2"), ("I", "3")]
    notes = [row.values[3] for row in bucket.rows("shop", "orders")]
    assert "two lines:\nleave it at the door" in notes
    assert "\\N is not NULL" in notes
    assert None in notes


def fan_out(cwd: Path) -> None:
    archive = sound(cwd / "afterbay-demo" / "archive", StoreShape("json", date="none"), CanalForm())
    reporting = sound(cwd / "afterbay-demo" / "reporting", StoreShape("csv", date="none"), CSV)
    assert {schema for schema, _ in reporting.tables} == {"reporting"}
    for schema, table in archive.tables:
        rows = [(row.op, row.commit_ts, row.values) for row in archive.rows(schema, table)]
        routed = [(row.op, row.commit_ts, row.values) for row in reporting.rows("reporting", f"{schema}_{table}")]
        assert routed == (rows if table.startswith("accounts_") else [])
    assert archive.checkpoint == reporting.checkpoint


def parquet_lake(cwd: Path) -> None:
    bucket = sound(cwd / "afterbay-demo" / "parquet", StoreShape("parquet", date="none"), ParquetForm())
    assert len(set(total_after_each_commit(bucket))) == 1


def python_function(cwd: Path) -> None:
    bucket = sound(cwd / "afterbay-demo" / "masked", StoreShape("csv", date="month"), CSV)
    for versions in bucket.tables.values():
        for version in versions:
            names = [column.name for column in version.schema.columns]
            if "owner" in names:
                owners = {row.values[names.index("owner")] for row in version.rows}
                assert all(owner is not None and len(owner) == 4 and owner.endswith("***") for owner in owners)


def quickstart(cwd: Path) -> None:
    sound(cwd / "afterbay-demo" / "lake", StoreShape("csv"), CSV)


def live(cwd: Path) -> None:
    sound(cwd / "afterbay-demo" / "live", StoreShape("csv"), CSV)


SHORT = {"ROWS": "5000", "RATE": "1000000"}  # of what otherwise goes on for a quarter of an hour

EXAMPLES: dict[str, Callable[[Path], None]] = {
    "change_log_to_files": change_log_to_files,
    "fan_out": fan_out,
    "live": live,
    "parquet_lake": parquet_lake,
    "python_function": python_function,
    "quickstart": quickstart,
}


def test_no_example_is_untested() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == sorted([*EXAMPLES, "postgres_to_lake"])


def test_the_trial_of_postgres_copies_applies_and_verifies(tmp_path: Path) -> None:
    trial = [sys.executable, str(FOLDER / "postgres_trial.py")]
    done = subprocess.run(trial, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "clean: every rule that can be checked holds, and it agrees with the database" in done.stdout
    assert (tmp_path / "afterbay-demo" / "postgres.duckdb").exists()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(tmp_path: Path, name: str) -> None:
    file = FOLDER / f"{name}.yaml"
    events = str(FOLDER / "events" / "shop.jsonl")
    valid = afterbay("validate", file, cwd=tmp_path, EVENTS=events, **SHORT)
    assert valid.exit_code == 0, valid.out + valid.err
    run = afterbay("run", file, "--json", cwd=tmp_path, EVENTS=events, **SHORT)
    assert run.exit_code == 0, run.err
    assert run.data["outcome"] == "completed"
    EXAMPLES[name](tmp_path)
    again = afterbay("run", file, "--json", cwd=tmp_path, EVENTS=events, **SHORT)
    assert again.exit_code == 0, again.err
    assert again.data["files"] == 0


def in_the_comment(file: Path, cwd: Path) -> list[Finished]:
    """Runs the commands that the comment at the top of a pipeline names, in order: `NAME=value … afterbay …`."""
    done: list[Finished] = []
    for line in file.read_text().splitlines():
        words = shlex.split(line.removeprefix("#   ")) if line.startswith("#   ") else []
        if "afterbay" in words:
            at = words.index("afterbay")
            env = dict(word.split("=", 1) for word in words[:at])
            done.append(afterbay(*words[at + 1 :], cwd=cwd, **env))
    return done


def test_the_commands_in_an_examples_comment_work_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "pipelines").symlink_to(FOLDER)
    (tmp_path / "events").mkdir()
    events = FOLDER.joinpath("events/shop.jsonl").read_bytes()
    (tmp_path / "events" / "shop.jsonl.gz").write_bytes(gzip.compress(events))
    done = in_the_comment(FOLDER / "change_log_to_files.yaml", tmp_path)
    assert [run.exit_code for run in done] == [0, 0], done
    change_log_to_files(tmp_path)
    own = read_bucket(tmp_path / "mine" / "change_log", StoreShape("json"), CanalForm())
    assert sorted(own.tables) == [("shop", "customers"), ("shop", "orders")]
