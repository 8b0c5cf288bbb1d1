"""Graph-wide barriers: arrivals make them quick, the ledger proves them, and a disagreement is an alarm (I3)."""

from __future__ import annotations

import threading

import pytest

from afterbay.clock import SystemClock
from afterbay.errors import Cancelled, RunFailed
from afterbay.messages import DdlKind, DrainReason, SchemaChange
from afterbay.runtime.barrier import Barriers
from afterbay.runtime.ledger import Ledger

SHARDS = [("lake", 0), ("lake", 1)]
DDL = SchemaChange("p", 10, DdlKind.RENAME_TABLE, "rename table a to b")


def barriers() -> Barriers:
    return Barriers(lambda partition: SHARDS, SystemClock())


def test_the_gate_opens_when_all_shards_are_in_and_the_ledger_agrees() -> None:
    gate, ledger = barriers(), Ledger("p")
    row = ledger.mint(9, "a")
    with gate.ticket():
        marker = gate.open("p", 10, DrainReason.SCHEMA, DDL)
        gate.arrive(marker, *SHARDS[0])
        assert [(b.commit_ts, b.waits_for) for b in gate.status()] == [(10, (SHARDS[1],))]
        row.settle()
        gate.arrive(marker, *SHARDS[1])
        assert gate.wait(marker, ledger) == {"lake": DDL}
    assert gate.status() == ()


def test_marker_and_ledger_that_disagree_are_an_alarm() -> None:
    gate, ledger = barriers(), Ledger("p")
    row = ledger.mint(9, "a")
    with gate.ticket():
        marker = gate.open("p", 10, DrainReason.SCHEMA, DDL)
        for shard in SHARDS:
            gate.arrive(marker, *shard)
        with pytest.raises(RunFailed, match="still counts a change at 9"):
            gate.wait(marker, ledger)
    row.settle()


def test_rows_at_or_above_the_ddl_do_not_hold_its_gate() -> None:
    gate, ledger = barriers(), Ledger("p")
    own = ledger.mint(10, "graph")
    with gate.ticket():
        marker = gate.open("p", 10, DrainReason.SCHEMA, DDL)
        for shard in SHARDS:
            gate.arrive(marker, *shard)
        gate.wait(marker, ledger)
    own.settle()


def test_one_graph_wide_barrier_at_a_time() -> None:
    gate = barriers()
    order: list[str] = []
    inside, release = threading.Event(), threading.Event()

    def first() -> None:
        with gate.ticket():
            inside.set()
            release.wait(5)
            order.append("first")

    def second() -> None:
        inside.wait(5)
        with gate.ticket():
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    inside.wait(5)
    release.set()
    for thread in threads:
        thread.join()
    assert order == ["first", "second"]


def test_cancel_ends_a_waiting_source() -> None:
    gate = barriers()
    ledger = Ledger("p")
    ended = threading.Event()
    opened = threading.Event()

    def source() -> None:
        with gate.ticket():
            marker = gate.open("p", 1, DrainReason.REQUESTED)
            opened.set()
            with pytest.raises(Cancelled):
                gate.wait(marker, ledger)
        ended.set()

    thread = threading.Thread(target=source)
    thread.start()
    opened.wait(5)
    gate.cancel()
    assert ended.wait(5)
    thread.join()
