"""What a message says of itself without its rows: for taps on nodes whose rows are bytes of a file already."""

from __future__ import annotations

from afterbay.messages import BatchHead, ChangeBatch
from afterbay.schema import Json


def rows_of(message: object) -> int:
    """How many changes it holds; 0 for what is no data."""
    if isinstance(message, ChangeBatch):
        return message.num_rows
    head = getattr(message, "head", None)
    return head.rows if isinstance(head, BatchHead) else 0


def head_of(message: object) -> dict[str, Json]:
    """An encoded batch: its table, numbers and positions. Its bytes are not shown: nothing can be left out of them."""
    head = getattr(message, "head", None)
    assert isinstance(head, BatchHead), "only data is sampled"
    return {
        "table": str(head.schema.name),
        "schema_version": str(head.schema.version),
        "encoded": {
            "rows": head.rows,
            "size": head.size,
            "extension": head.format.extension,
            "first": str(head.first.commit_ts),
            "last": str(head.last.commit_ts),
        },
    }
