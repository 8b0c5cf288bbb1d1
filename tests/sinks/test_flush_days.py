"""Nobody writes below a day that was closed, whoever is under way and whatever the clock does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from afterbay_nodes.sinks.flush_days import Closed, FlushDays


def test_a_flush_writes_to_its_own_day_while_nothing_is_closed() -> None:
    days = FlushDays("", {})
    assert [days.begin(day) for day in ("2024-05-17", "2024-05-18", "")] == ["2024-05-17", "2024-05-18", ""]


def test_closing_stops_at_a_day_that_a_flush_under_way_writes_to() -> None:
    days = FlushDays("", {"p": 5})
    old = days.begin("2024-05-01")
    newer = days.begin("2024-05-20")
    assert days.close("2024-05-17") == Closed("2024-05-01", {"p": 5})
    days.done(old, "p", 9)
    assert days.close("2024-05-17") == Closed("2024-05-17", {"p": 9})
    days.done(newer, "q", 3)
    assert days.close("2024-05-17") == Closed("2024-05-17", {"p": 9, "q": 3})


def test_a_closed_day_is_never_begun_again_whatever_the_clock_says() -> None:
    days = FlushDays("", {})
    days.close("2024-05-17")
    assert days.begin("2024-05-01") == "2024-05-17"
    days.close("2024-04-01")
    assert days.begin("2024-05-01") == "2024-05-17"


def test_what_an_earlier_run_has_closed_stays_closed() -> None:
    assert FlushDays("2024-05-17", {}).begin("2024-05-01") == "2024-05-17"


def test_what_is_stored_never_falls() -> None:
    days = FlushDays("", {"p": 9})
    days.done(days.begin("2024-05-17"), "p", 4)
    assert days.close("2024-05-17").highest == {"p": 9}


steps = st.lists(
    st.tuples(st.sampled_from(["begin", "done", "fail", "close"]), st.integers(1, 9), st.integers(0, 5)), max_size=60
)


@given(steps)
def test_no_history_of_flushes_and_clocks_writes_below_what_was_given_up(
    history: list[tuple[str, int, int]],
) -> None:
    days = FlushDays("", {})
    under_way: list[str] = []
    given_up, highest, stored = "", -1, 0
    for what, number, pick in history:
        if what == "begin":
            day = days.begin(str(number))
            assert day >= given_up, "a directory that is gone would be written again"
            under_way.append(day)
        elif what == "close":
            closed = days.close(str(number))
            assert all(day >= closed.day for day in under_way), "a flush under way would lose its directory"
            assert closed.highest.get("p", -1) == highest
            given_up = max(given_up, closed.day)
        elif under_way:
            day = under_way[pick % len(under_way)]
            if what == "done":
                under_way.remove(day)
                stored += 1
                highest = stored
                days.done(day, "p", stored)
