"""The messages of pgoutput, protocol versions 1 to 4: all but the rows themselves, which `tuples` decodes in runs.

What a server sends is checked: a message that ends early, goes on too long or says what the protocol has not raises
RunFailed `postgres.protocol` with the position (LSN); nothing else is raised, and nothing is allocated beyond what the
message's own bytes ask for (I8, I10). Prepared transactions are refused (`postgres.two_phase`).

Inside a streamed block (between Stream Start and Stream Stop, from version 2 on) the messages about rows, relations,
types, truncates and logical messages carry the transaction's number behind their kind: `streamed=True`.

Times are Unix milliseconds, rounded down. Positions are numbers (`lsn`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from afterbay.errors import Place, RunFailed
from afterbay.printable import visible
from afterbay_nodes.sources.postgres.lsn import lsn_text

INSERT: Final = ord("I")
UPDATE: Final = ord("U")
DELETE: Final = ord("D")
ROW_KINDS: Final = frozenset(b"IUD")
"""The first bytes of row messages, which go into a `RowRun`."""

_EPOCH_US = 946_684_800_000_000  # 2000-01-01, PostgreSQL's, since 1970-01-01
_BEGIN = struct.Struct(">QqI")
_COMMIT = struct.Struct(">BQQq")
_ABORT = struct.Struct(">Qq")
_TWO_PHASE = frozenset(b"bPKrp")
_IDENTITIES = frozenset("dnfi")


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction begins. `final_lsn` is the position of its commit."""

    final_lsn: int
    commit_ms: int
    xid: int


@dataclass(frozen=True, slots=True)
class Commit:
    """It ends. `end_lsn` is what may be confirmed once all of it is durable (I2)."""

    commit_lsn: int
    end_lsn: int
    commit_ms: int


@dataclass(frozen=True, slots=True)
class Origin:
    """The transaction came from another server, by replication."""

    commit_lsn: int
    name: str


@dataclass(frozen=True, slots=True)
class RelationColumn:
    """`key`: part of the replica identity. `typmod` is -1 where the type has none."""

    name: str
    type_oid: int
    typmod: int
    key: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """A table as the rows behind this message have it. `replica_identity` is d(efault), n(othing), f(ull) or i(ndex).

    Generated columns are missing unless the publication has them. `schema` is `pg_catalog` where the message says none.
    """

    oid: int
    schema: str
    name: str
    replica_identity: str
    columns: tuple[RelationColumn, ...]
    xid: int | None = None


@dataclass(frozen=True, slots=True)
class Type:
    """A type that is not built in, named before the first relation that has it."""

    oid: int
    schema: str
    name: str
    xid: int | None = None


@dataclass(frozen=True, slots=True)
class RowMessage:
    """An Insert, Update or Delete (`kind` is its first byte), not decoded."""

    kind: int
    relation_oid: int
    xid: int | None = None


@dataclass(frozen=True, slots=True)
class Truncate:
    """Tables emptied by one statement."""

    relation_oids: tuple[int, ...]
    cascade: bool
    restart_identity: bool
    xid: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """What `pg_logical_emit_message` said. Outside of a transaction it takes effect at once."""

    transactional: bool
    lsn: int
    prefix: str
    content: bytes
    xid: int | None = None


@dataclass(frozen=True, slots=True)
class StreamStart:
    """A block of a transaction that is not committed yet. `first`: its first one."""

    xid: int
    first: bool


@dataclass(frozen=True, slots=True)
class StreamStop:
    """The block ends."""


@dataclass(frozen=True, slots=True)
class StreamCommit:
    """A transaction that was streamed is committed."""

    xid: int
    commit_lsn: int
    end_lsn: int
    commit_ms: int


@dataclass(frozen=True, slots=True)
class StreamAbort:
    """`subxid` (the transaction itself if it is `xid`) is rolled back. Version 4 in parallel tells where and when."""

    xid: int
    subxid: int
    abort_lsn: int | None = None
    abort_ms: int | None = None


PgMessage = (
    Begin
    | Commit
    | Origin
    | Relation
    | Type
    | RowMessage
    | Truncate
    | Message
    | StreamStart
    | StreamStop
    | StreamCommit
    | StreamAbort
)


def parse(data: bytes | memoryview, lsn: int, *, streamed: bool = False) -> PgMessage:
    """The message in `data` (without the head of its XLogData). `lsn`: where it stands, for errors.

    Raises RunFailed `postgres.protocol` or `postgres.two_phase`.
    """
    reader = _Reader(bytes(data), lsn)
    kind = reader.uint8()
    found = _parsed(kind, reader, streamed)
    if not isinstance(found, RowMessage):
        reader.end()
    return found


def fault(why: str, lsn: int, table: str | None = None) -> RunFailed:
    """What is raised for bytes that are not as the protocol has them."""
    return RunFailed(
        "postgres.protocol",
        f"the server's message is not as pgoutput has it: {why}",
        place=Place(table=None if table is None else visible(table), position=lsn_text(lsn)),
        hint="nothing of it was used; if it comes again, the server or something between damages the stream",
    )


