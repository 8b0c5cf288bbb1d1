"""Bad input gets a clear error with its place and a way out, the right exit code, and no half-done work."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.reader.bucket import read_bucket
from tests.reader.csv_rows import CsvDialect
from tests.reader.paths import StoreShape
from tests.support.cli import Finished, afterbay

GOOD = """\
name: orders
state: ./state
nodes:
  bank: {type: demo, rows: 2000}
  csv: {type: encode_csv, inputs: bank, include_commit_ts: true}
  spool: {type: spool, inputs: csv, disk_quota: 64MiB}
  lake: {type: cloud_storage, inputs: spool, uri: ./lake}
"""


@dataclass(frozen=True, slots=True)
class Bad:
    """A pipeline that differs from the good one by `old` -> `new`; what must be said, and where (`line:column`)."""

    old: str
    new: str
    code: str
    says: tuple[str, ...]
    line: int
    exit_code: int = 2


INVALID = {
    "unknown node type": Bad("encode_csv", "encode_cvs", "node.unknown", ("encode_cvs", "encode_csv"), 5),
    "wrong port type": Bad("inputs: spool", "inputs: csv", "edge.type", ("SpoolEntry", "EncodedBatch"), 7),
    "cycle": Bad("inputs: bank", "inputs: csv", "graph.cycle", ("csv",), 5),
    "unknown input": Bad("inputs: spool", "inputs: spol", "inputs.unknown", ("spol", "spool"), 7),
    "unused output": Bad(
        "  spool: {", "  more: {type: encode_csv, inputs: bank}\n  spool: {", "output.unused", ("more",), 6
    ),
    "duplicate key": Bad("  spool: {", "  csv: {", "yaml.duplicate", ("csv",), 6),
    "missing variable": Bad("./lake", '"${NOWHERE_TO_BE_FOUND}"', "variable.missing", ("NOWHERE_TO_BE_FOUND",), 7),
    "quota smaller than a segment": Bad(
        "disk_quota: 64MiB", "disk_quota: 64MiB, segment: 128MiB", "spool.segment", ("64MiB", "128MiB"), 6
    ),
    "unknown scheme": Bad("./lake", "s4://bucket/lake", "option.invalid", ("s4", "s3"), 7),
    "key of another node": Bad("rows: 2000", "file_size: 1MiB", "option.unknown", ("file_size", "cloud_storage"), 4),
    "not a number": Bad("rows: 2000", "rows: many", "option.invalid", ("rows",), 4),
}


def run_bad(folder: Path, text: str) -> Finished:
    (folder / "orders.yaml").write_text(text)
    return afterbay("run", "orders.yaml", "--json", cwd=folder)


def nothing_was_done(folder: Path) -> bool:
    return sorted(path.name for path in folder.iterdir()) == ["orders.yaml"]


@pytest.mark.parametrize("name", INVALID)
def test_a_bad_pipeline_is_refused_with_its_place(tmp_path: Path, name: str) -> None:
    bad = INVALID[name]
    assert bad.old in GOOD
    done = run_bad(tmp_path, GOOD.replace(bad.old, bad.new, 1))
    assert done.exit_code == bad.exit_code
    finding = next(item for item in done.data["diagnostics"] if item["code"] == bad.code)
    told = json.dumps(finding)
    assert all(word in told for word in bad.says), told
    assert finding["hint"], told
    assert (Path(finding["place"]["file"]).name, finding["place"]["line"]) == ("orders.yaml", bad.line)
    assert nothing_was_done(tmp_path)


def test_a_person_is_shown_the_line(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(GOOD.replace("encode_csv", "encode_cvs"))
    done = afterbay("validate", "orders.yaml", cwd=tmp_path)
    assert done.exit_code == 2
    assert "orders.yaml:5:" in done.out + done.err
    assert "encode_cvs" in done.out + done.err
    assert "^" in done.out + done.err


def test_the_good_one_runs(tmp_path: Path) -> None:
    assert run_bad(tmp_path, GOOD).exit_code == 0


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = run_bad(tmp_path, GOOD.replace("./lake", "./file/lake"))
    assert done.exit_code == 3
    assert "file/lake" in done.out
    assert (tmp_path / "file").read_text() == "in the way"


def test_the_state_of_another_pipeline(tmp_path: Path) -> None:
    assert run_bad(tmp_path, GOOD).exit_code == 0
    before = (tmp_path / "state" / "checkpoint.db").read_bytes()
    done = run_bad(tmp_path, GOOD.replace("name: orders", "name: invoices"))
    assert done.exit_code in (2, 3)
    assert "orders" in done.out
    assert "invoices" in done.out
    assert (tmp_path / "state" / "checkpoint.db").read_bytes() == before


def test_a_changed_format_option(tmp_path: Path) -> None:
    assert run_bad(tmp_path, GOOD).exit_code == 0
    done = run_bad(tmp_path, GOOD.replace("include_commit_ts: true", "include_commit_ts: false"))
    assert done.exit_code in (2, 3)
    assert "include_commit_ts" in done.out


def test_a_fresh_state_on_a_root_that_is_not_empty(tmp_path: Path) -> None:
    assert run_bad(tmp_path, GOOD).exit_code == 0
    lake = sorted(path for path in (tmp_path / "lake").rglob("*"))
    done = run_bad(tmp_path, GOOD.replace("./state", "./fresh"))
    assert done.exit_code in (2, 3)
    assert "--adopt" in done.out
    assert sorted(path for path in (tmp_path / "lake").rglob("*")) == lake


def test_a_state_that_another_run_holds(tmp_path: Path) -> None:
    import fcntl

    assert run_bad(tmp_path, GOOD).exit_code == 0
    lock = next((tmp_path / "state").glob("*lock*"))
    with lock.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = run_bad(tmp_path, GOOD)
    assert done.exit_code == 3
    assert done.codes == ["state.locked"]


def message(table: str, commit_ts: int, data: dict[str, str]) -> str:
    types = {"mysqlType": dict.fromkeys(data, "varchar"), "sqlType": dict.fromkeys(data, 12)}
    row = {"id": 0, "database": "shop", "table": table, "pkNames": ["id"], "isDdl": False, "type": "INSERT", "es": 1}
    row |= {"ts": 2, "sql": "", "old": None, "data": [data], "_tidb": {"commitTs": commit_ts}, **types}
    return json.dumps(row)


def run_log(folder: Path, *lines: str, more: str = "") -> Finished:
    (folder / "events.jsonl").write_text("".join(f"{line}\n" for line in lines))
    text = GOOD.replace("bank: {type: demo, rows: 2000}", "log: {type: change_log, path: events.jsonl}")
    text = text.replace("inputs: bank", "inputs: routed" if more else "inputs: log")
    return run_bad(folder, text + more)


def place(done: Finished) -> tuple[str, int]:
    """Where the first finding is: file name and line."""
    found = done.data["diagnostics"][0]["place"]
    return Path(found["file"]).name, found["line"]


def stored(folder: Path) -> dict[tuple[str, str], int]:
    bucket = read_bucket(folder / "lake", StoreShape("csv"), CsvDialect(commit_ts=True))
    assert bucket.findings == ()
    return {name: len(bucket.rows(*name)) for name in bucket.tables}


def test_a_line_that_is_not_json(tmp_path: Path) -> None:
    done = run_log(tmp_path, message("a", 10, {"id": "1"}), "{not json")
    assert done.exit_code == 1
    assert done.codes == ["change_log.line"]
    assert place(done) == ("events.jsonl", 2)


def test_a_row_with_a_column_that_its_table_does_not_have(tmp_path: Path) -> None:
    done = run_log(tmp_path, message("a", 10, {"id": "1"}), message("a", 11, {"id": "2", "extra": "x"}))
    assert done.exit_code == 1
    assert "extra" in done.out
    assert place(done) == ("events.jsonl", 2)


def test_two_tables_on_one_target(tmp_path: Path) -> None:
    routed = "  routed: {type: route, inputs: log, rules: [{match: 'shop.*', schema: shop, table: all}]}\n"
    done = run_log(tmp_path, message("a", 10, {"id": "1"}), message("b", 11, {"id": "2"}), more=routed)
    assert done.exit_code == 1
    assert "shop.a" in done.out
    assert "shop.b" in done.out


@pytest.mark.parametrize(
    "name", ["../../etc", "..", ".", "a/b", "meta", "", "x\u0000y", "%2e%2e", "n" * 300, "😀" * 60]
)
def test_a_table_with_a_hostile_name_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    work = tmp_path / "deep" / "inside"
    work.mkdir(parents=True)
    done = run_log(work, message(name, 10, {"id": "1"}), message("plain", 11, {"id": "2"}))
    assert done.exit_code == 0, done.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep"]
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["inside"]
    assert sorted(path.name for path in work.iterdir()) == ["events.jsonl", "lake", "orders.yaml", "state"]
    assert len(stored(work)) == 2
