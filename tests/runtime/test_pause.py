"""A paused run sends nothing, stores what it has, serves a flush where all is whole, and ends when it is told to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from afterbay.node import Outlet
from afterbay.runtime.run import Run, start
from tests.support.flow import SCRIPTS, STORES, Event, MemorySink, MemoryStore, Promise, Rows, Scripted, plan
from tests.support.live import until


class Played:
    """A scripted run whose events may call it."""

    def __init__(self, folder: Path, script: Callable[[Played], Sequence[Event]]) -> None:
        STORES["paused"] = MemoryStore()
        self.running: Future[Run] = Future()
        SCRIPTS["paused"] = {"": script(self)}
        flow = plan(folder, ("log", Scripted(script="paused"), ()), ("lake", MemorySink(store="paused"), ("log",)))
        self.run = start(flow)
        self.running.set_result(self.run)

    def pause(self, _: Outlet) -> None:
        self.running.result(60).pause()

    @property
    def stored(self) -> list[tuple[int, int]]:
        return STORES["paused"].rows("a")


def paused_between(played: Played) -> list[Event]:
    """Two transactions, and a pause between them."""
    return [Rows("a", ((1, 0),)), Promise(1), played.pause, Rows("a", ((2, 0),)), Promise(2)]


def paused_within(played: Played) -> list[Event]:
    """One transaction of two batches, and a pause between them."""
    return [
        Rows("a", ((1, 0),)),
        Promise(1),
        Rows("a", ((2, 0),), open=True),
        played.pause,
        Rows("a", ((2, 1),)),
        Promise(2),
    ]


@pytest.mark.parametrize(("script", "before"), [(paused_between, 1), (paused_within, 2)])
def test_what_was_sent_is_stored_and_nothing_follows_until_it_resumes(
    script: Callable[[Played], list[Event]], before: int, tmp_path: Path
) -> None:
    played = Played(tmp_path, script)
    until(lambda: len(played.stored), lambda count: count == before)
    until(lambda: played.run.figures()["nodes"][0]["blocked_seconds"], lambda seconds: seconds > 0.2)  # type: ignore[call-overload,index]
    assert len(played.stored) == before
    assert played.run.figures()["phase"] == "paused"
    played.run.resume()
    report = played.run.wait(60)
    assert report is not None
    assert (report.outcome, report.rows_stored, report.checkpoints) == ("completed", before + 1, {"log": 2})


def test_a_flush_is_served_in_a_pause_between_transactions(tmp_path: Path) -> None:
    played = Played(tmp_path, paused_between)
    until(lambda: played.run.figures()["phase"], lambda phase: phase == "paused")
    barriers = played.run._assembly.barriers
    played.run.flush()
    until(lambda: barriers._numbers, lambda number: number == 1)
    until(lambda: len(played.stored), lambda count: count == 1)
    played.run.resume()
    assert played.run.wait(60) is not None


def test_a_flush_within_a_transaction_waits_for_its_end(tmp_path: Path) -> None:
    played = Played(tmp_path, paused_within)
    until(lambda: len(played.stored), lambda count: count == 2)
    played.run.flush()
    barriers = played.run._assembly.barriers
    until(lambda: played.run.figures()["nodes"][0]["blocked_seconds"], lambda seconds: seconds > 0.2)  # type: ignore[call-overload,index]
    assert barriers._numbers == 0
    played.run.resume()
    assert played.run.wait(60) is not None
    assert barriers._numbers == 2, "the flush that was asked for, and the end"


@pytest.mark.parametrize("script", [paused_between, paused_within])
def test_a_drain_ends_a_pause_and_a_cancel_too(script: Callable[[Played], list[Event]], tmp_path: Path) -> None:
    drained = Played(tmp_path / "drained", script)
    until(lambda: drained.run.figures()["phase"], lambda phase: phase == "paused")
    drained.run.drain()
    report = drained.run.wait(60)
    assert report is not None
    assert report.outcome == "drained"
    assert report.rows_stored == report.rows_in
    cancelled = Played(tmp_path / "cancelled", script)
    until(lambda: cancelled.run.figures()["phase"], lambda phase: phase == "paused")
    cancelled.run.cancel()
    report = cancelled.run.wait(60)
    assert report is not None
    assert report.outcome == "cancelled"
