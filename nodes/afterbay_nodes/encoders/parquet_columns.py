"""A table's columns as Parquet's: their names, their Arrow types, and the kernels that turn stored values into them.

A type is chosen so that every value of the column has an exact form, in the hands of every reader. What has none is
text: dates and times (zero dates exist), decimals whose precision the source does not say, and decimals of more than 38
digits. The `native` and `decimal256` forms are for those who know their values and readers; a value that has no such
form is refused, never rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.errors import RunFailed
from afterbay.messages import ChangeBatch
from afterbay.printable import visible
from afterbay.schema import TEMPORAL_TYPES, Column
from afterbay_nodes.encoders.described import COLUMN_KEY, ESCAPED_UNDERSCORE, OWN_NAMES, as_text, column_facts
from afterbay_nodes.encoders.intake import first_failing, refused
from afterbay_nodes.encoders.stored_values import enum_names, set_names

TemporalForm = Literal["text", "native"]
WideDecimalForm = Literal["text", "decimal256"]
Values = Callable[[pa.Array], pa.Array]

_NARROW_DIGITS, _WIDE_DIGITS = 38, 76
_LONGEST_SHOWN = 60

_NATIVE: dict[str, pa.DataType] = {
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
    "timestamp": pa.timestamp("us"),
    "time": pa.time64("us"),
}


@dataclass(frozen=True, slots=True)
class ParquetForms:
    """How values that readers disagree about are stored."""

    temporal: TemporalForm
    wide_decimals: WideDecimalForm


@dataclass(frozen=True, slots=True)
class ParquetColumn:
    """One column. `values` makes stored values those of `field`, None where they are already.

    It raises ValueError for a value that has no form there.
    """

    column: Column
    field: pa.Field
    values: Values | None

    def of(self, stored: pa.Array, batch: ChangeBatch, node: str) -> pa.Array:
        """`stored` as this column. Raises RunFailed naming the row."""
        if self.values is None:
            return stored
        try:
            return self.values(stored)
        except ValueError as error:
            raise self._refused(stored, batch, node, self.values) from error

    def _refused(self, stored: pa.Array, batch: ChangeBatch, node: str, values: Values) -> RunFailed:
        row = first_failing(stored, values) or 0
        shown = visible(str(stored[row].as_py()))[:_LONGEST_SHOWN]
        type_ = self.column.type
        return refused(
            batch,
            node,
            f"encode.{type_}",
            f"column '{visible(self.column.name)}' holds the {type_} '{shown}', which is no {self.field.type}",
            row=row,
            hint="`temporal: text` stores every date and time as it is"
            if type_ in TEMPORAL_TYPES
            else "the rows are of another schema version than the batch says: check the source's DDL order",
        )


def parquet_columns(columns: Sequence[Column], forms: ParquetForms) -> tuple[ParquetColumn, ...]:
    """The columns in table order."""
    return tuple(_column(column, forms) for column in columns)


def parquet_name(name: str) -> str:
    """A column's name in the file: its own, unless it is one of ours, in whatever case.

    The underscore of such a name is written `_x005F_`, and so is that of a name which begins like that already: no two
    names meet.
    """
    if name.lower() in OWN_NAMES or name.startswith(ESCAPED_UNDERSCORE):
        return ESCAPED_UNDERSCORE + name[1:]
    return name


def _column(column: Column, forms: ParquetForms) -> ParquetColumn:
    type_, values = _form(column, forms)
    facts = {COLUMN_KEY: as_text(column_facts(column))}
    return ParquetColumn(column, pa.field(parquet_name(column.name), type_, metadata=facts), values)


def _form(column: Column, forms: ParquetForms) -> tuple[pa.DataType, Values | None]:
    if column.type == "enum":
        return pa.utf8(), partial(enum_names, elements=column.elements)
    if column.type == "set":
        return pa.utf8(), partial(set_names, elements=column.elements)
    if column.type == "decimal" and (decimal := _decimal(column, forms)) is not None:
        return decimal, partial(pc.cast, target_type=decimal)
    if forms.temporal == "native" and column.type in _NATIVE:
        native = _NATIVE[column.type]
        return native, partial(_time if column.type == "time" else _calendar, type_=native)
    return column.arrow_type, None


def _decimal(column: Column, forms: ParquetForms) -> pa.DataType | None:
    """The type that holds every value of the column, or None: then it stays text."""
    digits, scale = column.length, column.scale or 0
    if digits is None or not (1 <= digits <= _WIDE_DIGITS and 0 <= scale <= digits):
        return None
    if digits <= _NARROW_DIGITS:
        return pa.decimal128(digits, scale)
    return pa.decimal256(digits, scale) if forms.wide_decimals == "decimal256" else None


def _calendar(text: pa.Array, type_: pa.DataType) -> pa.Array:
    """Dates, with or without a time. Year 0 is refused like zero dates: most readers cannot show it."""
    if pc.any(pc.starts_with(text, "0000")).as_py():
        raise ValueError("a date in year 0")
    return text.cast(type_)


def _time(text: pa.Array, type_: pa.DataType) -> pa.Array:
    """Times of a day. MySQL's reach further, to 838 hours either way."""
    day = pc.binary_join_element_wise(pa.scalar("1970-01-01"), text, pa.scalar(" "))
    return day.cast(pa.timestamp("us")).cast(type_)
