"""A run of row messages as columns: `decode_rows`.

Nothing here loops over rows in Python. For each column, the places of its fields in the joined messages are found for
all rows at once (`tuple_walk`), and cut out into a compact column by one kernel (`cutting`); others read the text
(`values`). A reference that reads message by message is in tests/support, and both agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import pyarrow as pa

from afterbay.errors import Place, RunFailed
from afterbay.messages import Op
from afterbay.printable import visible
from afterbay_nodes.sources.postgres.cutting import Mask, cut_out
from afterbay_nodes.sources.postgres.lsn import lsn_text
from afterbay_nodes.sources.postgres.pgoutput import DELETE, INSERT, UPDATE, Relation
from afterbay_nodes.sources.postgres.row_run import Letters, Positions, RowRun
from afterbay_nodes.sources.postgres.tuple_walk import Fields, Walk
from afterbay_nodes.sources.postgres.type_table import Mapped
from afterbay_nodes.sources.postgres.typed import typed

_OID_BYTES = 4
_COUNT_BYTES = 2
_NEW, _KEY, _OLD = (ord(mark) for mark in "NKO")

_OPS = np.zeros(256, np.uint8)
_OPS[[INSERT, UPDATE, DELETE]] = [Op.INSERT, Op.UPDATE, Op.DELETE]


class OldKind(IntEnum):
    """What a message has of the row before the change."""

    NONE = 0
    KEY = 1  # the columns of the replica identity; the others are null
    FULL = 2  # the whole row (REPLICA IDENTITY FULL)


_OLD_KINDS = np.zeros(256, np.uint8)
_OLD_KINDS[[_KEY, _OLD]] = [OldKind.KEY, OldKind.FULL]


@dataclass(frozen=True, slots=True)
class DecodedRows:
    """n changes of one relation, in the order of their messages.

    `rows` is the row after an insert or update and before a delete: with `old` KEY, a deleted row is null outside of
    its key. `ops` is uint8[n] as in a change batch, `old` uint8[n] of `OldKind`. `before` has the old tuples of
    updates, in the columns of `rows` (null outside of the key with KEY), and rows of nulls for inserts, deletes and
    updates that came without one; it is None if no update has any. An update comes without one only if its key did not
    change.

    `unchanged` is by a column's index: bool[n], true where an update left a TOAST value as it was and the server did
    not send it. Such a value is null in `rows` and **not known**: the source refuses the update (the table needs
    REPLICA IDENTITY FULL), or looks the value up. Where the old tuple has it, it was filled in and is not in the mask.
    """

    rows: pa.RecordBatch
    ops: pa.Array
    old: pa.Array
    before: pa.RecordBatch | None
    unchanged: Mapping[int, pa.Array]

    def before_known(self) -> Mask:
        """bool[n]: the updates whose row of `before` is an old tuple."""
        known: Mask = (self.ops.to_numpy() == Op.UPDATE) & (self.old.to_numpy() != OldKind.NONE)
        return known


def decode_rows(relation: Relation, run: RowRun, columns: Sequence[Mapped]) -> DecodedRows:
    """Decodes `run`, whose messages are all of `relation`; `columns` are its `mapped_columns`.

    Raises RunFailed `postgres.protocol` for bytes that are no rows of the relation, and `postgres.value` for a value
    that its column cannot hold, each with table and position.
    """
    if not columns:
        raise RunFailed(
            "postgres.no_columns",
            "a table without columns has rows, which no column of the store can hold",
            place=Place(table=visible(_table(relation)), position=lsn_text(run.lsn_of(0))),
            hint="leave the table out",
        )
    walk = Walk(run, relation)
    kind, mark, at = _heads(relation, run, walk)
    has_old = mark != _NEW
    images = _two_images(relation, run, walk, kind, mark, at) if has_old.any() else _one_image(run, walk, at)
    has_before = bool((has_old & (kind == UPDATE)).any())
    rows, before, unchanged = [], [], {}
    for index, (column, (now, was)) in enumerate(zip(columns, images, strict=True)):
        if now.unchanged is not None and now.unchanged.any():
            unchanged[index] = pa.array(now.unchanged)
        rows.append(_column(relation, run, column, now))
        if has_before:
            assert was is not None
            before.append(_column(relation, run, column, was))
    schema = pa.schema([pa.field(column.column.name, column.column.arrow_type) for column in columns])
    return DecodedRows(
        pa.RecordBatch.from_arrays(rows, schema=schema),
        pa.array(_OPS[kind]),
        pa.array(_OLD_KINDS[mark]),
        pa.RecordBatch.from_arrays(before, schema=schema) if has_before else None,
        unchanged,
    )


def _heads(relation: Relation, run: RowRun, walk: Walk) -> tuple[Letters, Letters, Positions]:
    """Each message's kind, its first tuple's mark, and where that tuple begins."""
    skip = 1 + (_OID_BYTES if run.streamed else 0)
    start = run.starts
    walk.check(start + skip + _OID_BYTES + 1 <= run.ends, "a row message ends before its row")
    kind, oid = run.uint8(start), run.int32(start + skip)
    mark = run.uint8(start + skip + _OID_BYTES)
    walk.check(_OPS[kind].astype(np.bool_) | (kind == INSERT), "a message among rows is none")
    walk.check((oid & 0xFFFFFFFF) == relation.oid, "a row is of another relation")
    old = (mark == _KEY) | (mark == _OLD)
    good = np.where(kind == INSERT, mark == _NEW, np.where(kind == DELETE, old, old | (mark == _NEW)))
    walk.check(good, "a row's tuple is marked as none of its kind")
    return kind, mark, start + skip + _OID_BYTES + 1


def _one_image(run: RowRun, walk: Walk, at: Positions) -> Iterator[tuple[Fields, None]]:
    """The images of a run in which no row has an old tuple: column by column, that of `rows`."""
    end = at + _COUNT_BYTES
    for fields in walk.columns(None, at):
        end = fields.end
        yield fields, None
    walk.check(end == run.ends, "a row goes on behind its columns")


def _two_images(
    relation: Relation, run: RowRun, walk: Walk, kind: Letters, mark: Letters, at: Positions
) -> Iterator[tuple[Fields, Fields]]:
    """The images of a run in which some rows have an old tuple: column by column, those of `rows` and of `before`."""
    has_old = mark != _NEW
    old_rows, new_rows = np.flatnonzero(has_old), np.flatnonzero(kind != DELETE)
    # An update's new tuple stands behind its old one, and has a mark of its own. So old tuples are walked twice.
    begins = at.copy()
    begins[old_rows] = walk.ends(old_rows, at[old_rows])
    walk.check((kind != DELETE) | (begins == run.ends), "a row goes on behind its columns")
    second = has_old & (kind != DELETE)
    walk.check(~second | (begins < run.ends), "an update ends behind its old row")
    walk.check(~second | (run.uint8(begins) == _NEW), "an update has no new row")
    begins[second] += 1
    full, end = mark == _OLD, begins
    for column, old, new in zip(
        relation.columns, walk.columns(old_rows, at[old_rows]), walk.columns(new_rows, begins[new_rows]), strict=True
    ):
        walk.check(_all_known(old, len(run), old_rows), f"the old row's column {column.name!a} is not told")
        was, now = _spread(old, old_rows, at), _spread(new, new_rows, at)
        end = now.end
        if now.unchanged is not None:
            now = _chosen(now.unchanged & (has_old if column.key else full), was, now)
        yield _chosen(kind == DELETE, was, now), _without(kind != UPDATE, was)
    walk.check((kind == DELETE) | (end == run.ends), "a row goes on behind its columns")


def _all_known(fields: Fields, count: int, rows: Positions) -> Mask:
    known = np.ones(count, np.bool_)
    if fields.unchanged is not None:
        known[rows] = ~fields.unchanged
    return known


def _spread(fields: Fields, rows: Positions, at: Positions) -> Fields:
    """`fields` of some rows as those of all; the others are null."""
    start, end = at.copy(), at.copy()
    start[rows], end[rows] = fields.start, fields.end
    null = np.ones(len(at), np.bool_)
    null[rows] = False if fields.null is None else fields.null
    unchanged = None
    if fields.unchanged is not None:
        unchanged = np.zeros(len(at), np.bool_)
        unchanged[rows] = fields.unchanged
    return Fields(start, end, null, unchanged)


def _chosen(mask: Mask, first: Fields, second: Fields) -> Fields:
    """`first` where `mask`, else `second`. Both lie within the same row's message, so positions still rise."""
    assert first.null is not None
    assert second.null is not None
    return Fields(
        np.where(mask, first.start, second.start),
        np.where(mask, first.end, second.end),
        np.where(mask, first.null, second.null),
        None if second.unchanged is None else second.unchanged & ~mask,
    )


def _without(mask: Mask, fields: Fields) -> Fields:
    """`fields`, null where `mask`."""
    assert fields.null is not None
    return Fields(fields.start, fields.end, fields.null | mask, None)


def _column(relation: Relation, run: RowRun, mapped: Mapped, fields: Fields) -> pa.Array:
    """The fields as a column. Raises RunFailed `postgres.value`."""
    null = fields.null
    if fields.unchanged is not None:
        null = fields.unchanged if null is None else null | fields.unchanged
    cut = cut_out(run.buffer, fields.start, fields.end, null)
    return typed(mapped, cut, _table(relation), lambda row: lsn_text(run.lsn_of(row)))


def _table(relation: Relation) -> str:
    return f"{relation.schema}.{relation.name}"
