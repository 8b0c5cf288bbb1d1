"""The upload pool: most urgent first, the oldest within, one place a lane, and a cut only when nothing else can go."""

from __future__ import annotations

import threading
from collections.abc import Callable

from afterbay.clock import SystemClock
from afterbay.telemetry import FlushReason
from afterbay_nodes.sinks.lane import Due
from afterbay_nodes.sinks.upload_pool import UploadPool, Urgency, urgency


class FakeLane:
    """Stands for a lane: its age and size, and a job whenever it is asked."""

    def __init__(self, name: str, since: float = 0.0, nbytes: int = 1) -> None:
        self.name = name
        self._weight = (since, nbytes)
        self.takes = 0

    def weight(self) -> tuple[float, int]:
        return self._weight

    def take(self, now: float, pressed: bool) -> str:
        self.takes += 1
        return self.name

    def done(self) -> None:
        pass


class Bench:
    """A pool of one slot whose first job waits until `release`, so that what is queued behind it can be ordered."""

    def __init__(self, slots: int = 1) -> None:
        self.order: list[str] = []
        self.started = threading.Event()
        self.release = threading.Event()
        self.idle = threading.Semaphore(0)
        self.failures: list[BaseException] = []
        self.pool = UploadPool("lake", slots, self, SystemClock(), lambda: True, self.failures.append)  # type: ignore[arg-type]

    def perform(self, lane: FakeLane, job: str) -> None:
        if lane.name == "first":
            self.started.set()
            assert self.release.wait(10)
        self.order.append(job)

    def performed(self, lane: FakeLane) -> None:
        self.idle.release()

    def enqueue(self, lane: FakeLane, due: Due) -> None:
        self.pool.enqueue(lane, due, self.performed)  # type: ignore[arg-type]

    def run(self, *queued: tuple[FakeLane, Due]) -> list[str]:
        self.enqueue(FakeLane("first"), Due(FlushReason.SIZE))
        assert self.started.wait(10)
        for lane, due in queued:
            self.enqueue(lane, due)
        self.release.set()
        for _ in range(1 + len({id(lane) for lane, _ in queued})):
            assert self.idle.acquire(timeout=10)
        self.pool.close()
        assert self.failures == []
        return self.order[1:]


def test_barriers_go_first_then_what_is_due_then_quota_then_cuts() -> None:
    order = Bench().run(
        (FakeLane("cut"), Due(FlushReason.QUOTA, cuts=True)),
        (FakeLane("quota"), Due(FlushReason.QUOTA)),
        (FakeLane("interval"), Due(FlushReason.INTERVAL)),
        (FakeLane("ddl"), Due(None)),
    )
    assert order == ["ddl", "interval", "quota", "cut"]


def test_within_an_urgency_the_oldest_goes_first_so_nobody_starves() -> None:
    lanes = [(FakeLane(f"t{age}", since=-age), Due(FlushReason.INTERVAL)) for age in (3, 9, 1, 7)]
    assert Bench().run(*lanes) == ["t9", "t7", "t3", "t1"]


def test_under_pressure_the_largest_of_equal_age_goes_first() -> None:
    lanes = [(FakeLane(f"{n}", since=-100.0, nbytes=n), Due(FlushReason.QUOTA)) for n in (10, 1000, 100)]
    assert Bench().run(*lanes) == ["1000", "100", "10"]


def test_a_more_urgent_wish_replaces_the_place_and_a_lane_is_served_once() -> None:
    lane = FakeLane("a", since=5.0)
    order = Bench().run(
        (FakeLane("b", since=1.0), Due(FlushReason.INTERVAL)),
        (lane, Due(FlushReason.INTERVAL)),
        (lane, Due(FlushReason.BARRIER)),
        (lane, Due(FlushReason.INTERVAL)),
    )
    assert order == ["a", "b"]
    assert lane.takes == 1


def test_a_cut_waits_while_another_job_is_under_way() -> None:
    bench = Bench(slots=2)
    first = FakeLane("first")
    bench.enqueue(first, Due(FlushReason.SIZE))
    assert bench.started.wait(10)
    cut = FakeLane("cut")
    bench.enqueue(cut, Due(FlushReason.QUOTA, cuts=True))
    other = FakeLane("other")
    bench.enqueue(other, Due(FlushReason.SIZE))
    assert bench.idle.acquire(timeout=10), "the second slot serves what need not be cut"
    assert (other.takes, cut.takes) == (1, 0)
    bench.release.set()
    assert bench.idle.acquire(timeout=10)
    assert bench.idle.acquire(timeout=10)
    assert cut.takes == 1
    bench.pool.close()


def test_a_job_that_fails_ends_the_run_and_its_lane_stays_busy() -> None:
    failures: list[BaseException] = []
    failed = threading.Event()

    class Failing:
        def perform(self, lane: FakeLane, job: str) -> None:
            raise OSError("the store is gone")

    def fail(error: BaseException) -> None:
        failures.append(error)
        failed.set()

    pool = UploadPool("lake", 1, Failing(), SystemClock(), lambda: False, fail)  # type: ignore[arg-type]
    performed: list[Callable[[], None]] = []
    pool.enqueue(FakeLane("a"), Due(FlushReason.SIZE), performed.append)  # type: ignore[arg-type]
    assert failed.wait(10)
    pool.close()
    assert [str(error) for error in failures] == ["the store is gone"]
    assert performed == []


def test_urgencies() -> None:
    assert urgency(Due(None)) is Urgency.BARRIER
    assert urgency(Due(FlushReason.CLOSE)) is Urgency.BARRIER
    assert urgency(Due(FlushReason.OVERSIZED)) is Urgency.DUE
    assert urgency(Due(FlushReason.QUOTA)) is Urgency.QUOTA
    assert urgency(Due(FlushReason.QUOTA, cuts=True)) is Urgency.CUT
