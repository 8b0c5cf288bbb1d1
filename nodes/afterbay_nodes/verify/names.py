"""Rules on the names of files that a reader does not need: digits of numbers, and dates that are dates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date

from afterbay_nodes.bucket.steps import FileStep
from afterbay_nodes.verify.fault import Fault

_NUMBER = re.compile(r"([0-9]+)\.[a-z0-9]+", re.ASCII)
_LEAST_DIGITS = 6


def name_faults(files: Iterable[FileStep]) -> Iterator[Fault]:
    """Files whose names no writer gives. `files` are in a reader's order, those of a series together."""
    pads: dict[str, int] = {}
    dates: set[str] = set()
    for file in files:
        digits = _digits(file)
        # The first file of a series has the pad: number 1 needs no more.
        pad = pads.setdefault(file.series, max(len(digits), _LEAST_DIGITS))
        if digits != f"{file.number:0{pad}d}":
            message = f"file {file.number} would be called {file.number:0{pad}d} in this series"
            yield Fault(file.key, 0, "number.form", message, str(file.table))
        if file.date and file.date not in dates:
            dates.add(file.date)
            if not _is_date(file.date):
                yield Fault(file.key, 0, "date.form", f"{file.date!r} is no date", str(file.table))


def _digits(file: FileStep) -> str:
    found = _NUMBER.search(file.key.rpartition("/")[2])
    assert found is not None
    return found[1]


def _is_date(level: str) -> bool:
    """`2026`, `2026-01` or `2026-01-02`."""
    with suppress(ValueError):
        date.fromisoformat((level + "-01-01")[:10])
        return True
    return False
