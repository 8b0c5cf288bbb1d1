"""The date level of a data directory: when a file was flushed, in the configured time zone."""

from __future__ import annotations

from datetime import datetime, tzinfo
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from afterbay.errors import PipelineInvalid

LOCAL = "local"


class DateSeparator(StrEnum):
    """How finely files are parted by date."""

    NONE = "none"
    YEAR = "year"
    MONTH = "month"
    DAY = "day"


_FORMATS = {DateSeparator.YEAR: "{:%Y}", DateSeparator.MONTH: "{:%Y-%m}", DateSeparator.DAY: "{:%Y-%m-%d}"}
DATE_PATTERNS = {
    DateSeparator.NONE: "",
    DateSeparator.YEAR: r"\d{4}",
    DateSeparator.MONTH: r"\d{4}-\d{2}",
    DateSeparator.DAY: r"\d{4}-\d{2}-\d{2}",
}


def date_level(separator: DateSeparator, now: datetime, zone: tzinfo | None) -> str:
    """The date level at `now` (with a time zone), "" for none. Levels of one separator order as text.

    `zone` None is the machine's own zone.
    """
    if separator is DateSeparator.NONE:
        return ""
    return _FORMATS[separator].format(now.astimezone(zone))


def time_zone(name: str) -> tzinfo | None:
    """The zone called `name` (`Europe/Berlin`, `UTC`), None for `local`. Raises PipelineInvalid if it is unknown."""
    if name.lower() == LOCAL:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PipelineInvalid(
            "time_zone.unknown",
            f"the time zone {name!r} is not known here",
            hint="use a name of the IANA database (UTC, Europe/Berlin) or local",
        ) from None
