"""An Avro file's fields -> the columns that its schema file says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from afterbay.schema import Column, TableSchema
from afterbay_nodes.decoders.described_check import NotAsDescribed, check_columns, check_table
from afterbay_nodes.decoders.parsed_values import typed
from afterbay_nodes.decoders.text_values import values_of
from afterbay_nodes.encoders.avro_schema import avro_name, avro_schema, avro_type
from afterbay_nodes.encoders.described import BEFORE, COLUMN_KEY, TABLE_KEY

Values = Callable[[Sequence[object]], pa.Array]

_KINDS: Mapping[str, type] = {"int": int, "long": int, "float": float, "double": float, "bytes": bytes, "string": str}


@dataclass(frozen=True, slots=True)
class AvroWay:
    """How a file's fields become the schema's columns. `names` are the fields'; `before`: there is one of such rows."""

    names: tuple[str, ...]
    values: tuple[Values, ...]
    before: bool

    @classmethod
    def of(cls, record: object, schema: TableSchema) -> AvroWay:
        """`record` is the schema of the file. Raises NotAsDescribed if it is not one that Afterbay gives `schema`."""
        if not isinstance(record, dict) or not isinstance(record.get("fields"), list):
            raise NotAsDescribed("the file does not hold records")
        check_table(record.get(TABLE_KEY), schema)
        fields = record["fields"]
        facts = [field[COLUMN_KEY] for field in fields if isinstance(field, dict) and COLUMN_KEY in field]
        check_columns(facts, schema)
        before = _name(fields[-1]) == BEFORE
        expected = avro_schema(schema, before=before)["fields"]
        assert isinstance(expected, list)
        for found, wanted in zip(fields, expected, strict=False):
            if _bare(found) != _bare(wanted):
                raise NotAsDescribed(f"the field {_bare(found)} of the file is to be {_bare(wanted)}")
        if len(fields) != len(expected):
            raise NotAsDescribed(f"the file has {len(fields)} fields, which are to be {len(expected)}")
        columns = schema.stored_columns
        return cls(tuple(avro_name(c.name) for c in columns), tuple(partial(_values, c) for c in columns), before)


def _values(column: Column, values: Sequence[object]) -> pa.Array:
    """One column. Raises BadText."""
    found = avro_type(column)
    kind = _KINDS[found]
    if kind is not str:
        return typed(column, values, kind, column.arrow_type)
    return values_of(column, typed(column, values, str, pa.utf8()), binary="base64", by_name=True)


def _name(field: object) -> object:
    return field.get("name") if isinstance(field, dict) else None


def _bare(value: object) -> object:
    """A part of an Avro schema without our own properties, which are compared by what they mean."""
    if isinstance(value, dict):
        # A record inside has its name in one piece or two.
        left = {COLUMN_KEY, "default", *(("name", "namespace") if value.get("type") == "record" else ())}
        return {key: _bare(item) for key, item in value.items() if key not in left}
    return [_bare(item) for item in value] if isinstance(value, list) else value
