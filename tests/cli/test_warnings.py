"""A run tells the warnings of its pipeline: in the log with their place, and as data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from afterbay.cli.app import call
from afterbay_nodes.sinks.cloud_storage import CloudStorage

PIPELINE = """\
state: ./state
nodes:
  bank: {type: demo, rows: 100}
  csv: {type: encode_csv, inputs: bank}
  spool: {type: spool, inputs: csv}
  lake: {type: cloud_storage, inputs: spool, uri: ./out, file_index_digit: 3}
"""


def test_a_run_tells_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("odd.yaml").write_text(PIPELINE, encoding="utf-8")
    assert call(["run", "odd.yaml", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "odd.yaml:6:76 [option.clamped] node 'lake' (cloud_storage): `file_index_digit` 3 is outside" in err
    (warning,) = json.loads(out)["warnings"]
    assert warning["place"] == {"file": "odd.yaml", "line": 6, "column": 76}


def test_outside_of_a_file_they_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert CloudStorage(uri="./lake", file_size=1).file_size == 1024
    assert "`file_size` 1B is outside 1KiB to 512MiB: 1KiB is used" in caplog.text
