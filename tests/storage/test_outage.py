"""A store that fails for longer than a moment is told of: once when it begins, once when it is over."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest

from afterbay.errors import Cancelled, RunFailed
from afterbay.instruments import StoreOutage
from afterbay_nodes.storage.outage import TOLD_AFTER, Failing, Outages
from afterbay_nodes.storage.retry import Cancel, Ladder, Retry, Verdict
from tests.support.stores import LeapingClock, RetryTally


class Away(Exception):
    pass


class Store:
    """A store with its retries, on a clock that leaps over every pause; `attempt` fails until a moment."""

    def __init__(self, caplog: pytest.LogCaptureFixture, **ladder: float) -> None:
        self.clock = LeapingClock()
        self.began = self.clock.now()
        self.cancel = Cancel(self.clock)
        self.told: list[StoreOutage | None] = []
        self.outages = Outages("sink 'lake' (s3://lake)", self.clock, self.told.append)
        self.retry = Retry(
            "s3://lake",
            Ladder(**ladder),
            clock=self.clock,
            meter=RetryTally(),
            cancel=self.cancel,
            random=lambda: 0.0,
            outages=self.outages,
        )
        self._caplog = caplog
        caplog.set_level(logging.DEBUG)

    def back_after(self, seconds: float, then: Callable[[], str] = lambda: "stored") -> Callable[[], str]:
        until = self.clock.monotonic() + seconds

        def attempt() -> str:
            if self.clock.monotonic() < until:
                raise Away
            return then()

        return attempt

    def put(self, attempt: Callable[[], str]) -> str:
        return self.retry.run("put", "a.csv", attempt, lambda _: Verdict(True, "connection refused"))

    def lines(self) -> list[str]:
        assert all(record.levelno == logging.WARNING for record in self._caplog.records)
        return [record.getMessage() for record in self._caplog.records]


@pytest.fixture
def store(caplog: pytest.LogCaptureFixture) -> Store:
    return Store(caplog)


def test_an_outage_is_two_lines_however_often_it_is_tried(store: Store) -> None:
    assert store.put(store.back_after(300)) == "stored"
    since = store.began.astimezone().strftime("%H:%M:%S")
    assert store.lines() == [
        f"sink 'lake' (s3://lake): put of 'a.csv' has been failing since {since} (6 s, try 7): connection refused; "
        "it is tried again, for 15 min in all",
        "sink 'lake' (s3://lake): works again after 306 s",
    ]
    first, last = store.told
    assert first is not None
    assert (first.operation, first.key, first.reason, first.since) == (
        "put",
        "a.csv",
        "connection refused",
        store.began,
    )
    assert last is None
    assert store.outages.now() is None


def test_a_moments_failure_is_no_news(store: Store) -> None:
    store.put(store.back_after(TOLD_AFTER / 2))
    assert (store.lines(), store.told) == ([], [])


def test_an_outage_that_goes_on_is_seen_as_it_is_now(store: Store) -> None:
    seen: list[StoreOutage | None] = []

    def then() -> str:
        seen.append(store.outages.now())
        return "stored"

    store.put(store.back_after(60, then))
    assert seen[0] is not None
    assert seen[0].seconds >= 60
    assert seen[0].since == store.began
    assert seen[0].tries > 7


def test_many_operations_at_once_are_one_outage_that_ends_with_the_last(store: Store) -> None:
    uploads = [Failing("put", f"{number}.csv", store.clock.monotonic()) for number in range(16)]
    for _ in range(4):
        store.clock.pass_by(2)
        for upload in uploads:
            store.outages.failed(upload, "connection refused", 900)
    assert len(store.lines()) == 1
    for upload in uploads:
        assert store.outages.now() is not None
        upload.answered = True
        store.outages.over(upload)
    assert store.outages.now() is None
    assert [line.rpartition(": ")[2] for line in store.lines()[1:]] == ["works again after 8 s"]
    assert len(store.told) == 2


def test_a_second_outage_is_told_of_too(store: Store) -> None:
    for _ in range(2):
        store.put(store.back_after(30))
    assert len(store.lines()) == 4


def test_a_try_that_hangs_for_long_is_told_of_as_soon_as_it_fails(store: Store) -> None:
    tries: list[int] = []

    def hangs() -> str:
        tries.append(1)
        if len(tries) == 1:
            store.clock.pass_by(300)
            raise Away
        return "stored"

    store.put(hangs)
    assert "(300 s, try 1)" in store.lines()[0]


def test_whoever_gives_up_does_not_say_that_it_works(caplog: pytest.LogCaptureFixture) -> None:
    store = Store(caplog, deadline=60)
    with pytest.raises(RunFailed, match=r"store\.gave_up"):
        store.put(store.back_after(1e6))
    assert len(store.lines()) == 1
    assert store.told[-1] is None


def test_a_cancelled_wait_ends_the_outage_in_silence(store: Store) -> None:
    def attempt() -> str:
        if store.clock.monotonic() > 1010:
            store.cancel.set()
        raise Away

    with pytest.raises(Cancelled):
        store.put(attempt)
    assert len(store.lines()) == 1
    assert store.told[-1] is None


def test_an_answer_that_refuses_is_an_answer(store: Store) -> None:
    def taken() -> str:
        raise RunFailed("store.exists", "it is there already")

    with pytest.raises(RunFailed, match=r"store\.exists"):
        store.put(store.back_after(30, taken))
    assert "works again after" in store.lines()[-1]


def test_a_state_that_cannot_take_the_news_down_does_not_stop_the_store(caplog: pytest.LogCaptureFixture) -> None:
    store = Store(caplog)

    def refuses(_: StoreOutage | None) -> None:
        raise RunFailed("state.closed", "it is closed")

    outages = Outages("x", store.clock, refuses)
    failing = Failing("put", "a.csv", store.clock.monotonic() - 9)
    outages.failed(failing, "away", 900)
    outages.over(failing)
    assert outages.now() is None


def test_names_from_outside_cannot_steer_a_terminal(store: Store) -> None:
    failing = Failing("put", "s/\x1b[2J/1.csv", store.clock.monotonic() - 9)
    store.outages.failed(failing, "no\x1b[31m", 900)
    assert "\x1b" not in store.lines()[0]
    assert store.told[0] is not None
    assert store.told[0].since == store.clock.now() - timedelta(seconds=9)
