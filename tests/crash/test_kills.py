"""SIGKILL for real, by strace, in front of the n-th call of a kind: nothing lost, nothing twice (I1, I3 to I6)."""

from __future__ import annotations

import pytest

from tests.crash.kills import kill, points, starts
from tests.crash.story import story
from tests.crash.warm import WarmRuns, memory_folder
from tests.support.nasty_log import small_log

POINTS = 60
PARTS = 2


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_one_call(part: int) -> None:
    """Sixty of all points, evenly over starts, kinds and numbers; `python -m tests.crash kills` tries them all."""
    with memory_folder() as folder, WarmRuns() as warm:
        told = story(folder, small_log(24, 3))
        on = starts(told)
        every = points(told, warm, on)
        chosen = [every[len(every) * number // POINTS] for number in range(part, POINTS, PARTS)]
        ended = [kill(told, warm, on, point) for point in chosen]
    assert [what for _, wrong in ended for what in wrong] == []
    assert sum(died for died, _ in ended) >= len(chosen) * 2 // 3, "the points are those of a run, and were not come to"
