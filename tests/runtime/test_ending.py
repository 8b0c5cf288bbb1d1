"""How a run ends when what it has to end with will not: silent threads, silent stores, and runs one after another."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path

import pytest

from afterbay.compile.plan import Plan
from afterbay.errors import RunFailed
from afterbay.node import Outlet
from afterbay.runtime.run import start
from tests.support import flow
from tests.support.flow import SCRIPTS, Event, MemorySink, Promise, Rows, Scripted, plan


def rows(table: str, first: int, last: int) -> Rows:
    return Rows(table, tuple((ts, 0) for ts in range(first, last + 1)))


def linear(state: Path) -> Plan:
    return plan(state, ("log", Scripted(script="s"), ()), ("lake", MemorySink(store="one"), ("log",)))


@pytest.fixture(autouse=True)
def _a_fresh_store() -> None:
    flow.STORES["one"] = flow.MemoryStore()


def script(*events: Event) -> None:
    SCRIPTS["s"] = {"": events}


def test_a_source_that_would_end_the_process_fails_the_run(tmp_path: Path) -> None:
    """A SystemExit ends a thread without a word: the run would wait for it for ever (I9)."""

    def leave(out: Outlet) -> None:
        raise SystemExit(3)

    script(rows("a", 1, 3), Promise(3), leave)
    with pytest.raises(RunFailed, match=r"node 'log'.*SystemExit: 3"):
        start(linear(tmp_path)).wait(20)


def test_a_sink_that_hangs_at_the_end_is_named_within_the_drains_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, let_go = threading.Event(), threading.Event()

    def deaf(self: flow._MemorySink) -> None:
        inside.set()
        let_go.wait(30)

    monkeypatch.setattr(flow._MemorySink, "finish", deaf, raising=True)
    script(rows("a", 1, 3), Promise(3))
    run = start(linear(tmp_path))
    assert inside.wait(10)
    run.drain(timeout=0.2)
    try:
        with pytest.raises(RunFailed, match=r"(?s)closing' has not ended.*let_go\.wait"):
            run.wait(20)
    finally:
        let_go.set()
    for thread in threading.enumerate():
        if thread.name.endswith("/closing"):
            thread.join(10)


def test_a_run_that_is_over_is_forgotten_by_the_metrics(tmp_path: Path) -> None:
    """The process's own meter lives on; it must not keep each run alive with it (I8)."""
    script(rows("a", 1, 3), Promise(3))
    run = start(linear(tmp_path))
    run.wait(20)
    gone = weakref.ref(run)
    del run
    gc.collect()
    assert gone() is None
