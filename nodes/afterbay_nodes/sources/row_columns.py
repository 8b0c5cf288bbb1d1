"""Values as canal-json writes them (text or null) -> Arrow columns, checked: what does not parse is refused (I10)."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.schema import BINARY_TYPES, INTEGER_TYPES, Column, TableSchema

_FRACTION = r"(\.[0-9]{1,6})?"
_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}" + _FRACTION
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_FORMS = {
    "decimal": r"^-?([0-9]+(\.[0-9]*)?|\.[0-9]+)$",
    "date": f"^{_DAY}$",
    "datetime": f"^{_DAY} {_CLOCK}$",
    "timestamp": f"^{_DAY} {_CLOCK}$",
    "time": f"^-?[0-9]?{_CLOCK}$",
}
_WHOLE = r"^-?[0-9]+$"
_NOT_FINITE = r"^(NaN|[-+]Inf)$"
_REAL = r"^-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$|" + _NOT_FINITE
Values = Sequence[str | None]


class BadValues(ValueError):
    """Values that do not parse. `rows` are their indices in the column."""

    def __init__(self, column: Column, rows: list[int], values: Values) -> None:
        unsigned = " unsigned" if column.unsigned else ""
        super().__init__(f"column {column.name!r}: {_shown(values[rows[0]])} is no {column.type}{unsigned}")
        self.rows = rows


def images(schema: TableSchema, rows: Sequence[Sequence[str | None]]) -> pa.RecordBatch:
    """The rows (each a sequence of values in the order of the stored columns) as a record batch. Raises BadValues."""
    # Not `zip(*rows)`: it makes an iterator a row, which costs the garbage collector more than the rest of this.
    arrays = [
        to_arrow(column, list(map(itemgetter(index), rows))) for index, column in enumerate(schema.stored_columns)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema.arrow_schema)


def to_arrow(column: Column, values: Values) -> Any:
    """One column's values as an array of `column.arrow_type`. Raises BadValues."""
    kind = column.type
    if kind in BINARY_TYPES:
        return _binary(column, values)
    text = pa.array(values, pa.utf8())
    if kind in _FORMS:
        return _matching(column, text, values, _FORMS[kind])
    if kind in INTEGER_TYPES or kind in ("year", "bit", "enum", "set"):
        numbers = _cast(column, _matching(column, text, values, _WHOLE), values)
        if column.elements:
            most = len(column.elements) if kind == "enum" else (1 << len(column.elements)) - 1
            _refuse(column, pc.greater(numbers, pa.scalar(most, numbers.type)), values)
        return numbers
    if kind in ("float", "double"):
        numbers = _cast(column, _matching(column, text, values, _REAL), values)
        # A number out of range becomes infinite; only what says so may be.
        _refuse(column, pc.and_not(pc.invert(pc.is_finite(numbers)), _says(text, _NOT_FINITE)), values)
        return numbers
    return text


def _matching(column: Column, text: Any, values: Values, form: str) -> Any:
    _refuse(column, pc.invert(_says(text, form)), values)
    return text


def _says(text: Any, form: str) -> Any:
    return pc.match_substring_regex(text, form)


def _refuse(column: Column, bad: Any, values: Values) -> None:
    """`bad`: true where a value is wrong; nulls are right."""
    if pc.any(bad).as_py():
        found = pc.indices_nonzero(pc.fill_null(bad, False))
        raise BadValues(column, [int(index) for index in found.to_pylist()], values)


def _cast(column: Column, text: Any, values: Values) -> Any:
    try:
        return pc.cast(text, column.arrow_type)
    except pa.ArrowInvalid as error:
        # Digits, but out of range: only then is it worth finding out which.
        raise BadValues(column, _out_of_range(column, values), values) from error


def _out_of_range(column: Column, values: Values) -> list[int]:
    bad = []
    for index, value in enumerate(values):
        try:
            pc.cast(pa.scalar(value, pa.utf8()), column.arrow_type)
        except pa.ArrowInvalid:
            bad.append(index)
    return bad


def _binary(column: Column, values: Values) -> Any:
    try:
        return pa.array([None if value is None else value.encode("latin-1") for value in values], pa.binary())
    except UnicodeEncodeError as error:
        bad = [index for index, value in enumerate(values) if value is not None and max(value, default="") > "\xff"]
        raise BadValues(column, bad, values) from error


def _shown(value: str | None) -> str:
    return repr(value if value is None or len(value) <= 40 else value[:40] + "…")
