"""Rows that `COPY (SELECT …) TO STDOUT (FORMAT binary)` sends, as columns: the same values as the stream has.

Of a type whose binary form is its text, or a number, the column is asked for as it is. Of every other one the text is
asked for, by `concat`, which writes a value by its type's output function, as pgoutput does; a cast to text would not
(it strips the blanks of a char, writes `true` for a boolean, adds a mask to an address).

A row is its number of columns (int16), and for each a length (int32, -1: null) and that many bytes. The server sends a
row a message; before the first stands a signature, and behind the last a row of -1 columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import pyarrow as pa

from afterbay.errors import Place, RunFailed
from afterbay.printable import visible
from afterbay_nodes.sources.postgres.copy_wire import Piece
from afterbay_nodes.sources.postgres.cutting import Mask, cut_out
from afterbay_nodes.sources.postgres.names import quoted
from afterbay_nodes.sources.postgres.pgoutput import Relation
from afterbay_nodes.sources.postgres.row_run import Positions
from afterbay_nodes.sources.postgres.type_table import Mapped
from afterbay_nodes.sources.postgres.typed import typed

SIGNATURE: Final = b"PGCOPY\n\377\r\n\0"
_HEADER_BYTES: Final = len(SIGNATURE) + 8  # with flags, of which there are none, and no extension
_COUNT_BYTES, _LENGTH_BYTES = 2, 4

_NUMBERS: Final[Mapping[int, tuple[str, pa.DataType]]] = MappingProxyType(
    {
        16: ("i1", pa.int8()),  # bool
        21: (">i2", pa.int16()),
        23: (">i4", pa.int32()),
        20: (">i8", pa.int64()),
        26: (">u4", pa.uint32()),  # oid
        700: (">f4", pa.float32()),
        701: (">f8", pa.float64()),
    }
)
"""By oid: how numpy reads the binary form, and what the column is if it is not `as_text`."""

_TEXTS: Final = frozenset({25, 1043, 1042, 114, 19})  # text, varchar, char, json, name
_BYTEA: Final = 17


@dataclass(frozen=True, slots=True)
class Form:
    """How a column is asked for and read. `number`: numpy's type of its binary form; `raw`: its bytes are the value;
    neither: what comes is text, which `mapped` reads. `written`: it is to be written as text by the server.
    """

    mapped: Mapped
    number: str | None = None
    raw: bool = False
    written: bool = False


def forms(relation: Relation, columns: Sequence[Mapped]) -> tuple[Form, ...]:
    """The forms of `relation`'s columns, which are to become `columns`."""
    return tuple(_form(column.type_oid, mapped) for column, mapped in zip(relation.columns, columns, strict=True))


def _form(oid: int, mapped: Mapped) -> Form:
    kind = mapped.column.arrow_type
    if oid in _NUMBERS and _NUMBERS[oid][1] == kind:
        return Form(mapped, number=_NUMBERS[oid][0])
    if oid == _BYTEA and kind == pa.binary():
        return Form(mapped, raw=True)
    return Form(mapped, written=oid not in _TEXTS)


def copy_command(relation: Relation, columns: Sequence[Form]) -> str:
    """The COPY of a table, without the rows of those that inherit from it."""
    asked = ", ".join(_asked(quoted(column.mapped.column.name), column) for column in columns)
    table = f"{quoted(relation.schema)}.{quoted(relation.name)}"
    return f"COPY (SELECT {asked} FROM ONLY {table}) TO STDOUT (FORMAT binary)"  # noqa: S608 - names are quoted


def _asked(name: str, column: Form) -> str:
    if not column.written:
        return name
    # `concat` makes an empty text of a null; and IS NULL is true of a composite of nulls, which is none.
    return f"CASE WHEN {name} IS NOT DISTINCT FROM NULL THEN NULL ELSE pg_catalog.concat({name}) END"


