"""What travels an edge. Rows stay in Arrow columns and bytes in buffers; nothing here loops over rows.

Data: :class:`ChangeBatch` -> (encode) -> :class:`EncodedBatch` -> (spool) -> :class:`SpoolEntry`.
Control: :class:`SchemaChange` (a DDL), :class:`DrainMarker` (a barrier) and :class:`Watermark` (nothing at or
below this number is still to come on this edge; a dropped message leaves one behind).

Tokens and credits are not fields of a message: they ride in the runtime's envelope, so that user code cannot
lose them (I5).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import Protocol

import pyarrow as pa

from afterbay.schema import RowPosition, TableSchema


class Op(IntEnum):
    """The operation of a change, as stored in `ChangeBatch.ops` (uint8)."""

    INSERT = 0
    UPDATE = 1
    DELETE = 2


@dataclass(frozen=True, slots=True)
class ChangeBatch:
    """Many changes of one dispatcher at one schema version, in commit order.

    Shapes, for n rows: `rows` has the stored columns of `schema` in table order (after-image of I and U,
    before-image of D); `ops` uint8[n]; `commit_ts` uint64[n], rising; `ordinals` uint32[n], rising within one
    commit-ts; `before` is None or the before-images, aligned, all-null rows where `ops` is not UPDATE.
    `commit_ms` is int64[n], the commit's wall time in Unix milliseconds, or None where the source has none.
    `open` says that the last transaction of this table goes on in the next batch.
    """

    partition: str
    dispatcher: str
    schema: TableSchema
    rows: pa.RecordBatch
    ops: pa.Array
    commit_ts: pa.Array
    ordinals: pa.Array
    first: RowPosition
    last: RowPosition
    before: pa.RecordBatch | None = None
    commit_ms: pa.Array | None = None
    open: bool = False
    _nbytes: int = field(default=-1, init=False, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        *,
        partition: str,
        dispatcher: str,
        schema: TableSchema,
        rows: pa.RecordBatch,
        ops: pa.Array,
        commit_ts: pa.Array,
        ordinals: pa.Array,
        before: pa.RecordBatch | None = None,
        commit_ms: pa.Array | None = None,
        open: bool = False,
    ) -> ChangeBatch:
        """A batch whose `first` and `last` are read off its columns. Raises ValueError if it has no rows."""
        n = rows.num_rows
        if n == 0:
            raise ValueError("a change batch has at least one row")
        return cls(
            partition,
            dispatcher,
            schema,
            rows,
            ops,
            commit_ts,
            ordinals,
            RowPosition(commit_ts[0].as_py(), ordinals[0].as_py()),
            RowPosition(commit_ts[n - 1].as_py(), ordinals[n - 1].as_py()),
            before,
            commit_ms,
            open,
        )

    @property
    def num_rows(self) -> int:
        """How many changes."""
        return int(self.rows.num_rows)

    @property
    def nbytes(self) -> int:
        """Bytes of the Arrow columns, as channels and credit count them. Counted once: it walks all buffers."""
        if self._nbytes < 0:
            size = self.rows.nbytes + self.ops.nbytes + self.commit_ts.nbytes + self.ordinals.nbytes
            size += self.before.nbytes if self.before is not None else 0
            object.__setattr__(self, "_nbytes", int(size))
        return self._nbytes

    def slice(self, start: int, stop: int) -> ChangeBatch:
        """Rows [start, stop) without a copy; `open` holds only if the cut falls inside a transaction or at the end."""
        n = self.num_rows
        part = ChangeBatch.of(
            partition=self.partition,
            dispatcher=self.dispatcher,
            schema=self.schema,
            rows=self.rows.slice(start, stop - start),
            ops=self.ops.slice(start, stop - start),
            commit_ts=self.commit_ts.slice(start, stop - start),
            ordinals=self.ordinals.slice(start, stop - start),
            before=None if self.before is None else self.before.slice(start, stop - start),
            commit_ms=None if self.commit_ms is None else self.commit_ms.slice(start, stop - start),
        )
        cut_inside = stop < n and self.commit_ts[stop].as_py() == part.last.commit_ts
        return replace(part, open=self.open if stop == n else cut_inside)


class Assembler(Protocol):
    """Makes one data file of a flush's payloads, where their concatenation is none. A frozen value; any thread."""

    @property
    def gathers(self) -> int:
        """Payload bytes that it keeps before it writes, at most, beside the payload in hand (I8)."""
        ...

    def assemble(self, payloads: Iterable[Sequence[pa.Buffer | memoryview]], file: io.RawIOBase) -> None:
        """Writes the whole file and leaves `file` open.

        `payloads` are those of the entries in their order, each as buffers; one is read when it is asked for, so not
        more of them are to be kept than `gathers` says. Raises what reading and writing raise.
        """
        ...


@dataclass(frozen=True, slots=True)
class FileFormat:
    """What kind of file the encoder's bytes make.

    Without an `assembler` a file is `header` (b"" for none) and the payloads of its entries one after another, as they
    lie. With one, the file is made of them when they are flushed; `header` is then empty.
    """

    extension: str
    header: bytes = b""
    assembler: Assembler | None = None


@dataclass(frozen=True, slots=True)
class BatchHead:
    """All that is known of an encoded batch without its bytes. `size` is the payload's bytes, `crc` its CRC-32."""

    partition: str
    dispatcher: str
    schema: TableSchema
    format: FileFormat
    rows: int
    inserts: int
    updates: int
    deletes: int
    first: RowPosition
    last: RowPosition
    open: bool
    size: int
    crc: int


@dataclass(frozen=True, slots=True)
class EncodedBatch:
    """A change batch as file bytes. `body` is one or more buffers whose concatenation is part of a file."""

    head: BatchHead
    body: tuple[pa.Buffer, ...]

    @property
    def nbytes(self) -> int:
        """Payload bytes."""
        return self.head.size


