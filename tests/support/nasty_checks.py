"""What must hold of the nasty log's pipeline after a death, and after the run that follows it."""

from __future__ import annotations

from tests.support.cli import afterbay
from tests.support.nasty_log import NastyLog
from tests.support.nasty_pipeline import NastyPipeline
from tests.support.verify import broken_promises, differences, read


def checkpoint(pipeline: NastyPipeline) -> int:
    """What `afterbay status` says is durable; 0 before the first checkpoint."""
    status = afterbay("status", "--state", pipeline.state, "--json", cwd=pipeline.folder)
    if status.exit_code == 3 and status.codes == ["state.absent"]:
        return 0
    assert status.exit_code == 0, status.out
    assert not status.data["locked"], "the lock did not die with its process"
    return max((point["commit_ts"] for point in status.data["checkpoints"].values()), default=0)


def honest(pipeline: NastyPipeline, log: NastyLog) -> None:
    """Stored rows are the first of those wanted, once, and the checkpoint is not ahead of them (I1, I3, I4, I6)."""
    bucket = read(pipeline.lake, pipeline.form)
    broken = broken_promises(bucket, log, pipeline.form, checkpoint(pipeline))
    assert not broken, "\n".join(broken[:20])


def ends_well(pipeline: NastyPipeline, log: NastyLog) -> None:
    """One more run, undisturbed: everything is there, in order, exactly once (I5, I6)."""
    last = afterbay("run", pipeline.file, cwd=pipeline.folder)
    assert last.exit_code == 0, last.err
    wrong = differences(read(pipeline.lake, pipeline.form), log, pipeline.form)
    assert not wrong, "\n".join(wrong[:20])