class CopyDecoder:
    """Decodes the messages of one COPY, piece by piece. Used by one thread."""

    def __init__(self, columns: Sequence[Form], table: str, position: str) -> None:
        """`table` and `position` (of the snapshot) are named in errors."""
        if not columns:
            raise RunFailed(
                "postgres.no_columns",
                "a table without columns has rows, which no column of the store can hold",
                place=Place(table=visible(table), position=position),
                hint="leave the table out",
            )
        self._columns = columns
        self._table = table
        self._position = position
        self._schema = pa.schema([pa.field(item.mapped.column.name, item.mapped.column.arrow_type) for item in columns])
        self._begun = self._ended = False

    def rows(self, piece: Piece) -> pa.RecordBatch | None:
        """The rows in `piece`; None if there are none.

        Raises RunFailed `postgres.value` for a value that its column cannot hold, `postgres.protocol` for what is no
        row of these columns.
        """
        starts, ends = piece.starts, piece.ends
        if not self._begun and len(starts):
            starts, ends = self._begin(piece)
        if len(starts) and ends[-1] - starts[-1] == _COUNT_BYTES:
            self._check(piece.data[starts[-1] : ends[-1]] == b"\xff\xff", "a row ends behind its number of columns")
            self._check(not self._ended, "rows go on behind their end")
            self._ended = True
            starts, ends = starts[:-1], ends[:-1]
        elif len(starts):
            self._check(not self._ended, "rows go on behind their end")
        if not len(starts):
            return None
        arrays = [
            self._column(column, piece, *fields)
            for column, fields in zip(self._columns, self._fields(piece, starts, ends), strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def end(self) -> None:
        """There are no more messages. Raises RunFailed if there should be."""
        self._check(self._ended, "the rows end without their end")

    def _begin(self, piece: Piece) -> tuple[Positions, Positions]:
        """Takes the signature away, with whose message the first row comes."""
        start, end = int(piece.starts[0]), int(piece.ends[0])
        header = bytes(piece.data[start : min(start + _HEADER_BYTES, end)])
        self._check(header == SIGNATURE + bytes(8), "there is no signature")
        self._begun = True
        if start + _HEADER_BYTES == end:
            return piece.starts[1:], piece.ends[1:]
        starts = piece.starts.copy()
        starts[0] += _HEADER_BYTES
        return starts, piece.ends

    def _fields(
        self, piece: Piece, starts: Positions, ends: Positions
    ) -> Iterator[tuple[Positions, Positions, Mask | None]]:
        """Column by column, where each row's value begins and ends, and which are null.

        Each step is checked against the end of every row, so that no length that is claimed leads out of it.
        """
        self._all(starts + _COUNT_BYTES <= ends, "a row ends within its number of columns")
        count = piece.numbers(">i2")[starts]
        self._all(count == len(self._columns), "a row has another number of columns")
        lengths = piece.numbers(">i4")
        at = starts + _COUNT_BYTES
        for _ in self._columns:
            self._all(at + _LENGTH_BYTES <= ends, "a row ends within a column")
            length = lengths[at].astype(np.int64)
            at = at + _LENGTH_BYTES
            null: Mask | None = None
            if length.min() < 0:
                null = length < 0
                self._all(length >= -1, "a value has a negative length")
                length[null] = 0
            end = at + length
            self._all(end <= ends, "a row ends within a column")
            yield at, end, null
            at = end
        self._all(at == ends, "a row goes on behind its columns")

    def _column(self, column: Form, piece: Piece, start: Positions, end: Positions, null: Mask | None) -> pa.Array:
        mapped = column.mapped
        if column.number is None:
            cut = cut_out(pa.py_buffer(piece.data), start, end, null)
            return cut if column.raw else typed(mapped, cut, self._table, lambda _: self._position)
        kind = np.dtype(column.number)
        wide = end - start == kind.itemsize
        self._all(wide if null is None else wide | null, "a number has another width than its type")
        if null is not None:
            start = np.where(null, 0, start)  # any place that is inside
        values = piece.numbers(column.number)[start].astype(kind.newbyteorder("="))
        return pa.array(values, mapped.column.arrow_type, mask=null)

    def _all(self, good: Mask, why: str) -> None:
        self._check(bool(good.all()), why)

    def _check(self, good: bool, why: str) -> None:
        if not good:
            raise RunFailed(
                "postgres.protocol",
                f"the server's rows are not of their {len(self._columns)} columns: {why}",
                place=Place(table=visible(self._table), position=self._position),
            )
