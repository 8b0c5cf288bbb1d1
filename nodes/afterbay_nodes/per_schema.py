"""What a node works out once per table schema, kept so that a batch costs one dict look-up.

The key is the schema *object*: comparing or hashing the columns of a wide table for each batch would cost more
than the batch. An entry holds its schema, so that an id cannot come to mean another table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from afterbay.schema import TableSchema

V = TypeVar("V")

DEFAULT_LIMIT = 16_384


class PerSchema(Generic[V]):
    """Values by schema object, at most `limit` of them (I8): the oldest entry goes first and is made anew.

    Used by one thread: a node's operator owns it.
    """

    def __init__(self, make: Callable[[TableSchema], V], limit: int = DEFAULT_LIMIT) -> None:
        self._make = make
        self._limit = limit
        self._entries: dict[int, tuple[TableSchema, V]] = {}

    def __getitem__(self, schema: TableSchema) -> V:
        """The value of `schema`, made on first use. Raises what making it raises; then nothing is kept."""
        entry = self._entries.get(id(schema))
        if entry is not None:
            return entry[1]
        value = self._make(schema)
        if len(self._entries) >= self._limit:
            del self._entries[next(iter(self._entries))]
        self._entries[id(schema)] = (schema, value)
        return value

    def __len__(self) -> int:
        return len(self._entries)
