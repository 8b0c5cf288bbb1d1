"""Values on their way from a stored row's columns to a target's: by kernels, and refused where they would not survive.

The decoders give columns in the types of `TableSchema.arrow_schema`; here an enum becomes its name, a date a date.
What a target's type cannot hold raises `Unfit` with the row: nothing is rounded, cut or replaced (I10).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.printable import visible
from afterbay.schema import Column
from afterbay_nodes.apply.type_table import digits_of
from afterbay_nodes.encoders.stored_values import enum_names, set_names

TEXT_HINT = "apply into a fresh target with --temporal text, which keeps dates and times as they are written"
_TIME = r"^-?[0-9]{2,3}:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?$"
_SHOWN = 40


class Unfit(ValueError):
    """A value that its column in the target cannot hold. `index` is its row among those given, -1 if that is none."""

    def __init__(self, code: str, column: Column, index: int, why: str, hint: str | None = None) -> None:
        super().__init__(f"column {visible(column.name)!r}: {why}")
        self.code = code
        self.column = column
        self.index = index
        self.hint = hint


@contextmanager
def unplaced() -> Iterator[None]:
    """For values that are not rows of the file as they stand: what is raised has no row."""
    try:
        yield
    except Unfit as error:
        error.index = -1
        raise


def names(column: Column, values: pa.Array) -> pa.Array:
    """An enum or a set as text: its names, or where these are unknown its number."""
    if not column.elements:
        return values.cast(pa.utf8())
    if column.type == "enum":
        _refuse(column, pc.greater(values, pa.scalar(len(column.elements), values.type)), values, "no such element")
        return enum_names(values, column.elements)
    if len(column.elements) < 64:
        beyond = pc.greater_equal(values, pa.scalar(1 << len(column.elements), values.type))
        _refuse(column, beyond, values, "no such element")
    return set_names(values, column.elements)


def dates(column: Column, values: pa.Array) -> pa.Array:
    """Canonical text as date32. Raises Unfit for a zero date."""
    _refuse_zero_dates(column, values)
    return _cast(column, values, pa.date32())


def timestamps(column: Column, values: pa.Array) -> pa.Array:
    """Canonical text as timestamps in microseconds. Raises Unfit for a zero date."""
    _refuse_zero_dates(column, values)
    return _cast(column, values, pa.timestamp("us"))


def spans(column: Column, values: pa.Array) -> pa.Array:
    """The text of a `time`, which may be negative and longer than a day: checked, to be read as an interval."""
    _refuse(column, pc.invert(pc.match_substring_regex(values, _TIME)), values, "is no time")
    return values


def decimals(column: Column, values: pa.Array) -> pa.Array:
    """Decimal text as decimals of the column's digits. Raises Unfit where it would be rounded."""
    precision, scale = digits_of(column)
    return _cast(
        column, values, pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
    )


def decimal_text(column: Column, values: pa.Array) -> pa.Array:
    """Decimal text, checked as `decimals` does."""
    decimals(column, values)
    return values


def without_nul(column: Column, values: pa.Array) -> pa.Array:
    """Text without a NUL character."""
    bad = pc.match_substring(values, "\0")
    _refuse(
        column,
        bad,
        values,
        "holds a NUL character, which PostgreSQL's text cannot",
        code="apply.nul",
        hint="apply into SQLite or DuckDB, or leave the table out with --tables",
    )
    return values


def unreadable_json(column: Column, values: pa.ChunkedArray) -> Unfit | None:
    """The first value that is no JSON; None if all are. For when a target refused them and did not say which."""
    for index, text in enumerate(values.to_pylist()):
        try:
            json.loads(text or "null")
        except ValueError as error:
            return Unfit("apply.value", column, index, f"{_shown(text)} is no JSON: {error}")
    return None


def _refuse_zero_dates(column: Column, values: pa.Array) -> None:
    zero = pc.or_(pc.starts_with(values, "0000"), pc.match_substring(values, "-00"))
    why = f"is a zero date, which the target's {column.type} cannot hold"
    _refuse(column, zero, values, why, code="apply.zero_date", hint=TEXT_HINT)


def _refuse(
    column: Column, bad: pa.Array, values: pa.Array, why: str, *, code: str = "apply.value", hint: str | None = None
) -> None:
    """`bad`: true where a value is wrong; nulls are right."""
    if pc.any(bad).as_py():
        index = int(pc.indices_nonzero(pc.fill_null(bad, False))[0].as_py())
        raise Unfit(code, column, index, f"{_shown(values[index].as_py())} {why}", hint)


def _cast(column: Column, values: pa.Array, to: pa.DataType) -> pa.Array:
    try:
        return values.cast(to)
    except pa.ArrowInvalid as error:
        index = _first(len(values), lambda start, stop: _casts(values.slice(start, stop - start), to))
        length = f"({column.length},{column.scale or 0})" if column.type == "decimal" else ""
        hint = None if column.type == "decimal" else TEXT_HINT
        why = f"{_shown(values[index].as_py())} does not fit {column.type}{length}"
        raise Unfit("apply.value", column, index, why, hint) from error


def _casts(values: pa.Array, to: pa.DataType) -> bool:
    try:
        values.cast(to)
    except pa.ArrowInvalid:
        return False
    return True


def _first(n: int, fits: Callable[[int, int], bool]) -> int:
    """The first of n values that does not fit, found by halving; there is one."""
    start, stop = 0, n
    while stop - start > 1:
        middle = (start + stop) // 2
        start, stop = (start, middle) if not fits(start, middle) else (middle, stop)
    return start


def _shown(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
