"""One table's part of CSV: its names as fields, its header, and how each column's values are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import pyarrow as pa

from afterbay.errors import Place, RunFailed
from afterbay.messages import FileFormat, Op
from afterbay.printable import visible
from afterbay.schema import BINARY_TYPES, Column, TableSchema
from afterbay_nodes.constants import constants
from afterbay_nodes.encoders.csv_dialect import CsvDialect, runs_into
from afterbay_nodes.encoders.intake import Intake
from afterbay_nodes.encoders.stored_values import base64_text, enum_names, hex_text, set_names

BinaryEncoding = Literal["base64", "hex"]
Values = Callable[[pa.Array], pa.Array]

OP_LETTERS = constants(*({Op.INSERT: "I", Op.UPDATE: "U", Op.DELETE: "D"}[op] for op in sorted(Op)))
CLASH_HINT = "choose another null string or terminator, or let text be quoted"
_FLOATS = frozenset({"float", "double"})


@dataclass(frozen=True)
class CsvTable:
    """What an encoder knows of one table at one schema version.

    `texts` per stored column: the kernel that makes its text, or None where the values are written as they are;
    `floats` are the indices of the float columns.
    """

    intake: Intake
    format: FileFormat
    dialect: CsvDialect
    texts: tuple[Values | None, ...]
    floats: tuple[int, ...]

    @cached_property
    def prefixes(self) -> pa.Array:
        """By operation, the first three fields of a line. Made when asked for: Arrow's writer has no use for it."""
        name = self.intake.schema.name
        *letters, table, database = self.dialect.fields([*OP_LETTERS.to_pylist(), name.table, name.schema])
        delimiter = self.dialect.delimiter.encode()
        return pa.array([delimiter.join([letter, table, database]) for letter in letters], pa.binary())


@dataclass(frozen=True, slots=True)
class CsvMeta:
    """Which columns stand before a table's own, and how bytes are written."""

    commit_ts: bool
    is_update: bool
    header: bool
    binary: BinaryEncoding

    @property
    def names(self) -> list[str]:
        """The header's names of the leading columns."""
        extra = ["commit-ts"] * self.commit_ts + ["is-update"] * self.is_update
        return [f"ticdc-meta${name}" for name in ("operation", "table", "schema", *extra)]


def csv_table(schema: TableSchema, dialect: CsvDialect, meta: CsvMeta, node: str) -> CsvTable:
    """What does not change from batch to batch. Raises RunFailed for a name that cannot be written."""
    columns = schema.stored_columns
    intake = Intake.of(schema, node)
    if dialect.may_clash and (clash := dialect.clash(pa.array([schema.name.table, schema.name.schema]))):
        raise RunFailed(
            "csv.clash",
            f"the {('table', 'database')[clash.row]}'s name {clash.why}, so its rows could not be read back",
            place=Place(node=node, table=visible(str(schema.name))),
            hint=CLASH_HINT,
        )
    return CsvTable(
        intake,
        FileFormat("csv", _header(schema, dialect, meta, node) if meta.header else b""),
        dialect,
        tuple(_values(column, meta.binary) for column in columns),
        tuple(index for index, column in enumerate(columns) if column.type in _FLOATS),
    )


def _header(schema: TableSchema, dialect: CsvDialect, meta: CsvMeta, node: str) -> bytes:
    names = [*meta.names, *(column.name for column in schema.stored_columns)]
    for name in names:
        # Names stand unquoted, so one with a delimiter would shift every column behind it (I10).
        ends = [end for end in (dialect.delimiter, dialect.terminator) if runs_into(name, end)]
        if clash := [*ends, *(part for part in (dialect.quote, "\r", "\n") if part and part in name)]:
            raise RunFailed(
                "csv.header",
                f"column name '{visible(name)}' contains {clash[0]!r}, so an unquoted header could not be read back",
                place=Place(node=node, table=visible(str(schema.name))),
                hint="turn output_field_header off, or choose another delimiter",
            )
    return (dialect.delimiter.join(names) + dialect.terminator).encode()


def _values(column: Column, binary: BinaryEncoding) -> Values | None:
    if column.type in BINARY_TYPES:
        return hex_text if binary == "hex" else base64_text
    if column.type == "enum":
        return partial(enum_names, elements=column.elements)
    if column.type == "set":
        return partial(set_names, elements=column.elements)
    return None
