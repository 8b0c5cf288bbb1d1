"""The run that is crashed, and what must hold of whatever a crash leaves of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from afterbay.errors import EnvironmentRefused
from afterbay.pipeline import Pipeline
from afterbay.runtime.run import start
from afterbay.state.status import read_status
from tests.crash.calls import OPTIONS, read_calls
from tests.crash.disk import Recording, Tree, lay, mark, seen, standing
from tests.crash.recorder import recorded
from tests.crash.warm import WarmRuns
from tests.support.nasty_log import NastyLog
from tests.support.nasty_pipeline import NastyPipeline, csv_pipeline
from tests.support.verify import broken_promises, differences, read

ENDS_AFTER = 60.0


@dataclass(frozen=True, slots=True)
class Story:
    """A pipeline whose state and lake are all that is in `folder`; its file and its log lie beside it."""

    log: NastyLog
    pipeline: NastyPipeline
    folder: Path

    def run(self) -> None:
        """Runs to the end, in this process."""
        plan = Pipeline.from_yaml(self.pipeline.file, env={}).compile()
        assert start(plan).wait(ENDS_AFTER) is not None, "it did not end"

    def prepare(self) -> Tree:
        """Runs it over the first lines of the log, and gives what is stored then: the next run finds a state made."""
        events = self.pipeline.folder / "events.jsonl"
        events.write_bytes(b"".join(self.log.lines[: self.first_lines]))
        self.run()
        self.log.write(events)
        return seen(self.folder)

    @property
    def first_lines(self) -> int:
        """The lines up to the first watermark."""
        return 1 + next(number for number, line in enumerate(self.log.lines) if b"TIDB_WATERMARK" in line)

    def checkpoint(self) -> int:
        """What the state says is durable; 0 where there is none yet."""
        try:
            status = read_status(self.pipeline.state)
        except EnvironmentRefused as error:
            if error.code != "state.absent":
                raise
            return 0
        return max((point.commit_ts for point in status.checkpoints.values()), default=0)

    def honest(self) -> list[str]:
        """What is wrong with what a crash left (I1, I3, I4, I6)."""
        bucket = read(self.pipeline.lake, self.pipeline.form)
        return broken_promises(bucket, self.log, self.pipeline.form, self.checkpoint())

    def complete(self) -> list[str]:
        """What is wrong after a run to the end (I5, I6)."""
        return differences(read(self.pipeline.lake, self.pipeline.form), self.log, self.pipeline.form)

    def survives(self, left: Tree) -> list[str]:
        """What is wrong if a crash left this: with it as it is, and after one more run."""
        lay(left, self.folder)
        wrong = self.honest()
        try:
            self.run()
        except Exception as error:  # of any kind: it is one of many findings of an exhaustive search
            return [*wrong, f"the run after it failed: {error!r}"]
        return [*wrong, *self.complete()]


def story(folder: Path, log: NastyLog, **nodes: dict[str, object]) -> Story:
    """The story of `log` in `folder`. Small files, one shard, and a spool of a few rows' bytes."""
    folder = folder.resolve()
    inner = folder / "crashed"
    inner.mkdir(parents=True)
    lake = {"uri": str(inner / "lake"), "shards": 1, "file_size": "1KiB"} | nodes.pop("lake", {})
    spool = {"memory": "16KiB", "disk_quota": "64KiB", "segment": "8KiB", "dir": str(inner / "spool")}
    made = csv_pipeline(folder, log.write(folder / "events.jsonl"), lake=lake, spool=spool, **nodes)
    made.file.write_text(made.file.read_text().replace(str(made.state), str(inner / "state")))
    return Story(log, NastyPipeline(made.file, inner / "lake", inner / "state", made.form), inner)


def record(told: Story, warm: WarmRuns, before: Recording | None = None) -> Recording:
    """Runs it to its end, and tells every step; the recording is held against the disk.

    It begins with what is in its folder, all of it safe, or with what the recording `before` left there.
    """
    if before is None:
        before = Recording(standing(seen(told.folder)))
    else:
        lay(before.left(before.first, True), told.folder)
    log, said = told.pipeline.folder / "calls", told.pipeline.folder / "said"
    options = [*OPTIONS, "-o", str(log)]
    ended = warm.run(options, "run", told.pipeline.file, "--quiet", cwd=told.folder, said=said)
    assert ended == 0, said.read_text()
    recording = recorded(read_calls(log), told.folder, before)
    assert recording.left(recording.moments[-1], True) == seen(told.folder), "the recording is not what happened"
    return recording


def lost_power(
    told: Story, recording: Recording, choice: bool | None, moments: Sequence[int] | None = None
) -> list[str]:
    """Loses the power at every moment; what is wrong then. `choice`: as in `Recording.left`; None is a random one."""
    tried: set[bytes] = set()
    wrong: list[str] = []
    for moment in recording.moments if moments is None else moments:
        left = recording.left(moment, Random(moment) if choice is None else choice)
        if (digest := mark(left)) not in tried:
            tried.add(digest)
            wrong += [f"moment {moment}: {what}" for what in told.survives(left)]
    return wrong
