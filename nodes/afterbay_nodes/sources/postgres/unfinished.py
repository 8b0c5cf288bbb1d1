"""Transactions that the server sends before they are committed (`streaming`): kept apart until their end is known.

A block of one of them comes between Stream Start and Stream Stop; blocks of several alternate. Row messages are kept by
table and subtransaction, as a subtransaction may be rolled back; what steers them (relations, truncates, schema
changes) at its place between them. At its commit a transaction is played as if it had come at once (docs/adr/0107); of
one that is rolled back nothing is left.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Final

from afterbay_nodes.sources.postgres.pgoutput import Message, Relation, StreamAbort, StreamStart, Truncate, fault
from afterbay_nodes.sources.postgres.runs import PIECE_BYTES
from afterbay_nodes.sources.postgres.scratch_rows import ScratchRows, Stretch

_XID: Final = 4  # bytes
_ROW_HEAD: Final = 26  # of XLogData and the message's kind, in front of the transaction's number
STREAMED_KEY: Final = slice(_ROW_HEAD, _ROW_HEAD + 2 * _XID)
"""Of a row message in a block: its (sub)transaction and its relation."""

Steering = Relation | Truncate | Message


@dataclass(slots=True)
class Group:
    """Rows of one table by one (sub)transaction, behind each other; in memory, or all of them in the scratch file."""

    xid: int
    oid: bytes
    messages: list[bytes] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)

    def plain(self) -> list[bytes]:
        """The messages as they would be without streaming: without the transaction's number."""
        return [data[:_ROW_HEAD] + data[_ROW_HEAD + _XID :] for data in self.messages]


@dataclass(frozen=True, slots=True)
class Told:
    """What steers, at its place. `lsn`: for errors."""

    xid: int
    message: Steering
    lsn: int


class Unfinished:
    """One transaction under way. `held`: bytes of its messages in memory, about. Owns its scratch file.

    `lists` has the rows that come next by the eight bytes of their transaction and relation. Used by the source's
    thread.
    """

    def __init__(self, xid: int, scratch: ScratchRows) -> None:
        self.xid = xid
        self.scratch = scratch
        self.held = 0
        self.entries: list[Group | Told] = []
        self.lists: dict[bytes, list[bytes] | deque[bytes]] = {}
        self._current: dict[bytes, bytes] = {}  # by relation, the key of `lists`

    def first_row(self, data: bytes) -> None:
        """A row of a table and subtransaction that `lists` has not."""
        key = data[STREAMED_KEY]
        oid = key[_XID:]
        # Rows of one table stay in their order: those of another subtransaction end the group before.
        before = self._current.get(oid)
        if before is not None:
            del self.lists[before]
        self._current[oid] = key
        group = Group(int.from_bytes(key[:_XID], "big"), oid, [data])
        self.entries.append(group)
        self.lists[key] = group.messages

    def told(self, message: Steering, lsn: int) -> None:
        """What steers: rows behind it are other groups."""
        assert message.xid is not None
        self.entries.append(Told(message.xid, replace(message, xid=None), lsn))
        self._begin_anew()

    def roll_back(self, subxid: int) -> None:
        """A subtransaction is taken back; those within it are told one by one. Its place in the file stays taken."""
        self.entries = [entry for entry in self.entries if entry.xid != subxid]
        self._begin_anew()

    def spill(self) -> None:
        """Puts all rows into the scratch file."""
        for entry in self.entries:
            if isinstance(entry, Group) and entry.messages:
                entry.stretches += spilled(entry.messages, self.scratch)
        self.held = 0

    def _begin_anew(self) -> None:
        self.lists.clear()
        self._current.clear()


class UnfinishedTransactions:
    """All that are under way, by number. Used by the source's thread; owns them."""

    def __init__(self, scratch: ScratchRows) -> None:
        """`scratch`: whose folder and room theirs are."""
        self._scratch = scratch
        self._found: dict[int, Unfinished] = {}

    def begin(self, start: StreamStart, lsn: int) -> Unfinished:
        """A block begins."""
        if start.first == (start.xid in self._found):
            raise fault(f"a block of transaction {start.xid} {'begins it again' if start.first else 'has none'}", lsn)
        if start.first:
            self._found[start.xid] = Unfinished(start.xid, self._scratch.another(streamed=True))
        return self._found[start.xid]

    def abort(self, told: StreamAbort) -> None:
        """A transaction, or a part of it, is rolled back. One that is not known has left nothing here."""
        found = self._found.get(told.xid)
        if found is None:
            return
        if told.subxid == told.xid:
            self._found.pop(told.xid).scratch.clear()
        else:
            found.roll_back(told.subxid)

    def end(self, xid: int, lsn: int) -> Unfinished:
        """It is committed, and no longer one of these. Its rows are all in memory, or all in its scratch file."""
        found = self._found.pop(xid, None)
        if found is None:
            raise fault(f"transaction {xid} is committed and did not begin", lsn)
        if found.scratch.nbytes:
            found.spill()
        return found

    def keep_below(self, most: int) -> None:
        """Spills what has most, until all together have at most `most` bytes in memory (I8)."""
        held = sum(found.held for found in self._found.values())
        for found in sorted(self._found.values(), key=lambda found: -found.held):
            if held <= most:
                return
            held -= found.held
            found.spill()

    def forget(self) -> None:
        """None of them is going to end: all come again."""
        for found in self._found.values():
            found.scratch.clear()
        self._found.clear()


def spilled(messages: list[bytes], scratch: ScratchRows) -> list[Stretch]:
    """Puts messages of one table into the scratch file, in pieces, and takes them off the list."""
    stretches: list[Stretch] = []
    start = size = 0
    for index, data in enumerate(messages):
        size += len(data)
        if size >= PIECE_BYTES:
            stretches.append(scratch.put(messages[start : index + 1]))
            start, size = index + 1, 0
    if start < len(messages):
        stretches.append(scratch.put(messages[start:]))
    messages.clear()
    return stretches
