"""Cron specs with seconds, in a time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from afterbay_nodes.sinks.schedule import Schedule

VIENNA = ZoneInfo("Europe/Vienna")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def moments(spec: str, start: str, count: int, zone: ZoneInfo | None = None) -> list[str]:
    schedule, moment, found = Schedule(spec, zone or UTC), at(start), []
    for _ in range(count):
        moment = schedule.after(moment)
        found.append(moment.astimezone(UTC).strftime("%m-%d %H:%M:%S"))
    return found


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("0 0 2 * * *", ["05-18 02:00:00", "05-19 02:00:00"]),
        ("*/20 * * * * *", ["05-17 12:00:20", "05-17 12:00:40"]),
        ("30 15,45 * * * *", ["05-17 12:15:30", "05-17 12:45:30"]),
        ("0 0 4 1 * *", ["06-01 04:00:00", "07-01 04:00:00"]),
        ("0 0 4 * * MON-WED", ["05-20 04:00:00", "05-21 04:00:00"]),
        ("0 30 6 29 2 *", ["02-29 06:30:00", "02-29 06:30:00"]),
    ],
)
def test_a_spec_comes_up_when_it_says(spec: str, found: list[str]) -> None:
    assert moments(spec, "2024-05-17T12:00:00+00:00", 2) == found


def test_the_moment_itself_is_not_after_it_and_fractions_do_not_matter() -> None:
    schedule = Schedule("0 0 2 * * *", UTC)
    two = at("2024-05-17T02:00:00+00:00")
    assert schedule.after(two - timedelta(microseconds=1)) == two
    assert schedule.after(two) == schedule.after(two + timedelta(milliseconds=300)) == two + timedelta(days=1)


def test_the_hour_is_the_zones() -> None:
    assert moments("0 0 2 * * *", "2024-05-17T12:00:00+00:00", 1, VIENNA) == ["05-18 00:00:00"]
    assert moments("0 0 2 * * *", "2024-12-17T12:00:00+00:00", 1, VIENNA) == ["12-18 01:00:00"]


def test_a_time_that_the_clocks_leave_out_is_left_out_and_one_that_comes_twice_comes_twice() -> None:
    """On 2024-03-31 Vienna has no half past two, on 2024-10-27 it has two."""
    assert moments("0 30 2 * * *", "2024-03-30T12:00:00+00:00", 1, VIENNA) == ["04-01 00:30:00"]
    assert moments("0 30 2 * * *", "2024-10-26T12:00:00+00:00", 3, VIENNA) == [
        "10-27 00:30:00",
        "10-27 01:30:00",
        "10-28 01:30:00",
    ]


def test_local_is_the_machines_zone() -> None:
    noon = datetime(2024, 5, 17, 12).astimezone()
    assert Schedule("0 30 13 * * *", None).after(noon.astimezone(UTC)) == datetime(2024, 5, 17, 13, 30).astimezone()


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("", "six fields"),
        ("0 2 * * *", "six fields, seconds first .* this has 5"),
        ("0 0 2 * * * 2024", "this has 7"),
        ("@daily", "six fields"),
        ("60 0 2 * * *", "Bad second"),
        ("0 0 24 * * *", "Bad hour"),
        ("0 0 2 31 2 *", "Bad day-of-month"),
        ("0 0 2 * * */20#1", "Bad day-of-week"),
        ("0 0 2 */20 * 1L", "never comes up"),
        ("a b c d e f", "Bad second"),
        (f"{'9' * 5000} 0 2 * * *", "six fields"),
        ("0 0 2 * * ²", "Bad day-of-week"),
    ],
)
def test_what_is_no_spec_is_refused(spec: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Schedule(spec, UTC)
