"""Rolling restarts: `run --wait` takes over from the run that goes on, when that one ends, however it ends."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from afterbay import Pipeline
from afterbay.errors import EnvironmentRefused, PipelineInvalid
from tests.support.cli import afterbay, started
from tests.support.nasty_checks import ends_well, honest
from tests.support.nasty_log import NastyLog, nasty_log
from tests.support.nasty_pipeline import NastyPipeline, csv_pipeline

PIECES = 400


class GrowingLog:
    """The nasty log's file while somebody writes it, a piece at a time; pieces end in the middle of lines."""

    def __init__(self, log: NastyLog, path: Path) -> None:
        self.path = path
        whole = log.write(path).read_bytes()
        size = -(-len(whole) // PIECES)
        self.left = [whole[at : at + size] for at in range(0, len(whole), size)]
        path.write_bytes(b"")

    def grow(self, pieces: int = 1) -> None:
        with self.path.open("ab") as file:
            for _ in range(min(pieces, len(self.left))):
                file.write(self.left.pop(0))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_runs_take_over_from_each_other_and_nothing_is_lost_or_twice(tmp_path: Path, name: str) -> None:
    log = nasty_log(6000, 11)
    growing = GrowingLog(log, tmp_path / "events.jsonl")
    pipeline = csv_pipeline(tmp_path, growing.path)
    said = [tmp_path / f"stderr{number}.txt" for number in range(3)]
    with ExitStack() as runs:
        old = runs.enter_context(forever(pipeline, said[0]))
        stores_more(pipeline, old, growing)
        for words, errors in (("--wait",), said[1]), (("--wait", "5m"), said[2]):
            new = runs.enter_context(forever(pipeline, errors, *words))
            says(new, errors, f"process {old.pid} on ")
            growing.grow(2)
            old.send_signal(signal.Signals[name])
            old.wait()
            stores_more(pipeline, new, growing)
            old = new
        growing.grow(PIECES)
        old.send_signal(signal.SIGTERM)
    assert old.returncode == 0, said[2].read_text()
    honest(pipeline, log)
    ends_well(pipeline, log)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_the_wait_and_the_run_that_goes_on_is_not_disturbed(tmp_path: Path, name: str) -> None:
    growing = GrowingLog(nasty_log(6000, 11), tmp_path / "events.jsonl")
    pipeline = csv_pipeline(tmp_path, growing.path)
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    with forever(pipeline, first) as old:
        stores_more(pipeline, old, growing)
        with forever(pipeline, second, "--wait") as new:
            says(new, second, "waiting for the end of the run that has the state")
            new.send_signal(signal.Signals[name])
        assert new.returncode == 128 + signal.Signals[name], second.read_text()
        stores_more(pipeline, old, growing)
        old.send_signal(signal.SIGTERM)
    assert old.returncode == 0, first.read_text()


def test_a_wait_has_an_end_and_without_one_it_is_refused_at_once(tmp_path: Path) -> None:
    growing = GrowingLog(nasty_log(6000, 11), tmp_path / "events.jsonl")
    pipeline = csv_pipeline(tmp_path, growing.path)
    with forever(pipeline, tmp_path / "stderr.txt") as old:
        stores_more(pipeline, old, growing)
        bounded = afterbay("run", pipeline.file, "--wait", "100ms", cwd=tmp_path)
        assert bounded.exit_code == 3
        assert f"waiting for the end of the run that has the state {pipeline.state}: process {old.pid}" in bounded.err
        assert "still after 0.1 s of waiting" in bounded.err
        refused = afterbay("run", pipeline.file, "--json", cwd=tmp_path)
        assert (refused.exit_code, refused.codes) == (3, ["state.locked"])
        with pytest.raises(EnvironmentRefused, match=r"still after 0\.1 s"):
            Pipeline.from_yaml(pipeline.file).run(wait="100ms")
        with pytest.raises(EnvironmentRefused, match="in use by process"):
            Pipeline.from_yaml(pipeline.file).run()
        old.send_signal(signal.SIGTERM)
    # Nobody is there any more: a start that may wait does not.
    assert afterbay("run", "--wait", pipeline.file, cwd=tmp_path).exit_code in {0, 1}


def test_the_python_api_takes_over_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = nasty_log(6000, 11)
    growing = GrowingLog(log, tmp_path / "events.jsonl")
    pipeline = csv_pipeline(tmp_path, growing.path)
    with forever(pipeline, tmp_path / "stderr.txt") as old:
        stores_more(pipeline, old, growing)
        waits = threading.Thread(target=lambda: ends_by_waiting(old, caplog, growing))
        waits.start()
        Pipeline.from_yaml(pipeline.file).run(wait=True)
        waits.join()
    honest(pipeline, log)
    ends_well(pipeline, log)


def test_a_wait_that_is_no_duration_is_refused(tmp_path: Path) -> None:
    pipeline = csv_pipeline(tmp_path, tmp_path / "events.jsonl")
    refused = afterbay("run", pipeline.file, "--wait=long", "--json", cwd=tmp_path)
    assert (refused.exit_code, refused.codes) == (2, ["wait.invalid"])
    with pytest.raises(PipelineInvalid, match="forever, or a duration"):
        Pipeline.from_yaml(pipeline.file).run(wait="long")


@contextmanager
def forever(pipeline: NastyPipeline, errors: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run that follows the log."""
    with started("run", pipeline.file, "--until", "forever", *words, cwd=pipeline.folder, errors=errors) as run:
        yield run


def stores_more(pipeline: NastyPipeline, run: subprocess.Popen[bytes], growing: GrowingLog) -> None:
    """The log grows until the run has stored two files more."""
    wanted = pipeline.data_files() + 2
    while pipeline.data_files() < wanted:
        assert run.poll() is None, "the run ended"
        assert growing.left, "the log is too short for this test"
        growing.grow()
        time.sleep(0.05)


def says(run: subprocess.Popen[bytes], errors: Path, words: str) -> None:
    """The run has said it on stderr."""
    while words not in errors.read_text():
        assert run.poll() is None, errors.read_text()
        time.sleep(0.005)


def ends_by_waiting(old: subprocess.Popen[bytes], caplog: pytest.LogCaptureFixture, growing: GrowingLog) -> None:
    """Ends the old run once the new one has said in its log that it waits for it."""
    while f"process {old.pid} on " not in caplog.text:
        time.sleep(0.005)
    growing.grow(PIECES)
    old.send_signal(signal.SIGTERM)
