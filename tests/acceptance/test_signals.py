"""SIGINT and SIGTERM: the first drains and exits 0, a second one cancels; the next run goes on."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def waited_on(pipe: Path, run: subprocess.Popen[bytes]) -> Iterator[None]:
    """The block begins when the run waits at `pipe`, and its end lets the run go on."""
    while True:
        assert run.poll() is None, "the run ended before it came to the pipe"
        try:
            writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            # Nobody reads it yet. A blocking open would wait for ever for a run that has ended.
            if error.errno != errno.ENXIO:
                raise
            time.sleep(0.001)
        else:
            break
    try:
        yield
    finally:
        os.close(writer)


def test_a_second_signal_cancels(tmp_path: Path) -> None:
    log = nasty_log()
    pipeline = csv_pipeline(tmp_path, log.write(tmp_path / "events.jsonl"))
    errors, stuck = tmp_path / "stderr.txt", tmp_path / "stuck"
    os.mkfifo(stuck)

    def said(words: str) -> bool:
        return run.poll() is not None or words in errors.read_text()

    # One file never gets its name, so that the drain cannot end by itself.
    with (
        started("run", pipeline.file, cwd=tmp_path, errors=errors, step=f"link:30:{stuck}") as run,
        waited_on(stuck, run),
    ):
        run.send_signal(signal.SIGINT)
        while not said("SIGINT: storing"):
            time.sleep(0.001)
        run.send_signal(signal.SIGTERM)
        while not said("SIGTERM: stopping"):
            time.sleep(0.001)
    assert run.returncode == 128 + signal.SIGTERM, errors.read_text()
    honest(pipeline, log)
    ends_well(pipeline, log)
