"""Types changed in PostgreSQL, in SQL."""

from __future__ import annotations

from collections.abc import Callable

from afterbay.schema import TEMPORAL_TYPES, Column
from afterbay_nodes.apply.conversion import Way, refused, second_digits, way
from afterbay_nodes.apply.text_times import text_time
from afterbay_nodes.apply.type_table import Temporal


def conversion(before: Column, after: Column, value: str, type_of: Callable[[Column], str], temporal: Temporal) -> str:
    """The SQL that converts `value`; `value` itself where it stays as it is."""
    found = way(before, after)
    if temporal is Temporal.TEXT and TEMPORAL_TYPES & {before.type, after.type}:
        return text_time(found, before, after, value)
    kind = type_of(after)
    cast = f"CAST({value} AS {kind})"
    match found:
        case Way.ROUND if after.type != "decimal":
            return f"CAST(ROUND({value}) AS {kind})"
        case Way.CAST if before.type != "decimal" and type_of(before) == "text":
            return f"CAST(TRIM({value}) AS {kind})"
        case Way.ENCODE:
            return f"CONVERT_TO({value}, 'UTF8')"
        case Way.DECODE:
            return f"CONVERT_FROM({value}, 'UTF8')"
        case Way.DIGITS:
            return _digits(before, after, value)
        case Way.WRITE:
            return _written(before, after, value)
    return value if type_of(before) == kind else cast


def _digits(before: Column, after: Column, value: str) -> str:
    digits = second_digits(after)
    if digits >= second_digits(before):
        return value
    kind = "INTERVAL" if after.type == "time" else "TIMESTAMP"
    return f"CAST({value} AS {kind}({digits}))"


def _written(before: Column, after: Column, value: str) -> str:
    digits = second_digits(before)
    if before.type == "date":
        return f"TO_CHAR({value}, 'YYYY-MM-DD')"
    if before.type == "time":
        if digits:
            raise refused(before, after)
        return f"CAST({value} AS text)"
    return f"LEFT(TO_CHAR({value}, 'YYYY-MM-DD HH24:MI:SS.US'), {19 + (digits + 1 if digits else 0)})"
