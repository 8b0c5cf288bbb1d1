"""A short chaos run: seeds that are known to meet many kinds of fault, on each kind of store and source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.chaos.__main__ import main

RUNS = {
    "change logs on folders": ["--seed", "11", "--scenarios", "2", "--sources", "change_log", "--stores", "file"],
    "change logs on S3": ["--seed", "12", "--scenarios", "1", "--sources", "change_log", "--stores", "s3"],
    "the bank on folders and S3": ["--seed", "13", "--scenarios", "1", "--sources", "demo"],
}


@pytest.mark.parametrize("name", RUNS)
def test_every_invariant_holds(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exit_code = main([*RUNS[name], "--lives", "5", "5", "--folder", str(tmp_path), "--json"])
    told = capsys.readouterr()
    summary = json.loads(told.out)
    assert (exit_code, summary["violations"]) == (0, []), told.err
    assert told.err.startswith(f"seed {RUNS[name][1]}\n"), "the seed is printed first"
    assert summary["restarts"] == 5 * summary["scenarios"]
    assert summary["faults"], "something happened"
    assert summary["rows"] > 0
    assert list(tmp_path.iterdir()) == [], "nothing stays on the disk where nothing was found"
