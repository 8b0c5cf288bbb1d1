"""Parallel work keeps submission order, whatever finishes first."""

from __future__ import annotations

import threading

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
    places = {n: line.place([n] if n in born else None) for n in range(8)}
    for n in order:
        if n not in born:
            line.finish(places[n], [n, n])
    assert sent == [n for n in range(8) for _ in range(1 if n in born else 2)]


def test_a_marker_cannot_overtake_work_before_it() -> None:
    sent: list[str] = []
    line: Sequencer[str] = Sequencer(sent.append, most=10, clock=SystemClock())
    slow = line.place()
    line.place(["marker"])
    assert sent == []
    line.finish(slow, ["data"])
    assert sent == ["data", "marker"]


def test_a_full_line_waits_and_is_ended_by_cancel() -> None:
    line: Sequencer[int] = Sequencer(lambda _: None, most=1, clock=SystemClock())
    line.place()
    started, ended = threading.Event(), threading.Event()

    def wait() -> None:
        started.set()
        with pytest.raises(Cancelled):
            line.place()
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
    line: Sequencer[int] = Sequencer(sent.append, most=2 * workers, clock=SystemClock())
    todo = iter(range(300))
    taking = threading.Lock()

    def work() -> None:
        while True:
            with taking:
                n = next(todo, None)
                if n is None:
                    return
                place = line.place()
            line.finish(place, [n])

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sent == list(range(300))
