"""An encoded batch: the body's buffers with all that is known of them without reading them."""

from __future__ import annotations

import pyarrow as pa

from afterbay.checksum import crc32
from afterbay.messages import BatchHead, ChangeBatch, EncodedBatch, FileFormat
from afterbay_nodes.encoders.intake import op_counts


def encoded(batch: ChangeBatch, format: FileFormat, body: tuple[pa.Buffer, ...]) -> EncodedBatch:
    """`batch` as `body`. The CRC-32 runs over the buffers as they lie; no byte is copied."""
    crc = 0
    for buffer in body:
        crc = crc32(buffer, crc)
    inserts, updates, deletes = op_counts(batch)
    head = BatchHead(
        partition=batch.partition,
        dispatcher=batch.dispatcher,
        schema=batch.schema,
        format=format,
        rows=batch.num_rows,
        inserts=inserts,
        updates=updates,
        deletes=deletes,
        first=batch.first,
        last=batch.last,
        open=batch.open,
        size=sum(buffer.size for buffer in body),
        crc=crc,
    )
    return EncodedBatch(head, body)