def _parsed(kind: int, reader: _Reader, streamed: bool) -> PgMessage:
    match chr(kind):
        case "B":
            final_lsn, time, xid = reader.numbers(_BEGIN)
            return Begin(final_lsn, _unix_ms(time), xid)
        case "C":
            flags, commit_lsn, end_lsn, time = reader.numbers(_COMMIT)
            reader.no_flags(flags)
            return Commit(commit_lsn, end_lsn, _unix_ms(time))
        case "O":
            return Origin(reader.uint64(), reader.text())
        case "S":
            return StreamStart(reader.uint32(), reader.flag())
        case "E":
            return StreamStop()
        case "c":
            xid = reader.uint32()
            flags, commit_lsn, end_lsn, time = reader.numbers(_COMMIT)
            reader.no_flags(flags)
            return StreamCommit(xid, commit_lsn, end_lsn, _unix_ms(time))
        case "A":
            xid, subxid = reader.uint32(), reader.uint32()
            if not reader.left:
                return StreamAbort(xid, subxid)
            abort_lsn, time = reader.numbers(_ABORT)
            return StreamAbort(xid, subxid, abort_lsn, _unix_ms(time))
    if kind in _TWO_PHASE:
        raise RunFailed(
            "postgres.two_phase",
            "the slot sends prepared transactions (two-phase commit), which this source does not read",
            place=Place(position=lsn_text(reader.lsn)),
            hint="drop the slot and create it without two_phase: what was prepared then comes when it is committed",
        )
    if chr(kind) not in "IUDRYTM":
        raise fault(f"there is no message of kind {chr(kind)!a}", reader.lsn)
    xid_told = reader.uint32() if streamed else None
    match chr(kind):
        case "R":
            return _relation(reader, xid_told)
        case "Y":
            return Type(reader.uint32(), reader.schema(), reader.text(), xid_told)
        case "T":
            return _truncate(reader, xid_told)
        case "M":
            return _message(reader, xid_told)
    return RowMessage(kind, reader.uint32(), xid_told)


def _relation(reader: _Reader, xid: int | None) -> Relation:
    oid, schema, name = reader.uint32(), reader.schema(), reader.text()
    identity = chr(reader.uint8())
    if identity not in _IDENTITIES:
        raise reader.fault(f"there is no replica identity {identity!a}")
    columns = []
    for _ in range(reader.uint16()):
        flags = reader.uint8()
        column_name, type_oid, typmod = reader.text(), reader.uint32(), reader.int32()
        if flags not in (0, 1):
            raise reader.fault(f"a column has the flags {flags}")
        columns.append(RelationColumn(column_name, type_oid, typmod, flags == 1))
    if len({column.name for column in columns}) != len(columns):
        raise reader.fault("two columns of a relation have one name")
    return Relation(oid, schema, name, identity, tuple(columns), xid)


def _truncate(reader: _Reader, xid: int | None) -> Truncate:
    count, options = reader.uint32(), reader.uint8()
    if options > 3:
        raise reader.fault(f"a truncate has the options {options}")
    if reader.left != 4 * count:
        raise reader.fault(f"a truncate of {count} relations has {reader.left} bytes for them")
    oids = tuple(reader.uint32() for _ in range(count))
    return Truncate(oids, bool(options & 1), bool(options & 2), xid)


def _message(reader: _Reader, xid: int | None) -> Message:
    transactional, lsn, prefix = reader.flag(), reader.uint64(), reader.text()
    return Message(transactional, lsn, prefix, reader.bytes(reader.uint32()), xid)


def _unix_ms(time: int) -> int:
    """A time of the server's, which is microseconds since its epoch."""
    return (time + _EPOCH_US) // 1000


class _Reader:
    """Reads a message from its beginning. Raises RunFailed where it is over too early."""

    def __init__(self, data: bytes, lsn: int) -> None:
        self._data = data
        self._at = 0
        self.lsn = lsn

    @property
    def left(self) -> int:
        """Bytes that were not read."""
        return len(self._data) - self._at

    def fault(self, why: str) -> RunFailed:
        return fault(why, self.lsn)

    def bytes(self, count: int) -> bytes:
        if count > self.left:
            raise self.fault(f"it ends at byte {len(self._data)}, {count - self.left} too early")
        self._at += count
        return self._data[self._at - count : self._at]

    def uint8(self) -> int:
        return self.bytes(1)[0]

    def uint16(self) -> int:
        return int.from_bytes(self.bytes(2), "big")

    def uint32(self) -> int:
        return int.from_bytes(self.bytes(4), "big")

    def int32(self) -> int:
        return int.from_bytes(self.bytes(4), "big", signed=True)

    def uint64(self) -> int:
        return int.from_bytes(self.bytes(8), "big")

    def numbers(self, form: struct.Struct) -> tuple[int, ...]:
        """Several at once, for what comes with every transaction."""
        if form.size > self.left:
            self.bytes(form.size)  # says what is wrong
        self._at += form.size
        return form.unpack_from(self._data, self._at - form.size)

    def flag(self) -> bool:
        value = self.uint8()
        if value > 1:
            raise self.fault(f"a flag is {value}")
        return value == 1

    def no_flags(self, value: int) -> None:
        if value:
            raise self.fault(f"the flags of a commit are {value}")

    def text(self) -> str:
        end = self._data.find(b"\0", self._at)
        if end < 0:
            raise self.fault("a name does not end")
        raw = self.bytes(end - self._at)
        self._at += 1
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise self.fault("a name is not UTF-8") from error

    def schema(self) -> str:
        return self.text() or "pg_catalog"

    def end(self) -> None:
        if self.left:
            raise self.fault(f"{self.left} bytes are left over")
