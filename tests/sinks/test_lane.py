"""Lanes: first in, first out, one version a file, one job at a time, whole transactions (I3, I4)."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay.messages import BatchHead, DdlKind, FileFormat, SchemaChange, TableChange
from afterbay.runtime.ledger import Ledger, Token
from afterbay.schema import Column, RowPosition, TableName, TableSchema
from afterbay.telemetry import FlushReason
from afterbay_nodes.sinks.lane import Ddl, Due, FlushJob, Lane, Limits

LIMITS = Limits(file_size=100, interval=5.0, transaction_limit=400)


def table(version: int) -> TableSchema:
    return TableSchema(TableName("bank", "accounts"), version, (Column("id", "int"),))


@dataclass
class Entry:
    """A spool entry of `nbytes` for the change at `ts`."""

    ts: int
    nbytes: int = 10
    open: bool = False
    version: int = 1
    oversized: bool = False
    released: int = 0
    head: BatchHead = field(init=False)

    def __post_init__(self) -> None:
        at = RowPosition(self.ts, 0)
        self.head = BatchHead(
            "p", "d", table(self.version), FileFormat("csv"), 1, 1, 0, 0, at, at, self.open, self.nbytes, 0
        )

    def read(self) -> list[memoryview]:
        return [memoryview(b"x" * self.nbytes)]

    @property
    def in_memory(self) -> bool:
        return True

    def share(self, more: int) -> None:
        self.released -= more

    def release(self) -> None:
        self.released += 1


class Bench:
    def __init__(self, limits: Limits = LIMITS) -> None:
        self.ledger = Ledger("p")
        self.ledger.unhealthy()
        self.lane = Lane("p", "d", limits)
        self.ts = 0

    def token(self, ts: int) -> Token:
        return self.ledger.mint(ts, "d")

    def add(self, *entries: Entry, now: float = 0.0) -> None:
        for entry in entries:
            self.lane.append(entry, self.token(entry.ts), now)

    def add_ddl(self, ts: int, now: float = 0.0) -> None:
        change = SchemaChange("p", ts, DdlKind.ADD_COLUMN, "alter", (TableChange("d", table(1), "d", table(ts)),))
        self.lane.append_ddl(change, self.token(ts), now)

    def flush(self, now: float = 0.0, pressed: bool = False) -> tuple[FlushReason, list[int]] | None:
        job = self.lane.take(now, pressed)
        if job is None:
            return None
        assert isinstance(job, FlushJob)
        self.lane.done()
        return job.reason, [item.entry.head.first.commit_ts for item in job.pending]


def test_nothing_is_due_before_size_or_interval() -> None:
    bench = Bench()
    bench.add(Entry(1, 99))
    assert bench.lane.due(4.99, pressed=False) is None
    assert bench.lane.deadline() == 5.0
    assert bench.flush(now=5.0) == (FlushReason.INTERVAL, [1])
    assert bench.lane.empty()


def test_the_residency_is_that_of_the_oldest_row_and_starts_anew_after_a_flush() -> None:
    bench = Bench()
    bench.add(Entry(1), now=1.0)
    bench.add(Entry(2), now=5.9)
    assert bench.lane.deadline() == 6.0
    assert bench.flush(now=6.0) == (FlushReason.INTERVAL, [1, 2])
    bench.add(Entry(3), now=7.0)
    assert bench.lane.deadline() == 12.0


def test_a_file_ends_at_the_first_transaction_end_past_the_file_size() -> None:
    bench = Bench()
    bench.add(Entry(1, 60), Entry(2, 60, open=True), Entry(2, 60), Entry(3, 60))
    assert bench.flush() == (FlushReason.SIZE, [1, 2, 2])
    assert bench.flush() is None, "60 bytes are left, and they are fresh"


def test_an_unfinished_transaction_waits() -> None:
    bench = Bench()
    bench.add(Entry(1), Entry(2, 30, open=True))
    assert bench.flush(now=99.0) == (FlushReason.INTERVAL, [1])
    assert bench.lane.deadline() is None, "an unfinished transaction has no deadline"
    assert bench.flush(now=999.0) is None
    bench.add(Entry(2), now=999.0)
    assert bench.flush(now=999.0) == (FlushReason.INTERVAL, [2, 2])


def test_a_transaction_past_its_limit_is_cut() -> None:
    bench = Bench()
    bench.add(*(Entry(7, 90, open=True) for _ in range(5)))
    assert bench.flush() == (FlushReason.SIZE, [7, 7])


def test_under_pressure_whole_transactions_go_and_the_rest_only_if_cut() -> None:
    bench = Bench()
    bench.add(Entry(1), Entry(2, open=True))
    assert bench.lane.due(0.0, pressed=True) == Due(FlushReason.QUOTA)
    assert bench.flush(pressed=True) == (FlushReason.QUOTA, [1])
    assert bench.lane.due(0.0, pressed=True) == Due(FlushReason.QUOTA, cuts=True)
    assert bench.flush(pressed=True) == (FlushReason.QUOTA, [2])


def test_an_oversized_entry_goes_at_once() -> None:
    bench = Bench()
    bench.add(Entry(1), Entry(2, 5000, oversized=True, open=True))
    assert bench.flush() == (FlushReason.OVERSIZED, [1, 2])


def test_a_ddl_flushes_what_is_before_it_and_holds_back_what_is_behind() -> None:
    bench = Bench()
    bench.add(Entry(1))
    bench.add_ddl(5)
    bench.add(Entry(6, version=5, nbytes=500))
    assert bench.flush() == (FlushReason.BARRIER, [1])
    job = bench.lane.take(0.0, pressed=False)
    assert isinstance(job, Ddl)
    assert bench.lane.take(0.0, pressed=False) is None, "one job at a time"
    bench.lane.done()
    assert bench.flush() == (FlushReason.SIZE, [6])


def test_drain_for_close_flushes_whole_transactions_and_leaves_the_rest() -> None:
    bench = Bench()
    bench.add(Entry(1), Entry(2, open=True))
    bench.lane.drain(FlushReason.CLOSE)
    assert not bench.lane.empty()
    assert bench.flush() == (FlushReason.CLOSE, [1])
    assert bench.lane.empty()
    left = bench.lane.abandon()
    assert [item.entry.head.first.commit_ts for item in left if not isinstance(item, Ddl)] == [2]


def test_a_barrier_flushes_everything() -> None:
    bench = Bench()
    bench.add(Entry(1), Entry(2))
    bench.lane.drain(FlushReason.BARRIER)
    assert bench.flush() == (FlushReason.BARRIER, [1, 2])
    bench.add(Entry(3))
    assert bench.flush() is None, "the barrier is over"


events = st.lists(
    st.one_of(
        st.tuples(st.just("entry"), st.integers(1, 250), st.booleans()),
        st.tuples(st.just("ddl")),
        st.tuples(st.just("wait"), st.integers(0, 9)),
        st.tuples(st.just("pressure"), st.booleans()),
        st.tuples(st.just("take")),
        st.tuples(st.just("done")),
        st.tuples(st.just("drain")),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(events)
def test_any_history_keeps_order_versions_and_transactions(history: list[tuple]) -> None:
    """What comes out is what went in, in order; a file has one version; a cut needs a reason."""
    bench = Bench()
    lane, now, pressed, version = bench.lane, 0.0, False, 1
    went_in: list[object] = []
    came_out: list[object] = []
    sequence, busy, inside = 0, False, False

    def take() -> None:
        nonlocal busy
        due = lane.due(now, pressed)
        job = lane.take(now, pressed)
        assert (job is None) == (due is None), "what is due can be taken: nobody spins on a wish that gives nothing"
        if job is None:
            return
        assert not busy
        busy = True
        if isinstance(job, Ddl):
            came_out.append(("ddl", job.change.commit_ts))
            return
        assert len({head.schema.version for head in job.heads}) == 1
        came_out.extend(item.entry for item in job.pending)
        if job.heads[-1].open:
            nbytes = sum(head.size for head in job.heads)
            assert job.reason is FlushReason.BARRIER or (due is not None and due.cuts) or nbytes >= LIMITS.file_size
            assert job.reason in (FlushReason.BARRIER, FlushReason.SIZE, FlushReason.QUOTA)

    for event in history:
        if event[0] == "entry":
            sequence += 0 if inside else 1
            inside = event[2]
            entry = Entry(sequence, event[1], open=inside, version=version)
            bench.add(entry, now=now)
            went_in.append(entry)
        elif event[0] == "ddl":
            if inside:
                continue  # a DDL never comes inside a transaction of its table
            sequence += 1
            version = sequence
            bench.add_ddl(sequence, now)
            went_in.append(("ddl", sequence))
        elif event[0] == "wait":
            now += event[1]
        elif event[0] == "pressure":
            pressed = event[1]
        elif event[0] == "take":
            take()
        elif event[0] == "drain":
            lane.drain(FlushReason.BARRIER)
        elif busy:
            busy = False
            lane.done()
        assert came_out == went_in[: len(came_out)], "first in, first out"
    if busy:
        lane.done()
        busy = False
    lane.drain(FlushReason.BARRIER)
    while not lane.empty():
        take()
        assert busy
        busy = False
        lane.done()
    assert came_out == went_in
