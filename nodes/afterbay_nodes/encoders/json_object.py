"""Rows become JSON objects, column -> value: pieces to be joined with what stands around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from afterbay_nodes.encoders.joining import Piece, constant


class JsonColumn(Protocol):
    """A column as a member of an object."""

    @property
    def key(self) -> bytes:
        """Its name as a JSON string, with the colon."""
        ...

    def value(self, image: pa.RecordBatch) -> list[Piece]:
        """Its values in `image` as JSON text, `null` for null."""
        ...


def json_object(image: pa.RecordBatch, columns: Sequence[JsonColumn]) -> list[Piece]:
    """`{"name":value,…}` for each row."""
    pieces: list[Piece] = [b"{"]
    for number, column in enumerate(columns):
        pieces += [b"," if number else b"", column.key, *column.value(image)]
    return [*pieces, b"}"]


def null_but(objects: pa.Array, rows: pa.Array) -> pa.Array:
    """`objects` (in their order) where the mask `rows` holds, `null` for the other rows."""
    if len(objects) == len(rows):
        return objects
    return pc.replace_with_mask(pa.repeat(constant(b"null", objects), len(rows)), rows, objects)
