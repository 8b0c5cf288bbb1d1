"""Encoded batches with any bytes as their body."""

from __future__ import annotations

import zlib

import pyarrow as pa

from afterbay.messages import BatchHead, EncodedBatch, FileFormat
from afterbay.schema import Column, RowPosition, TableName, TableSchema

CSV = FileFormat("csv")


def encoded(
    payload: bytes, *, table: str = "orders", commit_ts: int = 435661838416609281, cuts: int = 1
) -> EncodedBatch:
    """One row whose bytes are `payload`, its body in `cuts` buffers of about the same length."""
    schema = TableSchema(TableName("shop", table), 1, (Column("id", "int"),))
    first = RowPosition(commit_ts, 0)
    head = BatchHead(
        partition="log",
        dispatcher=f"shop.{table}",
        schema=schema,
        format=CSV,
        rows=1,
        inserts=1,
        updates=0,
        deletes=0,
        first=first,
        last=first,
        open=False,
        size=len(payload),
        crc=zlib.crc32(payload),
    )
    step = max(1, -(-len(payload) // cuts))
    body = tuple(pa.py_buffer(payload[start : start + step]) for start in range(0, len(payload), step))
    return EncodedBatch(head, body)
