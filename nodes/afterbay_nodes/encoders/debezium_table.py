"""One table's part of Debezium JSON: the constant text around the values, and each column's kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.schema import BINARY_TYPES, INTEGER_TYPES, Column, TableSchema
from afterbay_nodes.encoders.epoch import epoch_days, epoch_time, microseconds, utc_text
from afterbay_nodes.encoders.exact_bytes import bit_bytes, refuse_above, unscaled_bytes
from afterbay_nodes.encoders.float_text import json_number
from afterbay_nodes.encoders.intake import Intake
from afterbay_nodes.encoders.joining import Piece, chosen, text_of
from afterbay_nodes.encoders.json_text import json_bare, json_quoted, json_strings, json_values
from afterbay_nodes.encoders.stored_values import base64_text, enum_names, set_names

DecimalMode = Literal["string", "precise"]
TemporalMode = Literal["string", "debezium"]
# A column's values as JSON text. Raises ValueError if one of them has no such form.
Kernel: TypeAlias = Callable[[pa.Array], list[Piece]]

# As TiCDC: the Debezium version whose envelope this is.
_VERSION = "2.4.0.Final"
CONNECTOR = "afterbay"
"""Who wrote an event: `source.connector`."""
_MILLISECOND_DIGITS = 3


@dataclass(frozen=True, slots=True)
class DebeziumModes:
    """The options that decide how a value is written. `time_zone` is the one of TIMESTAMP text."""

    decimal: DecimalMode
    temporal: TemporalMode
    time_zone: str


@dataclass(frozen=True, slots=True)
class DebeziumColumn:
    """One column: `index` into the stored ones, `key` its name as a JSON key with the colon."""

    index: int
    column: Column
    key: bytes
    kernel: Kernel

    def value(self, image: pa.RecordBatch) -> list[Piece]:
        """The values as JSON text. Raises ValueError if one has no form in this mode."""
        return self.kernel(image.column(self.index))


@dataclass(frozen=True, slots=True)
class DebeziumTable:
    """What does not change from batch to batch. `source` opens the source object, `names` follow its commit time."""

    intake: Intake
    columns: tuple[DebeziumColumn, ...]
    source: bytes
    names: bytes

    @classmethod
    def of(cls, schema: TableSchema, node: str, source_name: str, modes: DebeziumModes) -> DebeziumTable:
        """Everything about `schema`. Raises RunFailed for a name that is not Unicode text."""
        intake = Intake.of(schema, node)
        stored = schema.stored_columns
        keys = json_strings([column.name for column in stored])
        columns = tuple(
            DebeziumColumn(index, column, key + b":", _kernel(column, modes))
            for index, (column, key) in enumerate(zip(stored, keys, strict=True))
        )
        version, connector, name, database, table = json_strings(
            [_VERSION, CONNECTOR, source_name, schema.name.schema, schema.name.table]
        )
        return cls(
            intake,
            columns,
            b'{"version":%b,"connector":%b,"name":%b,"ts_ms":' % (version, connector, name),
            b',"snapshot":"false","db":%b,"table":%b,"server_id":0,"gtid":null,"file":"","pos":0,"row":0,"thread":0,'
            b'"query":null' % (database, table),
        )


def _kernel(column: Column, modes: DebeziumModes) -> Kernel:
    kind = column.type
    if kind in INTEGER_TYPES or kind == "year":
        return lambda values: json_bare(text_of(values))
    if kind in ("float", "double"):
        return lambda values: json_bare(text_of(json_number(values)))
    if kind in BINARY_TYPES:
        return lambda values: json_quoted(text_of(base64_text(values)))
    if kind == "enum":
        return lambda values: json_values(enum_names(values, column.elements))
    if kind == "set":
        return lambda values: json_values(set_names(values, column.elements))
    if kind == "bit":
        return _booleans if column.length in (None, 1) else partial(_bits, width=column.length)
    if kind == "decimal" and modes.decimal == "precise":
        scale = column.scale or 0
        return lambda values: json_quoted(text_of(base64_text(unscaled_bytes(values, scale))))
    if modes.temporal == "debezium":
        if kind == "date":
            return lambda values: json_bare(text_of(epoch_days(values)))
        if kind == "datetime":
            unit: Literal["ms", "us"] = "ms" if (column.scale or 0) <= _MILLISECOND_DIGITS else "us"
            return lambda values: json_bare(text_of(epoch_time(values, unit)))
        if kind == "timestamp":
            return lambda values: json_quoted(text_of(utc_text(values, modes.time_zone)))
        if kind == "time":
            return lambda values: json_bare(text_of(microseconds(values)))
    return json_values


def _booleans(values: pa.Array) -> list[Piece]:
    refuse_above(values, 1)
    truth = chosen(pc.fill_null(pc.equal(values, pa.scalar(1, values.type)), False), b"true", b"false")
    return [pc.if_else(pc.is_valid(values), truth, pa.scalar(b"null", truth.type))]


def _bits(values: pa.Array, width: int) -> list[Piece]:
    return json_quoted(text_of(base64_text(bit_bytes(values, width))))
