"""Runs the `afterbay` command in a process that has faults, as a file says::

    python -m tests.support.faulty_process orders.json run pipeline.yaml

The file holds `Orders` as JSON. With `prune`, sources of change logs are such that discard what is acknowledged: a file
of the log is removed for good once a later one is acknowledged whole (I2). Each fault that is met is noted in `fired`
before it happens.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from tests.support.points import Fault, arm

REPOSITORY = Path(__file__).parents[2]
WITHOUT_PANDAS = Path(__file__).with_name("without_pandas")


@dataclass(frozen=True, slots=True)
class Orders:
    """What is to happen in the process.

    `fired`: the file that met faults are noted in, a line each. `begun`: a file that is made once the run has its
    place. `acknowledged`: the folder with each source's last acknowledged commit-ts, by its name. `prune`: source ->
    the folder of its log, whose files are called `part-NUMBER-LAST.…`, LAST being the last commit-ts in it. `steps`:
    (n, seconds): at the n-th question for it the wall clock jumps. `brief`: the store's deadlines are seconds. `small`:
    batches are small.
    """

    faults: Sequence[Fault] = ()
    fired: str = ""
    begun: str = ""
    acknowledged: str = ""
    prune: dict[str, str] | None = None
    steps: Sequence[tuple[int, float]] = ()
    brief: bool = False
    small: bool = False

    def write(self, path: Path) -> Path:
        """Writes the file."""
        path.write_text(json.dumps(asdict(self)))
        return path

    @classmethod
    def read(cls, path: Path) -> Orders:
        """Reads the file."""
        told = json.loads(path.read_text())
        return cls(**(told | {"faults": [Fault(**fault) for fault in told["faults"]]}))

    def command(self, folder: Path, *arguments: str | Path) -> list[str]:
        """The command with these orders, which are kept in `folder`. To be run in `environment`."""
        path = self.write(folder / "orders.json")
        return [sys.executable, "-m", "tests.support.faulty_process", str(path), *map(str, arguments)]


def environment() -> dict[str, str]:
    """Of a process that is to find the tests, and no pandas. What PYTHONPATH has goes first."""
    path = [*filter(None, [os.environ.get("PYTHONPATH")]), str(REPOSITORY), str(WITHOUT_PANDAS)]
    return os.environ | {"PYTHONPATH": os.pathsep.join(path)}


def last_commit_ts(part: Path) -> int:
    """The last commit-ts in a file of the log."""
    return int(part.name.split(".")[0].split("-")[2])


def prepare(orders: Orders) -> None:
    """Changes this process as ordered."""
    from afterbay import clock
    from afterbay_nodes.sinks import storage_sink
    from afterbay_nodes.sources import log_player, log_reader
    from afterbay_nodes.storage.store import StoreOptions

    if orders.small:
        log_player.SETTLE_BYTES, log_reader.BLOCK = 1, 4096
    if orders.brief:
        brief = partial(StoreOptions, read_timeout=1.0, operation_deadline=5.0, tries_deadline=10.0)
        setattr(storage_sink, "StoreOptions", brief)  # noqa: B010 - it is a class, for mypy
    if orders.steps:
        asked, now = count(1), clock.SystemClock.now

        def stepped(self: clock.SystemClock) -> datetime:
            n = next(asked)
            return now(self) + timedelta(seconds=sum(seconds for at, seconds in orders.steps if n >= at))

        clock.SystemClock.now = stepped  # type: ignore[method-assign]
    if orders.begun:
        _tell_of_the_start(Path(orders.begun))
    if orders.acknowledged:
        _keep_acknowledged(orders)
    arm(orders.faults, partial(_note, orders.fired))


def _note(path: str, fault: Fault) -> None:
    """One write, so that it is whole even if the process dies next."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{fault.deed} {fault.when} {fault.point}\n".encode())
    os.close(file)


def _tell_of_the_start(begun: Path) -> None:
    from afterbay.state.store import State

    start = State.start

    def started(self: State, *given: Any, **named: Any) -> None:
        start(self, *given, **named)
        begun.touch()

    setattr(State, "start", started)  # noqa: B010 - a method is replaced on purpose


def _keep_acknowledged(orders: Orders) -> None:
    from afterbay.node import SourceContext, SourceOperator
    from afterbay.positions import ResumePoint
    from afterbay_nodes.sources.change_log import ChangeLog
    from afterbay_nodes.sources.demo import Demo

    folder, prune = Path(orders.acknowledged), orders.prune or {}
    names: dict[SourceOperator, str] = {}

    def acknowledge(self: SourceOperator, point: ResumePoint) -> None:
        name = names[self]
        new = folder / f"{name}.new"
        new.write_text(str(point.commit_ts))
        new.rename(folder / name)
        if name in prune:
            parts = sorted(Path(prune[name]).glob("part-*"))
            done = [part for part in parts if last_commit_ts(part) <= point.commit_ts]
            for part in done[:-1]:  # the cursor may be in the last of them
                part.unlink()

    def knows_names(opened: Any) -> Any:
        def open_source(self: Any, context: SourceContext) -> SourceOperator:
            operator: SourceOperator = opened(self, context)
            names[operator] = context.partition
            return operator

        return open_source

    setattr(SourceOperator, "acknowledge", acknowledge)  # noqa: B010 - a method is replaced on purpose
    for source in (ChangeLog, Demo):
        setattr(source, "open", knows_names(source.open))  # noqa: B010


def main(path: str, arguments: list[str]) -> int:
    """Prepares the process and runs the command."""
    prepare(Orders.read(Path(path)))
    from afterbay.cli import main as afterbay

    sys.argv = ["afterbay", *arguments]
    return afterbay()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
