"""Values of canal-json lines are proven by writing them again: what the decoder made of a line gives its bytes, or not.

Before- and after-image, column order, escapes, the form of every number, and `_tidb` are the protocol's to fix, so that
the encoder's kernels must come to the same bytes. Two options are the writer's and seen in no other way: only changed
columns in `old`, and only the handle key in deletes. What fits some of the four ways for all rows of a file is right.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.messages import Op
from afterbay.schema import TableSchema
from afterbay_nodes.decoders.stored_rows import StoredRows
from afterbay_nodes.encoders.canal_lines import CanalForm, CanalRows, canal_images, interleaved
from afterbay_nodes.encoders.canal_table import CanalTables
from afterbay_nodes.encoders.joining import joined

_SHOWN = 40  # bytes of a line that are shown around a difference

Way = tuple[bool, bool]
"""(only changed columns in `old`, only the handle key in deletes)."""


class CanalImages:
    """The images of one file. Used by one thread."""

    def __init__(self, schema: TableSchema) -> None:
        self._tables = CanalTables.of(schema, "verify", full_type=False, handle_deletes=True)
        handles = (False,) if self._tables.deletes is None else (False, True)
        self._ways: list[Way] = [(changed, handle) for handle in handles for changed in (False, True)]

    def fault(self, rows: StoredRows, found: Sequence[bytes]) -> tuple[int, str] | None:
        """(index of the first line that is written in no way that its file has, what is wrong with it), or None.

        `found` is what each line has behind `"old":`.
        """
        is_found = pa.array(found, pa.large_binary())
        left: list[Way] = []
        furthest, why = -1, ""
        for way in self._ways:
            wanted = self._written(rows, way).cast(pa.large_binary())
            at = pc.index(pc.not_equal(wanted, is_found), True).as_py()
            if at < 0:
                left.append(way)
                if not _differ(rows):  # then all ways are the same
                    return None
            elif at > furthest:
                furthest, why = at, _difference(found[at], wanted[at].as_py())
        if not left:
            return furthest, why
        self._ways = left
        return None

    def _written(self, rows: StoredRows, way: Way) -> pa.Array:
        changed, handle = way
        form = CanalForm(tidb_extension=rows.commit_ts is not None, only_updated=changed, terminator=b"")
        ops = rows.ops
        updates = pc.equal(ops, pa.scalar(int(Op.UPDATE), pa.uint8()))
        stamps = _stamps(rows)
        whole = CanalRows(ops, stamps, stamps, rows.rows, updates, rows.before)
        if not handle or self._tables.deletes is None:
            return joined(canal_images(whole, self._tables.full, form), rows.num_rows)
        deletes = pc.equal(ops, pa.scalar(int(Op.DELETE), pa.uint8()))
        others, gone = whole.where(pc.invert(deletes)), whole.where(deletes)
        return interleaved(
            joined(canal_images(others, self._tables.full, form), len(others.ops)),
            joined(canal_images(gone, self._tables.deletes, form), len(gone.ops)),
            deletes,
        )


def _stamps(rows: StoredRows) -> pa.Array:
    return pa.nulls(rows.num_rows, pa.uint64()) if rows.commit_ts is None else rows.commit_ts


def _differ(rows: StoredRows) -> bool:
    """True if the ways differ for some row: an update, or a delete."""
    return bool(pc.any(pc.not_equal(rows.ops, pa.scalar(int(Op.INSERT), pa.uint8()))).as_py())


def _difference(found: bytes, wanted: bytes) -> str:
    """Where two lines part, in words."""
    at = next((at for at, (one, other) in enumerate(zip(found, wanted, strict=False)) if one != other), len(wanted))
    start = max(0, at - _SHOWN // 2)
    one, other = (line[start : start + _SHOWN].decode(errors="backslashreplace") for line in (found, wanted))
    return f"the images are not written as the protocol writes them: …{one}…, its values make …{other}…"
