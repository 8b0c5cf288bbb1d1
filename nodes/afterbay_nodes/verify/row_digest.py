"""Digests of rows, so that two sides can be compared that come in different orders and pieces.

The changes of a file are cut into pieces of `PIECE`; each has a digest of its rows' text, and one of its updates'
before-images. The text is CSV as the encoder's kernels write it, whatever the file's format: equal changes have equal
text, and different ones different text, as far as the format itself can tell them apart. Whoever makes the same cuts on
the other side needs no row of this one to compare them, and a difference is found to 4 096 changes.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.messages import Op
from afterbay.printable import visible
from afterbay.schema import TableSchema
from afterbay_nodes.decoders.stored_rows import StoredRows
from afterbay_nodes.encoders.csv_dialect import CsvDialect
from afterbay_nodes.encoders.csv_lines import CsvRows, arrow_writer, joined_lines, written
from afterbay_nodes.encoders.csv_table import CsvMeta, CsvTable, csv_table
from afterbay_nodes.encoders.float_text import go_text, in_short_range
from afterbay_nodes.encoders.intake import NARROW_BYTES
from afterbay_nodes.per_schema import PerSchema
from afterbay_nodes.verify.changes import Changes, of_stored

PIECE = 4096
"""Changes of a piece; the last piece of a file may have fewer."""

_BYTES = 16
_DIALECT = CsvDialect(",", '"', "\\N", "\n")
_WRITER = arrow_writer(_DIALECT)


@dataclass(frozen=True, slots=True)
class Piece:
    """The digests of up to `PIECE` changes: of the rows, and of the before-images of the updates among them."""

    rows: bytes
    before: bytes


@dataclass(frozen=True, slots=True)
class FileDigest:
    """The pieces of one file. `updates` of its changes are updates, `befores` of these have a before-image.

    `head` is the digest of the first change's row alone. `blank` are the columns that are null in every delete: if the
    file stores only keys of deletes, the others.
    """

    changes: int
    pieces: tuple[Piece, ...]
    head: bytes
    updates: int
    befores: int
    deletes: int
    blank: frozenset[int]

    @property
    def with_before(self) -> bool:
        """True if before-images can be compared."""
        return self.befores == self.updates


class Digests:
    """Makes digests of files and of whatever is compared with them. Any thread; owns the lock of what it keeps."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tables: PerSchema[CsvTable] = PerSchema(
            lambda schema: csv_table(schema, _DIALECT, CsvMeta(False, False, False, "hex"), "verify")
        )

    def file(self, schema: TableSchema) -> FileReader:
        """For the rows of one file. Raises RunFailed for names that are no text."""
        return FileReader(self.hasher(schema))

    def hasher(self, schema: TableSchema) -> Hasher:
        """For changes that come in any batches. Raises RunFailed for names that are no text."""
        with self._lock:
            return Hasher(self._tables[schema])

    def texts(self, schema: TableSchema) -> Texts:
        """The text of each value, for changes that are looked at one by one."""
        with self._lock:
            return Texts(self._tables[schema])


class Texts:
    """Values as the digests' text has them, column by column. Immutable."""

    def __init__(self, table: CsvTable) -> None:
        self._table = table

    def of(self, columns: tuple[pa.Array, ...]) -> list[pa.Array]:
        """utf8 each; nulls stay."""
        texts = [text(column) if text else column for text, column in zip(self._table.texts, columns, strict=True)]
        return [go_text(text) if pa.types.is_floating(text.type) else text.cast(pa.utf8()) for text in texts]

    def names(self, *, dated: bool) -> list[str]:
        """What `Changes` consists of, in words: operation, commit-ts, columns, columns before."""
        own = [visible(column.name) for column in self._table.intake.schema.stored_columns]
        before = [f"column {name!r} before the update" for name in own]
        return ["the operation", *["the commit-ts"] * dated, *(f"column {name!r}" for name in own), *before]


