"""Rows become Debezium change events, by kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.messages import ChangeBatch, Op
from afterbay_nodes.constants import constants
from afterbay_nodes.encoders.debezium_table import DebeziumTable
from afterbay_nodes.encoders.intake import op_counts
from afterbay_nodes.encoders.joining import Piece, constant, joined, text_of
from afterbay_nodes.encoders.json_object import json_object, null_but
from afterbay_nodes.encoders.wall_time import commit_ms

Envelope = Literal["bare", "payload"]
_OP_LETTERS = constants(*({Op.INSERT: b"c", Op.UPDATE: b"u", Op.DELETE: b"d"}[op] for op in sorted(Op)))
_WRAPPERS = {"bare": (b"", b""), "payload": (b'{"payload":', b"}")}


@dataclass(frozen=True, slots=True)
class DebeziumForm:
    """The options that shape a line."""

    envelope: Envelope
    terminator: bytes


@dataclass(frozen=True, slots=True)
class DebeziumImages:
    """The images to write: `after` of inserts and updates and `before` of deletes are rows of `image`.

    `before` has the before-images of the updates, aligned; None where there are none, or none to be written.
    """

    image: pa.RecordBatch
    before: pa.RecordBatch | None


def debezium_lines(
    batch: ChangeBatch, images: DebeziumImages, table: DebeziumTable, form: DebeziumForm, ts: int
) -> pa.Array:
    """One event a line, `ts` (ms) being the time of encoding. Raises ValueError if a value has no form."""
    before, after = _before_and_after(batch, images, table)
    start, end = _WRAPPERS[form.envelope]
    pieces: list[Piece] = [start, b'{"before":', *before, b',"after":', *after, b',"source":', table.source]
    pieces += [text_of(commit_ms(batch)), table.names, b',"commit_ts":', text_of(batch.commit_ts)]
    pieces += [b',"ordinal":', text_of(batch.ordinals), b'},"op":"', _OP_LETTERS.take(batch.ops)]
    pieces += [b'","ts_ms":%d,"transaction":null}' % ts, end, form.terminator]
    return joined(pieces, batch.num_rows)


def _before_and_after(
    batch: ChangeBatch, images: DebeziumImages, table: DebeziumTable
) -> tuple[list[Piece], list[Piece]]:
    """The two members. An image is joined on its own only where rows differ in whether they have it."""
    deletes = op_counts(batch)[Op.DELETE]
    image = json_object(images.image, table.columns)
    before: list[Piece] = [b"null"]
    if deletes == batch.num_rows:
        return image, [b"null"]
    if deletes:
        objects = joined(image, batch.num_rows)
        null = constant(b"null", objects)
        gone = pc.equal(batch.ops, pa.scalar(int(Op.DELETE), pa.uint8()))
        before, image = [pc.if_else(gone, objects, null)], [pc.if_else(gone, null, objects)]
    if images.before is not None:
        updates = pc.equal(batch.ops, pa.scalar(int(Op.UPDATE), pa.uint8()))
        old = images.before.filter(updates)
        objects = joined(json_object(old, table.columns), old.num_rows)
        before = [_merged(before[0], null_but(objects, updates), updates)]
    return before, image


def _merged(deleted: Piece, updated: pa.Array, updates: pa.Array) -> pa.Array:
    """The before-images of both: `updated` where `updates` holds, else `deleted`."""
    return updated if isinstance(deleted, bytes) else pc.if_else(updates, updated, deleted)
