"""What must hold of the nasty log's pipeline after a death, and after the run that follows it."""

from __future__ import annotations

from tests.support.cli import afterbay
from tests.support.nasty_log import NastyLog
from tests.support.nasty_pipeline import NastyPipeline
from tests.support.verify import broken_promises, differences, read


def checkpoint(pipeline: NastyPipeline) -> int:
    """What `afterbay status` says is durable; 0 before the first checkpoint."""
    status = afterbay("status", "--state", pipeline.state, "--json", cwd=pipeline.folder)
    assert status.exit_code == 0, status.err
    assert not status.data["locked"], "the lock did not die with its process"
    return max((point["commit_ts"] for point in status.data["checkpoints"].values()), default=0)


def honest(pipeline: NastyPipeline, log: NastyLog) -> None:
    bucket = read(pipeline.lake, pipeline.form)
    assert broken_promises(bucket, log, pipeline.form, checkpoint(pipeline)) == []


def ends_well(pipeline: NastyPipeline, log: NastyLog) -> None:
    last = afterbay("run", pipeline.file, cwd=pipeline.folder)
    assert last.exit_code == 0, last.err
    assert differences(read(pipeline.lake, pipeline.form), log, pipeline.form) == []
