from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from afterbay.errors import PipelineInvalid
from afterbay_nodes.storage.dates import DateSeparator, date_level, time_zone

NEW_YEARS_EVE = datetime(2024, 12, 31, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("separator", "level"),
    [
        (DateSeparator.NONE, ""),
        (DateSeparator.YEAR, "2024"),
        (DateSeparator.MONTH, "2024-12"),
        (DateSeparator.DAY, "2024-12-31"),
    ],
)
def test_the_level_is_the_time_of_the_flush(separator: DateSeparator, level: str) -> None:
    assert date_level(separator, NEW_YEARS_EVE, UTC) == level


def test_the_time_zone_decides_which_day_it_is() -> None:
    assert date_level(DateSeparator.DAY, NEW_YEARS_EVE, time_zone("Asia/Tokyo")) == "2025-01-01"
    assert date_level(DateSeparator.DAY, NEW_YEARS_EVE, time_zone("UTC")) == "2024-12-31"


def test_local_is_the_zone_of_the_machine() -> None:
    assert time_zone("local") is None
    assert date_level(DateSeparator.DAY, NEW_YEARS_EVE, None) == f"{NEW_YEARS_EVE.astimezone():%Y-%m-%d}"


def test_it_does_not_matter_in_which_zone_the_time_comes() -> None:
    moved = NEW_YEARS_EVE.astimezone(timezone(timedelta(hours=-9)))

    assert date_level(DateSeparator.DAY, moved, UTC) == "2024-12-31"


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "", "/etc/localtime"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(PipelineInvalid, match="is not known here"):
        time_zone(name)
