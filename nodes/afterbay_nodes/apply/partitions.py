"""Which rows are in which partition, for DDLs that take or exchange the rows of one.

Files do not say which partition of a name a row is in, but the statement that made the partitions does. Known are
RANGE, LIST and HASH over one column (or YEAR, TO_DAYS of it); of anything else it is known that it is not known.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from afterbay.schema import INTEGER_TYPES, TEMPORAL_TYPES, Column

RANGE, LIST, HASH = "range", "list", "hash"
DAY_ZERO = 366  # TO_DAYS of 0001-01-01, which is day 1 of `date.fromordinal`

Bound = str | None


@dataclass(frozen=True, slots=True)
class Part:
    """One partition. `values`: of a range its upper bound (None: MAXVALUE), of a list its members (None: NULL)."""

    name: str
    values: tuple[Bound, ...] = ()


@dataclass(frozen=True, slots=True)
class Partitioning:
    """The partitions of a table, in order. `function` is "", `year` or `to_days`, applied to `column`."""

    method: str
    column: str
    function: str
    parts: tuple[Part, ...]

    def to_json(self) -> str:
        """As text for the target."""
        parts = [[part.name, list(part.values)] for part in self.parts]
        return json.dumps([self.method, self.column, self.function, parts])

    @classmethod
    def from_json(cls, text: str | None) -> Partitioning | None:
        """The inverse of `to_json`."""
        if text is None:
            return None
        method, column, function, parts = json.loads(text)
        return cls(method, column, function, tuple(Part(name, tuple(values)) for name, values in parts))

    @property
    def names(self) -> tuple[str, ...]:
        """The partitions' names."""
        return tuple(part.name for part in self.parts)

    def find(self, name: str) -> int | None:
        """The place of a partition; names are compared without case."""
        return next((at for at, part in enumerate(self.parts) if part.name.lower() == name.lower()), None)

    def without(self, names: tuple[str, ...]) -> Partitioning:
        """Without some partitions: in a range the next one takes over."""
        gone = {name.lower() for name in names}
        return replace(self, parts=tuple(part for part in self.parts if part.name.lower() not in gone))


def condition(parts: Partitioning, name: str, columns: tuple[Column, ...], quote: Callable[[str], str]) -> str | None:
    """The SQL predicate of the rows in partition `name`, None if it cannot be told."""
    at = parts.find(name)
    column = next((column for column in columns if column.name.lower() == parts.column.lower()), None)
    if at is None or column is None or (parts.function and column.type not in TEMPORAL_TYPES):
        return None
    value = quote(column.name)
    if parts.method == HASH:
        if column.type not in INTEGER_TYPES or (column.unsigned and column.type == "bigint"):
            return None
        return f"COALESCE(ABS({value} % {len(parts.parts)}), 0) = {at}"
    if parts.method == LIST:
        return _member(parts.parts[at].values, column, parts.function, value)
    if column.type not in INTEGER_TYPES and column.type not in ("date", "datetime"):
        return None  # the order of texts is the collation's, which is not known here
    return _between(parts, at, column, value)


def _between(parts: Partitioning, at: int, column: Column, value: str) -> str | None:
    high = parts.parts[at].values[0]
    tests = []
    if high is not None:
        if (bound := _literal(high, column, parts.function)) is None:
            return None
        tests.append(f"{value} < {bound}")
    if at > 0:
        low = parts.parts[at - 1].values[0]
        bound = None if low is None else _literal(low, column, parts.function)
        if bound is None:
            return None
        tests.append(f"{value} >= {bound}")
        return " AND ".join(tests)
    return f"({' AND '.join(tests) or '1 = 1'} OR {value} IS NULL)"


def _member(values: tuple[Bound, ...], column: Column, function: str, value: str) -> str | None:
    literals = [_literal(one, column, "") for one in values if one is not None]
    if function or any(literal is None for literal in literals):
        return None
    tests = [f"{value} IN ({', '.join(filter(None, literals))})"] if literals else []
    if None in values:
        tests.append(f"{value} IS NULL")
    return f"({' OR '.join(tests)})" if tests else None


def _literal(text: str, column: Column, function: str) -> str | None:
    if column.type in INTEGER_TYPES:
        return text if text.removeprefix("-").isdecimal() else None
    if function:
        number = int(text) if text.isdecimal() else -1
        if function == "year" and 1 <= number <= 9999:
            return f"'{number:04d}-01-01'"
        day = number - DAY_ZERO + 1
        if function == "to_days" and 1 <= day <= date.max.toordinal():
            return f"'{date.fromordinal(day).isoformat()}'"
        return None
    if "\\" in text or "\0" in text:
        return None
    return "'" + text.replace("'", "''") + "'"
