"""What a target remembers of a store: how far its series were applied, and what its tables look like.

Kept in the target's own tables, in the transaction of the rows and DDLs themselves.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from afterbay.schema import Column, TableName, TableSchema
from afterbay_nodes.apply.partitions import Partitioning

APPLIED, DDLS, TABLES = "_afterbay_applied", "_afterbay_ddls", "_afterbay_tables"
OWN_TABLES = frozenset({APPLIED, DDLS, TABLES})
STAGED, REBUILT, ASIDE = "_afterbay_staged", "_afterbay_rebuilt", "_afterbay_aside"
"""Names of what lives inside one transaction only."""

LOG_OP, LOG_COMMIT_TS = "_afterbay_op", "_afterbay_commit_ts"
LOG_SERIES, LOG_NUMBER, LOG_ROW = "_afterbay_series", "_afterbay_number", "_afterbay_row"
LOG_COLUMNS = (LOG_OP, LOG_COMMIT_TS, LOG_SERIES, LOG_NUMBER, LOG_ROW)
"""What a table without a key has besides its own columns: each change is a row of it, at its place in the store."""

RESERVED = "_afterbay_"


@dataclass(frozen=True, slots=True)
class SeriesMark:
    """`number` files of a series were applied as a whole, and `rows` rows of the next one."""

    number: int = 0
    rows: int = 0


@dataclass(frozen=True)
class TableState:
    """A table of the target as the store's DDLs made it. `version` is its last schema version; no columns: dropped.

    `source` is the store that it comes from. `columns` are the stored ones, in the store's order.
    """

    name: TableName
    source: str
    version: int
    columns: tuple[Column, ...]
    partitions: Partitioning | None = None

    @classmethod
    def of(cls, schema: TableSchema, source: str, partitions: Partitioning | None = None) -> TableState:
        """The state that `schema` asks for."""
        return cls(schema.name, source, schema.version, schema.stored_columns, partitions)

    @property
    def is_there(self) -> bool:
        """False for a dropped table."""
        return bool(self.columns)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The names of the key columns: those of the primary key. () for a table whose changes are appended."""
        return tuple(column.name for column in self.columns if column.primary_key)

    @property
    def is_log(self) -> bool:
        """True if changes are appended, since no key tells rows apart."""
        return not self.keys

    def columns_json(self) -> str | None:
        """`columns` as text, None if there are none."""
        return json.dumps([column.to_json() for column in self.columns]) if self.columns else None


def same_columns(state: TableState, schema: TableSchema) -> bool:
    """True if a table needs no change to have the columns of `schema`, whatever its version."""
    return list(map(_kept, state.columns)) == list(map(_kept, schema.stored_columns))


def _kept(column: Column) -> Column:
    """What of a column the target's table depends on."""
    return replace(column, nullable=True, unique_key=False, zerofill=False, default=None, id=None)


def columns_of(text: str | None) -> tuple[Column, ...]:
    """The inverse of `TableState.columns_json`."""
    if text is None:
        return ()
    entries: Sequence[dict[str, object]] = json.loads(text)
    return tuple(Column.from_json(entry) for entry in entries)
