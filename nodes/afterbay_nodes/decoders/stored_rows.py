"""Rows as a file holds them, in columns, and what a decoder is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from afterbay.errors import Place, RunFailed
from afterbay.printable import visible
from afterbay.schema import TableSchema

CHUNK_BYTES = 4 << 20
"""About how many bytes of a text file one `StoredRows` stands for; a single longer row makes a longer chunk."""


_LONGEST_TOLD = 400


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Some neighbouring rows of one file, in their order, n of them.

    `ops` is uint8[n] (`afterbay.messages.Op`); `commit_ts` uint64[n] and `ordinals` uint32[n], None where the file
    does not carry them; `rows` the stored columns in the types of `TableSchema.arrow_schema` (after-image of I and U,
    before-image of D; a delete of which only the handle key is stored has nulls in the other columns). `before` holds
    complete before-images, all-null rows where `ops` is not UPDATE, None where the file has none. `is_update` is
    bool[n] where a file tells the two halves of an update (a D and an I) from a delete and an insert, else None.
    `first_row` is the number in its file of the first row, from 1; a header is not counted.
    """

    ops: pa.Array
    commit_ts: pa.Array | None
    ordinals: pa.Array | None
    rows: pa.RecordBatch
    before: pa.RecordBatch | None
    is_update: pa.Array | None
    first_row: int

    @property
    def num_rows(self) -> int:
        """How many rows."""
        return int(self.rows.num_rows)


class Decoder(Protocol):
    """Decodes whole files of one format. Called from any thread; keeps nothing from file to file."""

    def __call__(self, data: pa.Buffer, schema: TableSchema, key: str) -> Iterator[StoredRows]:
        """The rows of the file `key`, whose bytes are `data` (not empty), in chunks of about `CHUNK_BYTES`.

        Raises RunFailed naming `key`, the row and what was expected, after the chunks before the fault at the latest:
        nothing wrong is ever yielded.
        """
        ...


def one_line(error: Exception) -> str:
    """What a library says of a file, for one line of a message: some quote the file, and some write several lines."""
    return visible(" ".join(str(error).split()))[:_LONGEST_TOLD]


def bad_row(
    code: str, message: str, *, schema: TableSchema, key: str, row: int | None = None, hint: str | None = None
) -> RunFailed:
    """The error of a file that cannot be decoded: `row` counts from 1, None where it is the file as a whole."""
    table = visible(str(schema.name))
    at = f"version {schema.version}" if row is None else f"row {row}"
    return RunFailed(code, message, place=Place(file=visible(key), table=table, position=at), hint=hint)
