"""A sink's contract: stored once and in order whatever interrupts it, and nothing acknowledged that is not stored."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from afterbay.messages import ChangeBatch
from afterbay.node import Capabilities, Outlet, Sink, Source, SourceContext, SourceOperator
from afterbay.pipeline import Pipeline
from afterbay.positions import ResumePoint
from afterbay.testing.made_up import ROWS, Step, steps
from afterbay.testing.recorded import broken

Stored = Iterable[tuple[str, int]]
TRANSACTIONS = 24
HELD_SECONDS = 60.0


class Script:
    """What the made-up source sends in one run, where it holds, and what it was told. Owns its lock and events."""

    def __init__(self, all_steps: list[Step], hold_at: int | None, acknowledged: Callable[[int], None]) -> None:
        self.steps = all_steps
        self.hold_at = hold_at
        self.held = threading.Event()
        self.acknowledged = acknowledged


class MadeUp(Source[ChangeBatch]):
    """The source of `check_sink`: two tables and their transactions, a DDL between them."""

    type_name: ClassVar[str] = "made_up"
    capabilities: ClassVar[Capabilities] = Capabilities()
    script: Script = Field(exclude=True)

    @property
    def ends(self) -> bool:
        """It ends after its last step."""
        return True

    def open(self, context: SourceContext) -> SourceOperator:
        """See `Source`."""
        return _MadeUp(self.script, context.resume)


class _MadeUp(SourceOperator):
    def __init__(self, script: Script, resume: ResumePoint | None) -> None:
        self._script = script
        self._from = 0 if resume is None else int(str(resume.cursor["step"]))

    def run(self, out: Outlet) -> None:
        for number, step in enumerate(self._script.steps[self._from :], self._from):
            if self._script.hold_at == number:
                self._script.held.set()
                while not out.stopping:
                    out.wait(0.05)  # ends with `Cancelled`
                return
            if step.ddl is not None:
                out.schema_change(step.ddl)
            for batch in step.batches:
                out.batch(batch)
            out.promise(step.commit_ts, {"step": number + 1})

    def acknowledge(self, point: ResumePoint) -> None:
        self._script.acknowledged(point.commit_ts)


def check_sink(
    make: Callable[[], Sink[Any]],
    read: Callable[[], Stored],
    folder: Path,
    *,
    through: Callable[[Pipeline], str] | None = None,
    transactions: int = TRANSACTIONS,
) -> None:
    """Carries made-up tables to the sink in a real pipeline that is stopped at once at several places, and run again.

    `read()` tells what is stored, table by table in the stored order, as (`schema.table`, commit-ts) of each change;
    `through` adds the nodes that the sink wants before it to a pipeline whose source is `source`, and gives the last
    one's name. Held against its contract: what is acknowledged to the source is stored (I1, I2); after all runs each
    change is stored once (I6), in commit order (I4), none is missing (I5). The stop is `Run.cancel`: nothing that is
    under way is waited for. Raises AssertionError, and what the pipeline raises.
    """
    all_steps = steps(transactions)
    wanted = [(str(batch.schema.name), step.commit_ts) for step in all_steps for batch in step.batches]
    faults: list[str] = []

    def acknowledged(commit_ts: int) -> None:
        stored = Counter(read())
        for name, at in wanted:
            if at <= commit_ts and stored[name, at] < ROWS:
                faults.append(f"{commit_ts} is acknowledged, and '{name}' of {at} is not stored (I1, I2)")

    places = [3, len(all_steps) // 2, len(all_steps) // 2 + 1, len(all_steps) - 1]
    for hold_at in (*places, None):
        script = Script(all_steps, hold_at, acknowledged)
        pipeline = Pipeline("conformance", state=folder / "state").add("source", MadeUp(script=script))
        last = "source" if through is None else through(pipeline)
        pipeline.add("sink", make(), inputs=last)
        if hold_at is None:
            pipeline.run(until="end")
        else:
            run = pipeline.start(until="end")
            while not script.held.wait(0.05) and not run.ended:
                pass
            run.cancel()
            run.wait()
        if faults:
            raise broken(faults[0])
    _check_stored(list(read()), wanted)


def _check_stored(stored: list[tuple[str, int]], wanted: list[tuple[str, int]]) -> None:
    counted = Counter(stored)
    for name, commit_ts in wanted:
        found = counted.pop((name, commit_ts), 0)
        if found != ROWS:
            raise broken(f"'{name}' has {found} changes of {commit_ts} stored, not {ROWS} (I5, I6)")
    if counted:
        raise broken(f"stored, and never sent: {next(iter(counted))}")
    for name in {name for name, _ in wanted}:
        own = [commit_ts for table, commit_ts in stored if table == name]
        if own != sorted(own):
            raise broken(f"'{name}' is not stored in commit order (I4)")
