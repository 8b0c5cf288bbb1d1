"""Files of the real encoders and what a decoder makes of them, as plain Python values."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from afterbay.messages import ChangeBatch, EncodedBatch, Op
from afterbay.node import Transform
from afterbay.schema import TEMPORAL_TYPES, Column, TableSchema
from afterbay_nodes.decoders.stored_rows import StoredRows
from tests.support.batches import operator

Values = tuple[Any, ...]
Plain = tuple[str, int | None, bool | None, Values, Values | None]


def file_of(node: Transform[ChangeBatch, EncodedBatch], *batches: ChangeBatch) -> bytes:
    """The file that `node` makes of some batches of one table: its header, if it has one, and all bodies."""
    encoder = operator(node)
    made = [encoder.process(batch) for batch in batches]
    assert all(isinstance(item, EncodedBatch) for item in made)
    form = made[0].head.format
    if form.assembler is None:
        return b"".join([form.header, *(buffer.to_pybytes() for item in made for buffer in item.body)])
    file = KeptBytes()
    form.assembler.assemble((item.body for item in made), file)
    return file.getvalue()


class KeptBytes(io.BytesIO):
    """A file in memory, of which a writer may think that it has closed it."""

    def close(self) -> None:
        """Stays open."""


def wanted(batch: ChangeBatch, *, before: bool, commit_ts: bool) -> list[Plain]:
    """The rows of a batch, one after the other; an update's before-image if `before`."""
    after = _values(batch.schema, batch.rows)
    old = _values(batch.schema, batch.before) if batch.before is not None else [None] * len(after)
    return [
        (
            "IUD"[op],
            ts if commit_ts else None,
            None,
            values,
            older if before and op == Op.UPDATE else None,
        )
        for op, ts, values, older in zip(batch.ops.to_pylist(), batch.commit_ts.to_pylist(), after, old, strict=True)
    ]


def split(rows: Iterable[Plain], olds: Iterable[Values | None]) -> list[Plain]:
    """The same with each update as a delete of its before-image and an insert of its after-image."""
    out: list[Plain] = []
    for (op, ts, _, values, _), old in zip(rows, olds, strict=True):
        if op == "U":
            assert old is not None
            out += [("D", ts, True, old, None), ("I", ts, True, values, None)]
        else:
            out.append((op, ts, False, values, None))
    return out


def olds(batch: ChangeBatch) -> list[Values | None]:
    """The before-images of a batch, row by row."""
    return list(_values(batch.schema, batch.before)) if batch.before is not None else [None] * batch.num_rows


def got(chunks: Iterable[StoredRows], schema: TableSchema) -> list[Plain]:
    """What a decoder gave, row by row; its chunks are checked to be whole and to follow each other."""
    out: list[Plain] = []
    for chunk in chunks:
        assert chunk.first_row == len(out) + 1
        n = chunk.num_rows
        assert chunk.rows.schema.equals(schema.arrow_schema)
        chunk.rows.validate(full=True)
        assert chunk.ops.type == pa.uint8()
        assert len(chunk.ops) == n > 0
        ts = chunk.commit_ts.to_pylist() if chunk.commit_ts is not None else [None] * n
        flags = chunk.is_update.to_pylist() if chunk.is_update is not None else [None] * n
        before = _values(schema, chunk.before) if chunk.before is not None else [None] * n
        rows = zip(chunk.ops.to_pylist(), ts, flags, _values(schema, chunk.rows), before, strict=True)
        out += [("IUD"[op], t, flag, values, old if op == Op.UPDATE else None) for op, t, flag, values, old in rows]
    return out


def _values(schema: TableSchema, image: pa.RecordBatch) -> list[Values]:
    columns: Sequence[list[Any]] = [
        [_comparable(column, value) for value in values.to_pylist()]
        for column, values in zip(schema.stored_columns, image.columns, strict=True)
    ]
    return list(zip(*columns, strict=True))


def _comparable(column: Column, value: Any) -> Any:
    """NaN equals NaN, and -0.0 is not 0.0. An enum's '' may be index 0 or an element of that name.

    Of a fraction of unknown length the zeros at its end may be lost.
    """
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else (value, math.copysign(1, value))
    if column.type in ("enum", "set") and value is not None:
        if column.type == "enum":
            return column.elements[value - 1] if value else ""
        return ",".join(name for bit, name in enumerate(column.elements) if value >> bit & 1)
    if column.type in TEMPORAL_TYPES and not column.scale and value is not None:
        return re.sub(r"\.?0*$", "", value) if "." in value else value  # it is not told how many digits stand there
    return value
