"""Parquet and Avro files, read by pyarrow and fastavro as anybody would, from what the documentation says of them.

A value becomes the text that CSV shows for it, so that stores of all formats can be held against one another.
"""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq

from tests.reader.findings import Damage
from tests.reader.rows import Row
from tests.reader.schema_file import SchemaColumn, SchemaFile
from tests.support.reference_floats import go_v

OWN = ["_op", "_commit_ts", "_ordinal"]

_INTEGERS = {
    "TINYINT": (pa.int8(), pa.uint8()),
    "SMALLINT": (pa.int16(), pa.uint16()),
    "MEDIUMINT": (pa.int32(), pa.uint32()),
    "INT": (pa.int32(), pa.uint32()),
    "BIGINT": (pa.int64(), pa.uint64()),
}
_ARROW = {name: signed for name, (signed, _) in _INTEGERS.items()}
_ARROW |= {f"{name} UNSIGNED": unsigned for name, (_, unsigned) in _INTEGERS.items()}
_ARROW |= {"YEAR": pa.uint16(), "BIT": pa.uint64(), "FLOAT": pa.float32(), "DOUBLE": pa.float64()}
_ARROW |= dict.fromkeys(["BINARY", "VARBINARY", "TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB"], pa.binary())

_AVRO = dict.fromkeys(["INT UNSIGNED", "MEDIUMINT UNSIGNED", "BIGINT"], "long") | {"FLOAT": "float", "DOUBLE": "double"}
_AVRO |= dict.fromkeys(["TINYINT UNSIGNED", "SMALLINT UNSIGNED"], "int")
_AVRO |= dict.fromkeys(["TINYINT", "SMALLINT", "MEDIUMINT", "INT", "YEAR"], "int")
_AVRO |= dict.fromkeys(["BINARY", "VARBINARY", "TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB"], "bytes")


@dataclass(frozen=True, slots=True)
class ParquetForm:
    """Parquet, its options at their defaults."""


@dataclass(frozen=True, slots=True)
class AvroForm:
    """Avro, its options at their defaults."""


def parquet_rows(data: bytes, form: ParquetForm, schema: SchemaFile, path: str) -> Iterator[Row]:
    """The rows of a data file, each checked against its schema file. Raises Damage."""
    if not data:
        return iter(())  # a fence
    try:
        table = pq.read_table(io.BytesIO(data), page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise Damage("file.form", f"this is no Parquet file: {error}") from error
    fields = [table.schema.field(number) for number in range(len(table.schema))]
    _check_table(json.loads((table.schema.metadata or {})[b"afterbay.table"]), schema)
    facts = [json.loads(field.metadata[b"afterbay.column"]) for field in fields[3:]]
    _check_columns([field.name for field in fields[:3]], [fact["name"] for fact in facts], schema)
    for field, fact, column in zip(fields[3:], facts, schema.columns, strict=True):
        if field.type != _arrow_type(column, fact):
            raise Damage("row.type", f"{column.name} {column.type} is {field.type}")
    names = [field.name for field in fields]
    return _rows(names, table.to_pylist(), schema, path)


def avro_rows(data: bytes, form: AvroForm, schema: SchemaFile, path: str) -> Iterator[Row]:
    """The rows of a data file, each checked against its schema file. Raises Damage."""
    if not data:
        return iter(())  # a fence
    try:
        reader = fastavro.reader(io.BytesIO(data))
        records = list(reader)
    except (ValueError, EOFError, IndexError, zlib.error) as error:
        raise Damage("file.form", f"this is no Avro file: {error!r}") from error
    record: Any = reader.writer_schema
    fields = record["fields"]
    _check_table(record["afterbay.table"], schema)
    _check_columns(
        [field["name"] for field in fields[:3]], [field["afterbay.column"]["name"] for field in fields[3:]], schema
    )
    for field, column in zip(fields[3:], schema.columns, strict=True):
        if field["type"] != ["null", _AVRO.get(column.type, "string")]:
            raise Damage("row.type", f"{column.name} {column.type} is {field['type']}")
    return _rows([field["name"] for field in fields], records, schema, path)


def _check_table(facts: Mapping[str, Any], schema: SchemaFile) -> None:
    if (facts["schema"], facts["table"], facts["version"]) != (schema.schema, schema.table, schema.version):
        raise Damage("row.names", f"the file is of {facts}, in the directory of {schema.schema}.{schema.table}")


def _check_columns(own: Sequence[str], names: Sequence[str], schema: SchemaFile) -> None:
    if list(own) != OWN or list(names) != [column.name for column in schema.columns]:
        raise Damage("row.width", f"the columns are {own} and {names}")


def _arrow_type(column: SchemaColumn, facts: Mapping[str, Any]) -> pa.DataType:
    """A decimal is text where the source did not say its precision: the schema file then has a default."""
    if column.type.startswith("DECIMAL") and 1 <= facts.get("length", 0) <= 38:
        return pa.decimal128(facts["length"], facts.get("scale", 0))
    return _ARROW.get(column.type, pa.utf8())


def _rows(names: Sequence[str], records: Iterable[Any], schema: SchemaFile, path: str) -> Iterator[Row]:
    before = (-1, -1)
    for number, record in enumerate(records, 1):
        (
            op,
            *position,
        ) = (record[name] for name in OWN)
        place = f"{path}:{number}"
        if op not in ("I", "U", "D"):
            raise Damage("row.op", f"{place}: {op!r} is no operation")
        if tuple(position) <= before:
            raise Damage("row.order", f"{place}: {tuple(position)} comes after {before}")
        before = (position[0], position[1])
        values = (_text(record[name], column) for name, column in zip(names[3:], schema.columns, strict=True))
        yield Row(op, position[0], tuple(values), place)


def _text(value: Any, column: SchemaColumn) -> str | None:
    """As CSV shows it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float):
        return go_v(value, single=column.type == "FLOAT")
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