class Hasher:
    """Cuts changes into pieces and hashes them. Used by one thread."""

    def __init__(self, table: CsvTable) -> None:
        self._table = table
        self.count = 0  # changes so far
        self.pieces: list[Piece] = []
        self._rows = hashlib.blake2b(digest_size=_BYTES)
        self._before = hashlib.blake2b(digest_size=_BYTES)

    def add(self, changes: Changes) -> None:
        """The next changes."""
        at = 0
        while at < changes.count:
            stop = min(changes.count, at + PIECE - self.count % PIECE)
            part = changes.slice(at, stop)
            self._rows.update(self._text(part.ops, part.commit_ts, part.columns))
            self._add_before(part)
            self.count += part.count
            at = stop
            if self.count % PIECE == 0:
                self._cut()
        self._add_before(changes.slice(changes.count, changes.count + 1))

    def head(self, changes: Changes) -> bytes:
        """The digest of the first of some changes, of its row alone."""
        first = changes.slice(0, 1)
        return hashlib.blake2b(self._text(first.ops, first.commit_ts, first.columns), digest_size=_BYTES).digest()

    def finish(self) -> tuple[Piece, ...]:
        """All pieces."""
        if self.count % PIECE:
            self._cut()
        return tuple(self.pieces)

    def _add_before(self, part: Changes) -> None:
        if len(part.before_of):
            ops = pa.repeat(pa.scalar(int(Op.UPDATE), pa.uint8()), len(part.before_of))
            self._before.update(self._text(ops, None, part.before))

    def _cut(self) -> None:
        self.pieces.append(Piece(self._rows.digest(), self._before.digest()))
        self._rows = hashlib.blake2b(digest_size=_BYTES)
        self._before = hashlib.blake2b(digest_size=_BYTES)

    def _text(self, ops: pa.Array, commit_ts: pa.Array | None, columns: tuple[pa.Array, ...]) -> pa.Buffer:
        table = self._table
        if sum(column.nbytes for column in columns) > NARROW_BYTES:
            columns = tuple(map(_widened, columns))
        texts = [text(column) if text else column for text, column in zip(table.texts, columns, strict=True)]
        rows = CsvRows(ops, commit_ts, None, tuple(texts))
        if all(in_short_range(texts[index]) for index in table.floats):
            return written(rows, table.intake.schema.name, _WRITER)
        return joined_lines(rows, table, _DIALECT)


class FileReader:
    """One file on its way. Used by one thread."""

    def __init__(self, hasher: Hasher) -> None:
        self._hasher = hasher
        self._updates = self._befores = self._deletes = 0
        self._blank: set[int] | None = None
        self._head = b""

    def add(self, chunk: StoredRows) -> None:
        """The next rows."""
        changes = of_stored(chunk)
        if not self._head and changes.count:
            self._head = self._hasher.head(changes)
        ops = changes.ops
        self._updates += _count(ops, Op.UPDATE)
        self._befores += len(changes.before_of)
        deletes = pc.equal(ops, pa.scalar(int(Op.DELETE), pa.uint8()))
        deleted = _count(ops, Op.DELETE)
        if deleted and self._blank != set():
            blank = {at for at, column in enumerate(changes.columns) if column.filter(deletes).null_count == deleted}
            self._blank = blank if self._blank is None else self._blank & blank
        self._deletes += deleted
        self._hasher.add(changes)

    def done(self) -> FileDigest:
        """The file's digest."""
        pieces = self._hasher.finish()
        blank = frozenset(self._blank or ())
        count = self._hasher.count
        return FileDigest(count, pieces, self._head, self._updates, self._befores, self._deletes, blank)


def _count(ops: pa.Array, op: Op) -> int:
    return int(pc.sum(pc.equal(ops, pa.scalar(int(op), pa.uint8()))).as_py() or 0)


def _widened(column: pa.Array) -> pa.Array:
    wide = {pa.utf8(): pa.large_utf8(), pa.binary(): pa.large_binary()}
    return column.cast(wide.get(column.type, column.type))
