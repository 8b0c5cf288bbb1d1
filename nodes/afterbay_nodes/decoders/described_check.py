"""Are the table and the columns that a file describes (Parquet, Avro) those of its schema file?"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.messages import Op
from afterbay.schema import TEMPORAL_TYPES, Column, TableSchema
from afterbay_nodes.constants import constants
from afterbay_nodes.encoders.described import LETTERS

_LETTERS = constants(*LETTERS)
_WITH_DIGITS = TEMPORAL_TYPES | {"decimal"}


class NotAsDescribed(ValueError):
    """What differs. `row` is the index of a row, None where it is the file as a whole."""

    def __init__(self, message: str, row: int | None = None) -> None:
        super().__init__(message)
        self.row = row


def check_table(facts: object, schema: TableSchema) -> None:
    """Raises NotAsDescribed unless `facts` names the table. A version may cover the files of several partitions."""
    found = (facts.get("schema"), facts.get("table")) if isinstance(facts, dict) else None
    if found != tuple(schema.name):
        raise NotAsDescribed(f"the file is of {found}, the schema file of {tuple(schema.name)}")


def check_columns(facts: Sequence[object], schema: TableSchema) -> None:
    """Raises NotAsDescribed unless `facts` are those of the stored columns, in their order.

    Only what gives a value its meaning is compared: a schema file does not tell keys, zerofill and unknown widths.
    """
    wanted = schema.stored_columns
    names = [fact.get("name") if isinstance(fact, dict) else None for fact in facts]
    if names != [column.name for column in wanted]:
        absent = [column.name for column in wanted if column.name not in names]
        hint = "; a virtual column is in no row" if absent else ""
        raise NotAsDescribed(f"the file has the columns {names}, the schema file {[c.name for c in wanted]}{hint}")
    for fact, column in zip(facts, wanted, strict=True):
        found, expected = _meaning(fact), _meaning(column.to_json())
        if found != expected:
            raise NotAsDescribed(f"column {column.name!r} is {found} in the file, {expected} in the schema file")


def facts_of(text: bytes | None) -> object:
    """JSON facts as data; None for what is none."""
    try:
        return json.loads(text) if text is not None else None
    except (ValueError, RecursionError):
        return None


def check_digits(scale: int, column: Column) -> None:
    """Raises NotAsDescribed if a decimal of `scale` digits is not the column's."""
    if scale != (column.scale or 0):
        raise NotAsDescribed(f"column {column.name!r} has {scale} digits in the file, not {column.scale or 0}")


def ops_of(letters: pa.Array) -> pa.Array:
    """Letters as operations, uint8. Raises NotAsDescribed for another one, or none."""
    ops = pc.index_in(letters, _LETTERS).cast(pa.uint8())
    if ops.null_count:
        row = pc.index(pc.is_null(ops), True).as_py()
        raise NotAsDescribed(f"the operation is {letters[row].as_py()!r}, not I, U or D", row)
    return ops


def check_whole(name: str, values: pa.Array) -> pa.Array:
    """`values`. Raises NotAsDescribed if one is null."""
    if values.null_count:
        raise NotAsDescribed(f"`{name}` is null", pc.index(pc.is_null(values), True).as_py())
    return values


def check_before(present: pa.Array, ops: pa.Array) -> None:
    """Raises NotAsDescribed unless the rows before (`present`, bool) are those of the updates."""
    wrong = pc.not_equal(present, pc.equal(ops, pa.scalar(int(Op.UPDATE), pa.uint8())))
    if pc.any(wrong).as_py():
        raise NotAsDescribed("`_before` is there for an update, and null otherwise", pc.index(wrong, True).as_py())


def _meaning(fact: object) -> dict[str, object]:
    if not isinstance(fact, dict):
        return {}
    kind = fact.get("type")
    digits = {"scale": fact.get("scale") or 0} if kind in _WITH_DIGITS else {}
    elements = fact.get("elements") or []
    return {"type": kind, "unsigned": bool(fact.get("unsigned")), "elements": elements} | digits
