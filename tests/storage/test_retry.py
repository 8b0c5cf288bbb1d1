from __future__ import annotations

import threading

import pytest

from afterbay.clock import SystemClock
from afterbay.errors import Cancelled, RunFailed
from afterbay_nodes.storage.retry import Cancel, Ladder, Retry, Verdict
from tests.support.stores import LeapingClock, RetryTally


class Passing(Exception):
    pass


class Final(Exception):
    pass


def judge(error: Exception) -> Verdict:
    return Verdict(isinstance(error, Passing), f"it said {error}", "turn it off and on")


class Workshop:
    def __init__(self, random: float = 0.0, **ladder: float) -> None:
        self.clock = LeapingClock()
        self.meter = RetryTally()
        self.cancel = Cancel(self.clock)
        self.retry = Retry(
            "s3://lake",
            Ladder(**ladder),
            clock=self.clock,
            meter=self.meter,
            cancel=self.cancel,
            random=lambda: random,
        )


def failing(times: int, error: Exception) -> tuple[list[int], object]:
    tries: list[int] = []

    def attempt() -> str:
        tries.append(1)
        if len(tries) <= times:
            raise error
        return "done"

    return tries, attempt


def test_pauses_double_up_to_the_longest() -> None:
    shop = Workshop(first=1, longest=5)
    _, attempt = failing(5, Passing("no"))

    assert shop.retry.run("put", "a.csv", attempt, judge) == "done"
    assert shop.clock.waits == [1, 2, 4, 5, 5]
    assert shop.meter.operations == ["put"] * 5


def test_randomness_shortens_a_pause_by_up_to_half() -> None:
    shop = Workshop(random=1.0, first=1)
    shop.retry.run("put", "a.csv", failing(2, Passing("no"))[1], judge)

    assert shop.clock.waits == [0.5, 1.0]


def test_what_does_not_pass_is_not_tried_again() -> None:
    shop = Workshop()
    tries, attempt = failing(9, Final("no"))

    with pytest.raises(RunFailed, match=r"put of 'a\.csv' in s3://lake failed: it said no") as caught:
        shop.retry.run("put", "a.csv", attempt, judge)

    assert len(tries) == 1
    assert (caught.value.code, caught.value.hint) == ("store.refused", "turn it off and on")
    assert isinstance(caught.value.__cause__, Final)


def test_the_deadline_holds_over_all_tries_and_the_error_names_operation_key_and_reason() -> None:
    shop = Workshop(first=1, longest=4, deadline=10)
    tries, attempt = failing(99, Passing("no"))

    with pytest.raises(RunFailed, match=r"put of 'a\.csv' in s3://lake failed 4 times in 7 s: it said no") as caught:
        shop.retry.run("put", "a.csv", attempt, judge)

    assert len(tries) == 4
    assert caught.value.code == "store.gave_up"


def test_another_deadline_can_be_set_for_a_while() -> None:
    shop = Workshop(first=1, deadline=900)

    with pytest.raises(RunFailed, match="failed 2 times"):
        shop.retry.within(2).run("list", "", failing(99, Passing("no"))[1], judge)


def test_errors_of_our_own_are_final() -> None:
    shop = Workshop()

    with pytest.raises(RunFailed, match="exact"):
        shop.retry.run("get", "a.csv", failing(1, RunFailed("x", "exact"))[1], judge)

    assert shop.meter.operations == []


def test_a_cancel_stops_before_the_next_try() -> None:
    shop = Workshop()
    shop.cancel.set()
    tries, attempt = failing(0, Passing("no"))

    with pytest.raises(Cancelled):
        shop.retry.run("put", "a.csv", attempt, judge)

    assert tries == []


def test_a_cancel_ends_a_wait_that_is_under_way() -> None:
    cancel = Cancel(SystemClock())
    ended = threading.Event()

    def wait() -> None:
        with pytest.raises(Cancelled):
            cancel.wait(600)
        ended.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    cancel.set()

    assert ended.wait(60)
    waiter.join()
