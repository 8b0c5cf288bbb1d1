"""A function node: keeps the first letter of each account's owner, in after-images and before-images alike."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from afterbay import ChangeBatch


def mask_owners(batch: ChangeBatch) -> ChangeBatch:
    """The batch with masked owners; tables without that column pass as they are."""
    if "owner" not in batch.rows.schema.names:
        return batch
    before = None if batch.before is None else _masked(batch.before)
    return replace(batch, rows=_masked(batch.rows), before=before)


def _masked(rows: pa.RecordBatch) -> pa.RecordBatch:
    at = rows.schema.get_field_index("owner")
    first = pc.utf8_slice_codeunits(rows.column(at), 0, 1)
    return rows.set_column(at, rows.schema.field(at), pc.binary_join_element_wise(first, "***", ""))
