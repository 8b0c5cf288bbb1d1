"""Rows that `COPY … TO STDOUT (FORMAT csv)` sends, as columns: the same values as the stream has of the same rows.

COPY writes every value by its type's output function, as pgoutput does; a cast to text would not (it strips the blanks
of a char, writes `true` for a boolean, adds a mask to an address). In CSV a null is nothing, an empty text is quoted.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from afterbay.errors import Place, RunFailed
from afterbay.printable import visible
from afterbay_nodes.sources.postgres.type_table import Mapped
from afterbay_nodes.sources.postgres.typed import typed

COPY_OPTIONS: Final = "(FORMAT csv)"


def decode_copy(data: bytes, columns: Sequence[Mapped], table: str, position: str) -> pa.RecordBatch:
    """The rows in `data`, which is some messages of a COPY (each a whole row) joined; `columns` are those copied.

    `table` and `position` (of the snapshot) are named in errors: RunFailed `postgres.value` for a value that its column
    cannot hold, `postgres.protocol` for what is not CSV of these columns.
    """
    from pyarrow import csv

    if data.startswith(BOM_UTF8):
        data = BOM_UTF8 + data  # the reader takes one away, and this is a value's
    names = [str(index) for index in range(len(columns))]
    place = Place(table=visible(table), position=position)
    try:
        read = csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(use_threads=False, column_names=names, block_size=max(len(data), 1)),
            csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.binary()),
                check_utf8=False,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise RunFailed(
            "postgres.protocol", f"the server's rows are not CSV of their {len(columns)} columns: {error}", place=place
        ) from error
    schema = pa.schema([pa.field(column.column.name, column.column.arrow_type) for column in columns])
    arrays = [
        typed(column, read.column(index).combine_chunks(), table, lambda _: position)
        for index, column in enumerate(columns)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
