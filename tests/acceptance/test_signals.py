"""SIGINT and SIGTERM: the first drains and exits 0, a second one cancels; the next run goes on."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.cli import started
from tests.support.nasty_checks import ends_well, honest
from tests.support.nasty_log import nasty_log
from tests.support.nasty_pipeline import csv_pipeline
from tests.support.verify import read


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_drains_and_the_next_run_goes_on(tmp_path: Path, name: str) -> None:
    log = nasty_log()
    pipeline = csv_pipeline(tmp_path, log.write(tmp_path / "events.jsonl"))
    errors = tmp_path / "stderr.txt"
    with started("run", pipeline.file, cwd=tmp_path, errors=errors) as run:
        while run.poll() is None and pipeline.data_files() < 30:
            time.sleep(0.001)
        run.send_signal(signal.Signals[name])
    assert run.returncode == 0, errors.read_text()
    bucket = read(pipeline.lake, pipeline.form)
    assert bucket.unindexed == ()
    assert 0 < sum(len(bucket.rows(*table)) for table in bucket.tables) < log.stored_rows
    honest(pipeline, log)
    ends_well(pipeline, log)


def test_a_second_signal_cancels(tmp_path: Path) -> None:
    log = nasty_log()
    pipeline = csv_pipeline(tmp_path, log.write(tmp_path / "events.jsonl"))
    errors, stuck = tmp_path / "stderr.txt", tmp_path / "stuck"
    os.mkfifo(stuck)

    def said(words: str) -> bool:
        return run.poll() is not None or words in errors.read_text()

    # One file never gets its name, so that the drain cannot end by itself.
    with started("run", pipeline.file, cwd=tmp_path, errors=errors, step=f"link:30:{stuck}") as run:
        while run.poll() is None and pipeline.data_files() < 10:
            time.sleep(0.001)
        run.send_signal(signal.SIGINT)
        while not said("SIGINT: storing"):
            time.sleep(0.001)
        run.send_signal(signal.SIGTERM)
        while not said("SIGTERM: stopping"):
            time.sleep(0.001)
        stuck.write_bytes(b"")
    assert run.returncode == 128 + signal.SIGTERM, errors.read_text()
    honest(pipeline, log)
    ends_well(pipeline, log)
