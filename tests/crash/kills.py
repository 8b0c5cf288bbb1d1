"""SIGKILL at the n-th write, fsync, rename, link or unlink of a run, by strace's own fault injection.

strace counts each kind of call in each thread, so that the thread that first comes to its n-th one is killed in front
of it. A run that makes its state does most of its calls in one thread; the `prepared` one finds it made.
"""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from tests.crash.calls import OPTIONS
from tests.crash.disk import Tree, lay
from tests.crash.story import Story
from tests.crash.warm import WarmRuns

KINDS = (
    *("write", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "ftruncate"),
    *("rename", "renameat", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat"),
)
_CALL = re.compile(r"(\d+) +(\w+)\(")


@dataclass(frozen=True, slots=True)
class Point:
    """The `number`-th call of its kind in one thread, of a run that starts on `start`."""

    start: str
    kind: str
    number: int


def starts(told: Story) -> Mapping[str, Tree]:
    """What runs start on, by name."""
    return {"empty": {}, "prepared": told.prepare()}


def points(told: Story, warm: WarmRuns, on: Mapping[str, Tree]) -> list[Point]:
    """Every point that an undisturbed run comes to, on each start."""
    found: list[Point] = []
    log, said = told.pipeline.folder / "calls", told.pipeline.folder / "said"
    for start, tree in on.items():
        lay(tree, told.folder)
        assert warm.run([*OPTIONS, "-o", str(log)], "run", told.pipeline.file, cwd=told.folder, said=said) == 0
        per_thread: Counter[tuple[str, str]] = Counter()
        for line in log.read_text().splitlines():
            if (call := _CALL.match(line)) is not None and call[2] in KINDS:
                per_thread[call[1], call[2]] += 1
        for kind in KINDS:
            most = max((count for (_, name), count in per_thread.items() if name == kind), default=0)
            found += [Point(start, kind, number) for number in range(1, most + 1)]
    return found


def kill(told: Story, warm: WarmRuns, on: Mapping[str, Tree], point: Point) -> tuple[bool, list[str]]:
    """Whether it died at the point, and what is wrong then, and after one more run.

    It may not die at a late one: how calls spread over commits depends on the threads' luck.
    """
    lay(on[point.start], told.folder)
    said = told.pipeline.folder / "said"
    inject = f"inject={point.kind}:signal=SIGKILL:when={point.number}"
    options = ["-o", "/dev/null", "-e", f"trace={point.kind}", "-e", inject]
    ended = warm.run(options, "run", told.pipeline.file, cwd=told.folder, said=said)
    if ended not in (0, -signal.SIGKILL):
        return False, [f"{point}: it ended with {ended}: {said.read_text()}"]
    wrong = told.honest()
    try:
        told.run()
    except Exception as error:  # of any kind: it is one of many findings of an exhaustive search
        wrong.append(f"the run after it failed: {error!r}")
    return ended != 0, [f"{point}: {what}" for what in [*wrong, *told.complete()]]
