"""What files that carry their own schema (Parquet, Avro) say of a table and of a change, in the same words.

Three columns stand before a table's own, and one may stand behind them. Their names begin with `_`, and a table's
column of the same name is escaped, so they cannot meet. The true names and the logical types go along as JSON under two
keys, so that a reader can rebuild the schema.
"""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.messages import ChangeBatch, Op
from afterbay.schema import Column, Json, TableSchema

OPERATION = "_op"
COMMIT_TS = "_commit_ts"
ORDINAL = "_ordinal"
BEFORE = "_before"
OWN_NAMES = frozenset({OPERATION, COMMIT_TS, ORDINAL, BEFORE})

TABLE_KEY = "afterbay.table"
COLUMN_KEY = "afterbay.column"

LETTERS = ("I", "U", "D")
"""By the number of the operation."""

ESCAPED_UNDERSCORE = "_x005F_"


def table_facts(schema: TableSchema) -> dict[str, Json]:
    """Names, version and ids of the table, as plain data."""
    facts: dict[str, Json] = {"schema": schema.name.schema, "table": schema.name.table, "version": schema.version}
    ids = {"table_id": schema.table_id, "partition_id": schema.partition_id}
    return facts | {key: value for key, value in ids.items() if value is not None}


def column_facts(column: Column) -> dict[str, Json]:
    """Name and logical type, as plain data: what `Column.from_json` takes."""
    return column.to_json()


def as_text(facts: object) -> str:
    """Facts as ASCII JSON: the same for the same facts in every process."""
    return json.dumps(facts)


def updates(batch: ChangeBatch) -> pa.Array:
    """bool[n]: which changes are updates."""
    return pc.equal(batch.ops, pa.scalar(int(Op.UPDATE), pa.uint8()))
