"""One table's part of canal-json: the constant text around the values, and each column's types and kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.messages import Op
from afterbay.schema import BINARY_TYPES, Column, TableSchema
from afterbay_nodes.encoders.float_text import plain_text
from afterbay_nodes.encoders.intake import Intake
from afterbay_nodes.encoders.joining import Piece, chosen, text_of
from afterbay_nodes.encoders.json_text import json_strings, json_values
from afterbay_nodes.encoders.mysql_type import mysql_type
from afterbay_nodes.encoders.stored_values import latin1_text

_JAVA_TYPES: Mapping[str, int] = {
    "tinyint": -6,
    "smallint": 5,
    "mediumint": 4,
    "int": 4,
    "bigint": -5,
    "year": 12,
    "bit": -7,
    "float": 7,
    "double": 8,
    "decimal": 3,
    "char": 1,
    "varchar": 12,
    "date": 91,
    "datetime": 93,
    "timestamp": 93,
    "time": 92,
    "json": 12,
    "vector": 12,
    "enum": 4,
    "set": -7,
}
# Above the limit an unsigned value does not fit its Java type and takes the next one. mediumint always fits.
_UNSIGNED_JAVA_TYPES: Mapping[str, tuple[int, int]] = {
    "tinyint": (2**7 - 1, 5),
    "smallint": (2**15 - 1, 4),
    "int": (2**31 - 1, -5),
    "bigint": (2**63 - 1, 3),
}
_TEXT_JAVA_TYPE = 2005
_BINARY_JAVA_TYPE = 2004


@dataclass(frozen=True, slots=True)
class CanalColumn:
    """One column: `index` into the stored ones, `key` its name as a JSON key with the colon."""

    index: int
    key: bytes
    mysql_type: bytes
    java_type: int
    large: tuple[int, int] | None
    text: Callable[[pa.Array], pa.Array]

    @classmethod
    def of(cls, index: int, column: Column, key: bytes, mysql_type: bytes) -> CanalColumn:
        """How `column` is written under `key`."""
        large = _UNSIGNED_JAVA_TYPES.get(column.type) if column.unsigned else None
        return cls(index, key, mysql_type, java_type(column), large, _kernel(column))

    def value(self, image: pa.RecordBatch) -> list[Piece]:
        """The values as JSON strings."""
        return json_values(self.text(image.column(self.index)))

    def java_types(self, image: pa.RecordBatch) -> Piece:
        """The Java type of each value: a constant, unless an unsigned value of the batch is large."""
        usual = str(self.java_type).encode()
        if self.large is None:
            return usual
        limit, large = self.large
        values = image.column(self.index)
        above = pc.fill_null(pc.greater(values, pa.scalar(limit, values.type)), False)
        return chosen(above, str(large).encode(), usual) if pc.any(above).as_py() else usual


@dataclass(frozen=True, slots=True)
class CanalTable:
    """What does not change from batch to batch. `heads` has, by operation, a line's start up to the value of `es`."""

    heads: pa.Array
    columns: tuple[CanalColumn, ...]
    mysql_types: bytes

    @classmethod
    def of(cls, schema: TableSchema, columns: Iterable[CanalColumn]) -> CanalTable:
        """The lines of `schema` that hold `columns`."""
        named = tuple(columns)
        primary = [column.name for column in schema.columns if column.primary_key]
        table, database, *keys = json_strings([schema.name.table, schema.name.schema, *primary])
        pk_names = b"[" + b",".join(keys) + b"]" if keys else b"null"
        start = b'{"id":0,"database":%b,"table":%b,"pkNames":%b,"isDdl":false,"type":"%b","es":'
        heads = [start % (database, table, pk_names, op.name.encode()) for op in sorted(Op)]
        types = b",".join(column.key + column.mysql_type for column in named)
        return cls(pa.array(heads, pa.binary()), named, types)


@dataclass(frozen=True, slots=True)
class CanalTables:
    """A table's checks and its lines: `full` with all columns, `deletes` those of a delete if they differ."""

    intake: Intake
    full: CanalTable
    deletes: CanalTable | None

    @classmethod
    def of(cls, schema: TableSchema, node: str, *, full_type: bool, handle_deletes: bool) -> CanalTables:
        """Everything about `schema`. A table without a handle key keeps all columns in its deletes."""
        intake = Intake.of(schema, node, by_name=False)
        stored = schema.stored_columns
        keys = json_strings([column.name for column in stored])
        types = json_strings([mysql_type(column, full=full_type) for column in stored])
        columns = [
            CanalColumn.of(index, column, key + b":", type_)
            for index, (column, key, type_) in enumerate(zip(stored, keys, types, strict=True))
        ]
        handle = {column.name for column in schema.key_columns if not column.virtual}
        kept = [columns[index] for index, column in enumerate(stored) if column.name in handle]
        deletes = CanalTable.of(schema, kept) if handle_deletes and 0 < len(kept) < len(columns) else None
        return cls(intake, CanalTable.of(schema, columns), deletes)


def java_type(column: Column) -> int:
    """The Java SQL type of a column's usual values."""
    if column.type in BINARY_TYPES:
        return _BINARY_JAVA_TYPE
    return _JAVA_TYPES.get(column.type, _TEXT_JAVA_TYPE)


def _kernel(column: Column) -> Callable[[pa.Array], pa.Array]:
    if column.type in ("float", "double"):
        return plain_text
    return latin1_text if column.type in BINARY_TYPES else text_of
