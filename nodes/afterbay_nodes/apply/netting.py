"""Changes of one table netted by key: of all changes of a key only the last one counts.

Kernels only, no loop over rows. What comes out needs no order any more: each key is in it once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.messages import Op

_PLACE = "\x00place"  # no column is called like this


class KeyMissing(ValueError):
    """A key column is null: `index` is the first such row, `column` the column's name."""

    def __init__(self, column: str, index: int) -> None:
        super().__init__(f"key column {column!r} is null")
        self.column = column
        self.index = index


@dataclass(frozen=True, slots=True)
class Net:
    """What a run of changes leaves to be done. `stand` are whole rows, `gone` the key columns of rows that must not be.

    `stand_from` says for each row of `stand` which of the given rows it was (int64), in rising order.
    """

    stand: pa.Table
    stand_from: pa.Array
    gone: pa.Table


def net(rows: pa.Table, ops: pa.Array, keys: Sequence[str], before: pa.Table | None = None) -> Net:
    """Nets `rows` (in commit order; after-images, of deletes the before-image) by `keys`; `ops` is uint8, `Op`.

    `before` holds complete before-images where `ops` is UPDATE: an update that changed the key also removes the old
    one. Raises KeyMissing.
    """
    _refuse_nulls(rows, keys)
    n = rows.num_rows
    ops = ops.combine_chunks() if isinstance(ops, pa.ChunkedArray) else ops
    places = pa.arange(0, n)
    events = rows.select(keys).append_column(_PLACE, places)
    moved = _moved(rows, ops, keys, before)
    if moved is not None:
        # Twice the place leaves room for a removal just before the row that it belongs to.
        doubled = pc.multiply(places, 2)
        removed = before.select(keys).take(moved) if before is not None else rows.select(keys).slice(0, 0)
        earlier = removed.append_column(_PLACE, pc.subtract(pc.multiply(moved, 2), 1))
        events = pa.concat_tables([events.set_column(len(keys), _PLACE, doubled), earlier.cast(events.schema)])
    last = _plain(events, keys).group_by(list(keys), use_threads=False).aggregate([(_PLACE, "max")])
    final = last[f"{_PLACE}_max"].combine_chunks()
    if moved is None:
        if len(final) == n:
            return _split(rows, ops, keys, places)
        return _split(rows, ops, keys, final.take(pc.sort_indices(final)))
    own = pc.equal(pc.bit_wise_and(final, 1), 0)
    kept = pc.divide(final.filter(own), 2)
    split = _split(rows, ops, keys, kept.take(pc.sort_indices(kept)))
    lost = pc.divide(pc.add(final.filter(pc.invert(own)), 1), 2)
    assert before is not None
    gone = before.select(keys).take(lost.take(pc.sort_indices(lost))).cast(split.gone.schema)
    return Net(split.stand, split.stand_from, pa.concat_tables([split.gone, gone]))


def _split(rows: pa.Table, ops: pa.Array, keys: Sequence[str], places: pa.Array) -> Net:
    whole = len(places) == rows.num_rows
    kept_ops = ops if whole else ops.take(places)
    deleted = pc.equal(kept_ops, pa.scalar(int(Op.DELETE), pa.uint8()))
    if not pc.any(deleted).as_py():
        stand = rows if whole else rows.take(places)
        return Net(stand, places, rows.select(keys).slice(0, 0))
    stand_from = places.filter(pc.invert(deleted))
    return Net(rows.take(stand_from), stand_from, rows.select(keys).take(places.filter(deleted)))


def _moved(rows: pa.Table, ops: pa.Array, keys: Sequence[str], before: pa.Table | None) -> pa.Array | None:
    """The places of updates whose before-image has another key; None if there are none."""
    if before is None:
        return None
    differs = None
    for key in keys:
        other = pc.fill_null(pc.not_equal(rows[key], before[key]), False)
        differs = other if differs is None else pc.or_(differs, other)
    if differs is None:
        return None
    differs = pc.and_(differs, pa.chunked_array([pc.equal(ops, pa.scalar(int(Op.UPDATE), pa.uint8()))]))
    found = pc.indices_nonzero(differs).cast(pa.int64())
    return found if len(found) else None


def _refuse_nulls(rows: pa.Table, keys: Sequence[str]) -> None:
    for key in keys:
        if rows[key].null_count:
            raise KeyMissing(key, int(pc.indices_nonzero(pc.is_null(rows[key]))[0].as_py()))


def _plain(events: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Grouping compares bits: -0.0 is made 0.0, which every database takes for the same key."""
    for index, key in enumerate(keys):
        if pa.types.is_floating(events.schema.field(key).type):
            zeroed = pc.add(events[key], pa.scalar(0.0, events.schema.field(key).type))
            events = events.set_column(index, key, zeroed)
    return events
