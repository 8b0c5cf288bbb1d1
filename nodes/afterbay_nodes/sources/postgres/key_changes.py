"""Updates that change a row's key, as a delete of the old key and an insert of the new row, in place.

In place is right: the server checks a key that identifies rows at each change, never at the end of a transaction (a
deferrable one cannot be a replica identity), so no two rows have one key at any moment, and a key that changes twice
ends where its row does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from afterbay.messages import Op
from afterbay_nodes.sources.postgres.cutting import Mask
from afterbay_nodes.sources.postgres.tuples import DecodedRows, OldKind


def split_key_changes(decoded: DecodedRows, key: Sequence[int]) -> tuple[DecodedRows, pa.Array | None]:
    """`decoded` with its updates of the columns `key` (their indices) split, and which row each row comes from.

    The second is int64[m], rising, to `take` what stands beside the rows (commit-ts); None where nothing was split, and
    `decoded` is given back as it is. Ordinals are to be counted after this. The delete has the old tuple (null outside
    of the key, if no more was sent), the insert no before-image; a value that the server did not send stays marked as
    `unchanged` in the insert.
    """
    changed = _changed(decoded, key)
    if not changed.any():
        return decoded, None
    assert decoded.before is not None
    count = len(changed)
    source = np.repeat(np.arange(count), changed + 1)
    of_pair = changed[source]
    second = np.concatenate((np.zeros(1, np.bool_), source[1:] == source[:-1]))
    deleted = of_pair & ~second
    # Old tuples stand behind the rows, so that one `take` picks from both.
    picked = pa.array(np.where(deleted, source + count, source))
    rows = [
        pa.concat_arrays([row, old]).take(picked)
        for row, old in zip(decoded.rows.columns, decoded.before.columns, strict=True)
    ]
    ops = np.where(deleted, Op.DELETE, np.where(of_pair, Op.INSERT, decoded.ops.to_numpy()[source]))
    old = np.where(second, OldKind.NONE, decoded.old.to_numpy()[source])
    kept = pa.array(source, mask=of_pair)
    unchanged = {
        index: pa.array(mask.to_numpy(zero_copy_only=False)[source] & ~deleted)
        for index, mask in decoded.unchanged.items()
    }
    still = bool((~changed & decoded.before_known()).any())
    return (
        DecodedRows(
            pa.RecordBatch.from_arrays(rows, schema=decoded.rows.schema),
            pa.array(ops.astype(np.uint8)),
            pa.array(old.astype(np.uint8)),
            decoded.before.take(kept) if still else None,
            unchanged,
        ),
        pa.array(source),
    )


def _changed(decoded: DecodedRows, key: Sequence[int]) -> Mask:
    """Which updates have another key than before. Without an old tuple there is none."""
    changed = np.zeros(decoded.rows.num_rows, np.bool_)
    if decoded.before is None:
        return changed
    for index in key:
        now, was = decoded.rows.column(index), decoded.before.column(index)
        same = pc.or_(pc.fill_null(pc.equal(now, was), False), pc.and_(pc.is_null(now), pc.is_null(was)))
        changed |= ~same.to_numpy(zero_copy_only=False)
    return changed & decoded.before_known()
