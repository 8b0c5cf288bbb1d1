"""What `afterbay run` says of a change log: lines that it put aside, runs that go on, and logs that moved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from afterbay.cli.app import call
from tests.support.canal import ddl, row, watermark, write

CREATE = "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(10))"

Captured = pytest.CaptureFixture[str]


class Pipeline:
    """A change log to CSV files, in the current directory."""

    def __init__(self, capsys: Captured) -> None:
        self._capsys = capsys
        self.log: dict[str, Any] = {"type": "change_log", "path": "log.jsonl"}

    def run(self, *options: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        nodes = {
            "log": self.log,
            "csv": {"type": "encode_csv", "inputs": "log", "include_commit_ts": True},
            "spool": {"type": "spool", "inputs": "csv"},
            "lake": {"type": "cloud_storage", "inputs": "spool", "uri": "./lake", "date_separator": "none"},
        }
        Path("p.yaml").write_text(json.dumps({"name": "p", "state": "./state", "nodes": nodes}), encoding="utf-8")
        code = call(["run", "p.yaml", *options])
        return code, *self._capsys.readouterr()

    def report(self, *options: str) -> dict[str, Any]:
        """The report of a run that went well."""
        code, out, err = self.run("--json", *options)
        assert code == 0, err + out
        found = json.loads(out)
        assert isinstance(found, dict)
        return found


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> Pipeline:
    monkeypatch.chdir(tmp_path)
    return Pipeline(capsys)


def one(commit_ts: int, number: int) -> bytes:
    return row("t", commit_ts, {"id": str(number), "v": "x"})


def stored() -> list[str]:
    """The ids in the lake, in order."""
    lines = [line for file in sorted(Path("lake").rglob("*.csv")) for line in file.read_text().splitlines()]
    return [line.split(",")[4] for line in lines]


def test_lines_that_were_put_aside_are_counted_with_their_file(pipeline: Pipeline) -> None:
    write(Path("log.jsonl"), ddl(5, CREATE), one(10, 1), b"{no", one(30, 3), b"neither", watermark(30))
    pipeline.log |= {"on_bad_line": "reject", "rejects": "./rej.jsonl"}
    code, out, _ = pipeline.run()
    assert code == 0
    assert "  rejected      2  (bad lines, in ./rej.jsonl)\n" in out
    assert len(Path("rej.jsonl").read_text().splitlines()) == 2
    again = pipeline.report()
    assert (again["lines_rejected"], again["rejects"]) == (0, ["./rej.jsonl"])


def test_the_report_as_data_counts_them_too(pipeline: Pipeline) -> None:
    write(Path("log.jsonl"), ddl(5, CREATE), one(10, 1), b"{no", watermark(30))
    pipeline.log |= {"on_bad_line": "reject", "rejects": "./rej.jsonl"}
    found = pipeline.report()
    assert (found["lines_rejected"], found["rejects"]) == (1, ["./rej.jsonl"])
    assert stored() == ["1"]
