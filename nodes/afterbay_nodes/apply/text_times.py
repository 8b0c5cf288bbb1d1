"""Dates and times that a target keeps as text, under another type."""

from __future__ import annotations

from afterbay.schema import Column
from afterbay_nodes.apply.conversion import Way, refused, second_digits


def text_time(found: Way, before: Column, after: Column, value: str) -> str:
    """The SQL that converts `value`, canonical text; `value` itself where it stays as it is. Raises RunFailed."""
    more = second_digits(after)
    if found is Way.DAY:
        return f"SUBSTR({value}, 1, 10)"
    if found is Way.MIDNIGHT:
        return f"({value} || ' 00:00:00{'.' + '0' * more if more else ''}')"
    if found is Way.DIGITS:
        added = more - second_digits(before)
        if added < 0:
            raise refused(before, after)
        return f"({value} || '{'' if second_digits(before) else '.'}{'0' * added}')"
    return value
