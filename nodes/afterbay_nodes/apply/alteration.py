"""A table before and after a DDL, column by column: where each new column's values come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from afterbay.schema import Column
from afterbay_nodes.apply.states import TableState


@dataclass(frozen=True, slots=True)
class Kept:
    """A column that keeps its rows' values, under the same or another name, in the same or another type."""

    before: Column
    after: Column


@dataclass(frozen=True, slots=True)
class Added:
    """A new column. `fill` (one value) is what the rows that are there get; a null one where they get none."""

    after: Column
    fill: pa.Array


@dataclass(frozen=True)
class Alteration:
    """One table's DDL as a target runs it. Every column of `after` is in `kept` or `added`; the others are dropped."""

    before: TableState
    after: TableState
    kept: tuple[Kept, ...]
    added: tuple[Added, ...]

    @property
    def dropped(self) -> tuple[Column, ...]:
        """The columns that go."""
        gone = {kept.before.name for kept in self.kept}
        return tuple(column for column in self.before.columns if column.name not in gone)

    @cached_property
    def new_names(self) -> Mapping[str, str]:
        """For each kept column its name before -> after."""
        return {kept.before.name: kept.after.name for kept in self.kept}

    @property
    def changes_key(self) -> bool:
        """True if the key is made of other columns."""
        return {self.new_names.get(name) for name in self.before.keys} != set(self.after.keys)