class SpoolEntry(Protocol):
    """An encoded batch at rest in the spool, in memory or in a segment file.

    Each holder calls :meth:`release` exactly once, after the bytes are durable in the store or are no longer wanted
    (I7). There is one holder unless the entry was shared, as it is before two sinks. `oversized` entries are to be
    flushed at once.
    """

    @property
    def head(self) -> BatchHead: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def oversized(self) -> bool: ...
    @property
    def in_memory(self) -> bool:
        """False where `read` brings the bytes in from a segment: whoever reads then holds them."""
        ...

    def read(self) -> Sequence[pa.Buffer | memoryview]:
        """The payload's buffers. From a segment: read by position, CRC checked. Raises SpoolDamaged."""
        ...

    def share(self, more: int) -> None:
        """`more` further holders. Called before any of them is handed the entry. Raises SpoolMisuse after release."""
        ...

    def release(self) -> None:
        """One holder is done; the last one gives the bytes back. One call too many raises SpoolMisuse."""
        ...


class DdlKind(IntEnum):
    """DDL action numbers as TiDB gives them (the schema file's `Type`)."""

    NONE = 0
    CREATE_SCHEMA = 1
    DROP_SCHEMA = 2
    CREATE_TABLE = 3
    DROP_TABLE = 4
    ADD_COLUMN = 5
    DROP_COLUMN = 6
    ADD_INDEX = 7
    DROP_INDEX = 8
    ADD_FOREIGN_KEY = 9
    DROP_FOREIGN_KEY = 10
    TRUNCATE_TABLE = 11
    MODIFY_COLUMN = 12
    REBASE_AUTO_ID = 13
    RENAME_TABLE = 14
    SET_DEFAULT_VALUE = 15
    SHARD_ROW_ID = 16
    MODIFY_TABLE_COMMENT = 17
    RENAME_INDEX = 18
    ADD_TABLE_PARTITION = 19
    DROP_TABLE_PARTITION = 20
    CREATE_VIEW = 21
    MODIFY_TABLE_CHARSET = 22
    TRUNCATE_TABLE_PARTITION = 23
    DROP_VIEW = 24
    RECOVER_TABLE = 25
    MODIFY_SCHEMA_CHARSET = 26
    SET_TIFLASH_REPLICA = 30
    ADD_PRIMARY_KEY = 32
    DROP_PRIMARY_KEY = 33
    MODIFY_AUTO_ID_CACHE = 39
    REBASE_AUTO_RANDOM = 40
    ALTER_INDEX_VISIBILITY = 41
    EXCHANGE_PARTITION = 42
    ADD_CHECK = 43
    DROP_CHECK = 44
    ALTER_CHECK = 45
    RENAME_TABLES = 47
    MODIFY_TABLE_ATTRIBUTES = 49
    MODIFY_PARTITION_ATTRIBUTES = 50
    MODIFY_PARTITION_PLACEMENT = 54
    MODIFY_TABLE_PLACEMENT = 56
    CACHE_TABLE = 57
    NOCACHE_TABLE = 59
    CREATE_TABLES = 60
    MULTI_SCHEMA_CHANGE = 61
    REORGANIZE_PARTITION = 64
    MODIFY_TTL = 65
    REMOVE_TTL = 67
    PARTITION_TABLE = 71
    REMOVE_PARTITIONING = 72


@dataclass(frozen=True, slots=True)
class TableChange:
    """One table of a DDL: what it was and what it is. `before` None: created; `after` None: dropped.

    `query` is this table's own statement where one statement touched several ("" = the DDL's query).
    """

    dispatcher_before: str | None
    before: TableSchema | None
    dispatcher_after: str | None
    after: TableSchema | None
    query: str = ""


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """A DDL at `commit_ts`. Every change of the affected tables below it is before it in the stream.

    `tables` is empty for a schema-level DDL, which then names its `database`. A table that is several dispatchers (its
    partitions) has an entry for each. Several renames are in the order in which they were done; an exchange of a
    partition names the table without partitions first, then the partitioned one.
    """

    partition: str
    commit_ts: int
    kind: DdlKind
    query: str
    tables: tuple[TableChange, ...] = ()
    database: str | None = None

    @property
    def in_band_dispatcher(self) -> str | None:
        """The only dispatcher this DDL concerns, or None if it is graph-wide.

        In band: one table, the same dispatcher and name before and after, or a table created under a dispatcher
        that did not exist before (nothing of it can be outstanding). Truncate and drop stay graph-wide.
        """
        if len(self.tables) != 1 or self.kind in (DdlKind.TRUNCATE_TABLE, DdlKind.EXCHANGE_PARTITION):
            return None
        table = self.tables[0]
        if table.after is None or table.dispatcher_after is None:
            return None
        if table.before is None:
            return table.dispatcher_after if table.dispatcher_before is None else None
        same = table.dispatcher_before == table.dispatcher_after and table.before.name == table.after.name
        return table.dispatcher_after if same else None


class DrainReason(StrEnum):
    """Why a drain marker travels; the flushes it causes carry `barrier` or `close`."""

    SCHEMA = "schema"
    REQUESTED = "requested"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class DrainMarker:
    """A barrier that travels the edges behind the data before it. `barrier` names it within the run."""

    partition: str
    barrier: int
    commit_ts: int
    reason: DrainReason
    change: SchemaChange | None = None


@dataclass(frozen=True, slots=True)
class Watermark:
    """Nothing of `partition` numbered at or below the envelope's sequence is still to come on this edge."""

    partition: str
    nbytes: int = field(default=0, init=False)


Payload = ChangeBatch | EncodedBatch | SpoolEntry
