"""Types changed in DuckDB, in SQL."""

from __future__ import annotations

from collections.abc import Callable

from afterbay.schema import TEMPORAL_TYPES, Column
from afterbay_nodes.apply.conversion import Way, refused, second_digits, way
from afterbay_nodes.apply.text_times import text_time
from afterbay_nodes.apply.type_table import DUCKDB_DIGITS, Temporal, digits_of

_HALVES = {0: ("second", "500 MILLISECONDS"), 3: ("millisecond", "500 MICROSECONDS")}


def conversion(before: Column, after: Column, value: str, type_of: Callable[[Column], str], temporal: Temporal) -> str:
    """The SQL that converts `value`; `value` itself where it stays as it is."""
    found = way(before, after)
    kind = type_of(after)
    if temporal is Temporal.TEXT and TEMPORAL_TYPES & {before.type, after.type}:
        return text_time(found, before, after, value)
    cast = f"CAST({value} AS {kind})"
    if before.type == "decimal" and digits_of(before)[0] > DUCKDB_DIGITS:
        if found is Way.ROUND or (after.type == "decimal" and digits_of(before)[1] != digits_of(after)[1]):
            raise refused(before, after)
        return value if kind == "VARCHAR" else cast
    match found:
        case Way.SAME | Way.CAST | Way.PRINT | Way.READ | Way.DAY | Way.MIDNIGHT:
            return value if type_of(before) == kind else cast
        case Way.ROUND:
            return cast if after.type == "decimal" else f"CAST(ROUND({value}) AS {kind})"
        case Way.ENCODE:
            return f"ENCODE({value})"
        case Way.DECODE:
            return f"DECODE({value})"
        case Way.DIGITS:
            return _digits(before, after, value)
    return _written(before, after, value)


def _digits(before: Column, after: Column, value: str) -> str:
    digits = second_digits(after)
    if digits >= second_digits(before):
        return value
    if digits not in _HALVES or after.type == "time":
        raise refused(before, after)
    unit, half = _HALVES[digits]
    return f"DATE_TRUNC('{unit}', {value} + INTERVAL {half})"


def _written(before: Column, after: Column, value: str) -> str:
    digits = second_digits(before)
    if before.type == "date" or (before.type == "time" and digits == 0):
        return f"CAST({value} AS VARCHAR)"
    if before.type == "time":
        raise refused(before, after)
    length = 19 + (digits + 1 if digits else 0)
    return f"LEFT(STRFTIME({value}, '%Y-%m-%d %H:%M:%S.%f'), {length})"
