"""Rows as a file or a log has them, as changes of one form: an update is one change, whichever way it was stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.messages import ChangeBatch, Op
from afterbay_nodes.decoders.stored_rows import StoredRows


@dataclass(frozen=True, slots=True)
class Changes:
    """Some neighbouring changes, n of them, in columns.

    `ops` uint8[n]; `commit_ts` uint64[n] or None; `columns` the table's own (after-image of I and U, before-image of
    D). `before` holds the m before-images that there are, in order, and `before_of` (int64[m]) which change each is of,
    counted from the first of these; it may be n, where the change itself comes with the next rows.
    """

    ops: pa.Array
    commit_ts: pa.Array | None
    columns: tuple[pa.Array, ...]
    before_of: pa.Array
    before: tuple[pa.Array, ...]

    @property
    def count(self) -> int:
        """How many changes."""
        return len(self.ops)

    def slice(self, start: int, stop: int) -> Changes:
        """Changes [start, stop) without a copy, with their before-images."""
        low, high = _below(self.before_of, start), _below(self.before_of, stop)
        return Changes(
            self.ops.slice(start, stop - start),
            None if self.commit_ts is None else self.commit_ts.slice(start, stop - start),
            tuple(column.slice(start, stop - start) for column in self.columns),
            pc.subtract(self.before_of.slice(low, high - low), start),
            tuple(column.slice(low, high - low) for column in self.before),
        )

    def without_before(self) -> Changes:
        """The same without before-images."""
        return replace(self, before_of=_NONE, before=tuple(column.slice(0, 0) for column in self.columns))


_NONE = pa.nulls(0, pa.int64())


def of_stored(chunk: StoredRows) -> Changes:
    """The changes of a file's rows. Halves of an update become one."""
    if chunk.is_update is None:
        return _whole(chunk.ops, chunk.commit_ts, chunk.rows, chunk.before)
    flags = pc.fill_null(chunk.is_update, False)
    first = pc.and_(flags, pc.equal(chunk.ops, _op(Op.DELETE)))
    kept = pc.invert(first)
    ops = pc.if_else(pc.and_(flags, kept), _op(Op.UPDATE), chunk.ops).filter(kept)
    halves = pc.indices_nonzero(first).cast(pa.int64())
    # Of the rows before the k-th half, k are halves: the others are the changes before its update.
    before_of = pc.subtract(halves, pa.arange(0, len(halves)))
    return Changes(
        ops,
        None if chunk.commit_ts is None else chunk.commit_ts.filter(kept),
        tuple(column.filter(kept) for column in chunk.rows.columns),
        before_of,
        tuple(column.filter(first) for column in chunk.rows.columns),
    )


def of_batch(batch: ChangeBatch) -> Changes:
    """The changes of a source's batch."""
    return _whole(batch.ops, batch.commit_ts, batch.rows, batch.before)


def _whole(ops: pa.Array, commit_ts: pa.Array | None, rows: pa.RecordBatch, before: pa.RecordBatch | None) -> Changes:
    none = tuple(column.slice(0, 0) for column in rows.columns)
    if before is None:
        return Changes(ops, commit_ts, tuple(rows.columns), _NONE, none)
    updates = pc.equal(ops, _op(Op.UPDATE))
    images = tuple(column.filter(updates) for column in before.columns)
    return Changes(ops, commit_ts, tuple(rows.columns), pc.indices_nonzero(updates).cast(pa.int64()), images)


def without(changes: Changes, columns: Sequence[int]) -> Changes:
    """The same with nulls in some columns of deletes: as a file has them that stores only keys of deletes."""
    if not columns:
        return changes
    deletes = pc.equal(changes.ops, _op(Op.DELETE))
    blanked = tuple(
        pc.if_else(deletes, pa.scalar(None, column.type), column) if at in columns else column
        for at, column in enumerate(changes.columns)
    )
    return replace(changes, columns=blanked)


def _op(op: Op) -> pa.Scalar:
    return pa.scalar(int(op), pa.uint8())


def _below(rising: pa.Array, bound: int) -> int:
    """How many of `rising` are below `bound`."""
    return int(pc.sum(pc.less(rising, bound)).as_py() or 0)
