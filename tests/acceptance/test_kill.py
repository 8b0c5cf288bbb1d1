"""`kill -9`, at random moments and between any two steps: nothing lost, nothing twice, the checkpoint never ahead."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from random import Random

import pytest

from tests.support.cli import dies, started
from tests.support.nasty_checks import ends_well, honest
from tests.support.nasty_log import nasty_log
from tests.support.nasty_pipeline import canal_pipeline, csv_pipeline, parquet_pipeline

FILES = 48  # an undisturbed run of the whole log makes a few more
SMALL = 4000  # rows of the log for the deaths at a step: each of them costs two runs


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_ten_times_at_random_moments(tmp_path: Path, seed: int) -> None:
    log = nasty_log()
    make = {1: csv_pipeline, 2: canal_pipeline, 3: parquet_pipeline}[seed]
    pipeline = make(tmp_path, log.write(tmp_path / "events.jsonl"))
    for moment in sorted(Random(seed).sample(range(2, FILES), k=10)):
        errors = tmp_path / "stderr.txt"
        with started("run", pipeline.file, cwd=tmp_path, errors=errors) as run:
            while run.poll() is None and pipeline.data_files() < moment:
                time.sleep(0.001)
            run.kill()
        assert run.returncode == -signal.SIGKILL, f"it ended before file {moment}: {errors.read_text()}"
        honest(pipeline, log)
    ends_well(pipeline, log)


STEPS = [
    *("link:1:before", "link:1:after", "link:9:before", "link:18:after", "link:29:before"),
    *("rename:1:before", "rename:1:after", "rename:8:before", "rename:14:after"),
    *("commit:2:before", "commit:3:after", "commit:12:before", "commit:25:after", "commit:38:before"),
    *(
        "fdatasync:20:before",
        "fdatasync:41:after",
        "fsync:10:after",
        "fsync:90:before",
        "unlink:1:before",
        "unlink:2:after",
    ),
]


@pytest.mark.parametrize("step", STEPS)
def test_dies_between_two_steps(tmp_path: Path, step: str) -> None:
    log = nasty_log(SMALL, 5)
    pipeline = csv_pipeline(tmp_path, log.write(tmp_path / "events.jsonl"))
    dies(step, "run", pipeline.file, cwd=tmp_path)
    honest(pipeline, log)
    ends_well(pipeline, log)


@pytest.mark.parametrize("step", STEPS[::3])
def test_dies_between_two_steps_of_an_assembled_flush(tmp_path: Path, step: str) -> None:
    log = nasty_log(SMALL, 5)
    pipeline = parquet_pipeline(tmp_path, log.write(tmp_path / "events.jsonl"))
    dies(step, "run", pipeline.file, cwd=tmp_path)
    honest(pipeline, log)
    ends_well(pipeline, log)
    assert list((pipeline.state / "nodes" / "lake" / "scratch").iterdir()) == []


def test_dies_while_it_mends_what_a_death_left(tmp_path: Path) -> None:
    log = nasty_log(SMALL, 5)
    pipeline = csv_pipeline(tmp_path, log.write(tmp_path / "events.jsonl"))
    for step in ("link:20:after", "commit:1:after", "commit:2:before", "rename:1:before", "link:2:before"):
        dies(step, "run", pipeline.file, cwd=tmp_path)
        honest(pipeline, log)
    ends_well(pipeline, log)
