"""Parallel work keeps submission order, whatever finishes first."""

from __future__ import annotations

import threading
from itertools import count, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay.clock import SystemClock
from afterbay.errors import Cancelled
from afterbay.runtime.sequencer import Sequencer


@given(st.permutations(range(8)), st.sets(st.integers(0, 7)))
def test_any_order_of_finishing_gives_submission_order(order: list[int], born: set[int]) -> None:
    sent: list[int] = []
    line: Sequencer[int] = Sequencer(sent.append, most=100, clock=SystemClock())
    places = {n: line.places([[n] if n in born else None])[0] for n in range(8)}
    for n in order:
        if n not in born:
            line.finish(places[n], [n, n])
    assert sent == [n for n in range(8) for _ in range(1 if n in born else 2)]


def test_a_marker_cannot_overtake_work_before_it() -> None:
    sent: list[str] = []
    line: Sequencer[str] = Sequencer(sent.append, most=10, clock=SystemClock())
    [slow] = line.places([None])
    line.places([["marker"]])
    assert sent == []
    line.finish(slow, ["data"])
    assert sent == ["data", "marker"]


def test_a_full_line_waits_and_is_ended_by_cancel() -> None:
    line: Sequencer[int] = Sequencer(lambda _: None, most=1, clock=SystemClock())
    line.places([None])
    started, ended = threading.Event(), threading.Event()

    def wait() -> None:
        started.set()
        with pytest.raises(Cancelled):
            line.places([None])
        ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    started.wait(5)
    line.cancel()
    assert ended.wait(5)
    thread.join()


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 6))
def test_many_threads_one_order(workers: int) -> None:
    sent: list[int] = []
    line: Sequencer[int] = Sequencer(sent.append, most=workers + 2, clock=SystemClock())
    todo, sizes = iter(range(300)), count()
    taking = threading.Lock()

    def work() -> None:
        while True:
            with taking:
                taken = list(islice(todo, 1 + next(sizes) % 3))
                if not taken:
                    return
                places = line.places([None] * len(taken))
            for n, place in zip(taken, places, strict=True):
                line.finish(place, [n])

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sent == list(range(300))
