"""The checkpoint's lag: the age of the oldest change that it does not cover, under flow, in a pause, and bounded."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterbay.node import Outlet
from afterbay.runtime.arrivals import MOST_ARRIVALS, RESOLUTION, Arrivals
from afterbay.runtime.run import Run, start
from tests.support.clock import ManualClock
from tests.support.flow import SCRIPTS, STORES, Event, MemorySink, MemoryStore, Promise, Rows, Scripted, plan


def test_under_steady_flow_the_lag_is_how_far_the_checkpoint_is_behind() -> None:
    """A row a second for an hour, each covered two seconds later: the lag is 2 s, not the run's age."""
    arrivals = Arrivals()
    for now in range(3600):
        arrivals.came(commit_ts=now, now=float(now))
        oldest = arrivals.oldest(checkpoint=now - 2)
        assert oldest is not None
        assert now - oldest == (1.0 if now else 0.0)


def test_what_is_all_covered_has_no_age_however_long_the_pause() -> None:
    arrivals = Arrivals()
    assert arrivals.oldest(-1) is None
    arrivals.came(5, 1.0)
    assert arrivals.oldest(5) is None
    arrivals.came(6, 900.0)
    assert arrivals.oldest(5) == 900.0


def test_a_late_row_below_others_does_not_hide_them() -> None:
    arrivals = Arrivals()
    arrivals.came(9, 1.0)
    arrivals.came(4, 2.0)
    arrivals.came(12, 3.0)
    assert arrivals.oldest(4) == 1.0
    assert arrivals.oldest(9) == 3.0


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 5)), max_size=60), st.integers(-1, 50))
def test_it_agrees_with_looking_at_every_row(steps: list[tuple[int, float]], checkpoint: int) -> None:
    """Rows that come within the resolution of each other count as one arrival; else it is exact."""
    arrivals, now, rows = Arrivals(), 0.0, list[tuple[int, float]]()
    for commit_ts, pause in steps:
        now += pause
        rows.append((commit_ts, now))
        arrivals.came(commit_ts, now)
    exact = next((at for commit_ts, at in rows if commit_ts > checkpoint), None)
    found = arrivals.oldest(checkpoint)
    assert (found is None) == (exact is None)
    if found is not None and exact is not None:
        assert exact - RESOLUTION <= found <= exact


def test_a_checkpoint_that_stands_still_for_long_costs_no_memory() -> None:
    arrivals = Arrivals()
    for number in range(20 * MOST_ARRIVALS):
        arrivals.came(number, float(number))
    assert len(arrivals._waiting) <= MOST_ARRIVALS
    assert arrivals.oldest(-1) == 0.0
    assert arrivals.oldest(20 * MOST_ARRIVALS) is None


@pytest.fixture
def clock() -> ManualClock:
    SCRIPTS.clear()
    STORES.clear()
    STORES["one"] = MemoryStore()
    return ManualClock()


def test_a_run_tells_the_age_of_what_its_checkpoint_does_not_cover(tmp_path: Path, clock: ManualClock) -> None:
    """Ten seconds of rows, each stored at once and promised a second later: never older than a second."""
    running: Future[Run] = Future()
    seen: list[float] = []

    def on_run(act: Callable[[Run], object]) -> Callable[[Outlet], None]:
        return lambda _: (act(running.result(60)), None)[1]

    events: list[Event] = []
    for second in range(1, 11):
        events += [
            Rows("a", ((second, 0),)),
            lambda _: clock.advance(1.0),
            on_run(lambda run: seen.append(run.lag()["log"])),  # stored, and not covered
            on_run(lambda run: run.flush()),  # a drain at the next promise
            Promise(second),
            on_run(lambda run: run._state.flush()),
            on_run(lambda run: seen.append(run.lag()["log"])),
        ]
    SCRIPTS["s"] = {"": events}
    flow = plan(tmp_path, ("log", Scripted(script="s"), ()), ("lake", MemorySink(store="one"), ("log",)))
    running.set_result(start(flow, clock=clock))
    assert running.result().wait(60) is not None
    assert seen == [1.0, 0.0] * 10
