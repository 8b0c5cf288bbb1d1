"""A table as an Avro schema, the header of its files, and the marker that ends each block.

Avro's names are ASCII letters, digits and `_`. Any other character of a name is written `_xHHHH_` (4 to 6 capital hex
digits), and so is a leading digit; an underscore that would be read as the start of such an escape, or of one of our
own columns' names, is written `_x005F_`. The true name is in the field's properties.
"""

from __future__ import annotations

import hashlib
import io
import re
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from afterbay.errors import EnvironmentRefused
from afterbay.schema import BINARY_TYPES, Column, Json, TableSchema
from afterbay_nodes.encoders.described import (
    BEFORE,
    COLUMN_KEY,
    COMMIT_TS,
    ESCAPED_UNDERSCORE,
    OPERATION,
    ORDINAL,
    OWN_NAMES,
    TABLE_KEY,
    as_text,
    column_facts,
    table_facts,
)

if TYPE_CHECKING:
    from types import ModuleType

Codec = Literal["deflate", "zstandard", "none"]

MARKER_BYTES = 16

_ESCAPED = re.compile(r"[^A-Za-z0-9_]|^[0-9]|_(?=x(?:[0-9A-F]{4}|_))")
_EMPTY = "_x_"
_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})

_BY_ARROW: dict[pa.DataType, str] = {
    pa.int8(): "int",
    pa.int16(): "int",
    pa.int32(): "int",
    pa.int64(): "long",
    pa.uint8(): "int",
    pa.uint16(): "int",
    pa.uint32(): "long",
    pa.float32(): "float",
    pa.float64(): "double",
}
_NAMED = frozenset({"enum", "set"})


def avro_name(name: str) -> str:
    """`name` as Avro allows it; no two names become one."""
    if not name:
        return _EMPTY
    escaped = _ESCAPED.sub(lambda found: f"_x{ord(found[0]):04X}_", name)
    # In whatever case, as many readers have names without one.
    return ESCAPED_UNDERSCORE + escaped[1:] if escaped.lower() in OWN_NAMES else escaped


def record_name(name: str) -> str:
    """As `avro_name`; also what no namespace may define is escaped, by its first letter."""
    return f"_x{ord(name[0]):04X}_{name[1:]}" if name in _PRIMITIVES else avro_name(name)


def avro_type(column: Column) -> str:
    """The type that holds every value of the column: text where no number of Avro's does.

    64 unsigned bits do not fit a long, and only text keeps a decimal's digits and a zero date.
    """
    if column.type in BINARY_TYPES:
        return "bytes"
    return "string" if column.type in _NAMED else _BY_ARROW.get(column.arrow_type, "string")


def avro_schema(schema: TableSchema, *, before: bool) -> dict[str, Json]:
    """The record of a change. `before`: with the row before an update."""
    fields: list[Json] = [_field(column) for column in schema.stored_columns]
    own: list[Json] = [
        {"name": OPERATION, "type": "string"},
        {"name": COMMIT_TS, "type": "long"},
        {"name": ORDINAL, "type": "long"},
    ]
    space, name = avro_name(schema.name.schema), record_name(schema.name.table)
    old: list[Json] = []
    if before:
        record: Json = {"type": "record", "name": "before", "namespace": f"{space}.{name}", "fields": fields}
        old = [{"name": BEFORE, "type": ["null", record], "default": None}]
    return {
        "type": "record",
        "name": name,
        "namespace": space,
        TABLE_KEY: table_facts(schema),
        "fields": [*own, *fields, *old],
    }


def marker_of(schema: dict[str, Json]) -> bytes:
    """What ends each block: the same for the same schema, in every process, so that blocks and header agree."""
    return hashlib.sha256(as_text(schema).encode()).digest()[:MARKER_BYTES]


def header_of(schema: dict[str, Json], codec: Codec) -> bytes:
    """How a file begins, as fastavro writes it: it also checks the schema. Raises EnvironmentRefused without it."""
    fastavro = library()
    out = io.BytesIO()
    named = "null" if codec == "none" else codec
    fastavro.writer(out, fastavro.parse_schema(schema), [], codec=named, sync_marker=marker_of(schema))
    return out.getvalue()


def library() -> ModuleType:
    """The package fastavro. Raises EnvironmentRefused `encode_avro.library` if it is not installed."""
    try:
        import fastavro
    except ImportError as error:
        raise EnvironmentRefused(
            "encode_avro.library",
            "encode_avro needs the package fastavro, which is not installed",
            hint="pip install 'afterbay[avro]'",
        ) from error
    return fastavro


def _field(column: Column) -> Json:
    return {
        "name": avro_name(column.name),
        "type": ["null", avro_type(column)],
        "default": None,
        COLUMN_KEY: column_facts(column),
    }
