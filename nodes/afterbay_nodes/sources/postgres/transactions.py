"""From the stream's messages to whole transactions, cut into segments by their schema changes.

How many schema changes a transaction has is known at its end, and its rows' commit-ts depend on it. Until then its row
messages are kept as they came, by table: in memory up to a bound, beyond it in a scratch file (I8).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from afterbay.errors import Place, RunFailed
from afterbay_nodes.sources.postgres import ddl_trigger
from afterbay_nodes.sources.postgres.catalog_answers import CatalogAnswers
from afterbay_nodes.sources.postgres.lsn import lsn_text
from afterbay_nodes.sources.postgres.pgoutput import (
    Begin,
    Commit,
    Message,
    Relation,
    StreamAbort,
    StreamCommit,
    StreamStart,
    StreamStop,
    Truncate,
    fault,
    parse,
)
from afterbay_nodes.sources.postgres.row_run import XLOG_HEAD
from afterbay_nodes.sources.postgres.scratch_rows import ScratchRows, Stretch
from afterbay_nodes.sources.postgres.tables import Facts, Step, Table, Tables
from afterbay_nodes.sources.postgres.unfinished import (
    STREAMED_KEY,
    Steering,
    Told,
    Unfinished,
    UnfinishedTransactions,
    spilled,
)

HELD_BYTES: Final = 64 << 20
"""In memory: of one transaction's messages, and of those together that are streamed."""

MOST_STEPS: Final = 31
"""Schema changes in one transaction: commit records are further apart than that many bytes, so that the numbers below
a commit LSN are free."""

_XLOG_DATA, _KEEPALIVE = ord("w"), ord("k")
_INSERT, _UPDATE, _DELETE = b"IUD"
_KEY: Final = slice(26, 30)
"""Of a row message: its relation, behind the head of XLogData and the message's kind."""


@dataclass(frozen=True, slots=True)
class Keepalive:
    """All that was committed below `wal_end` has been sent. `reply`: the server wants to hear at once."""

    wal_end: int
    reply: bool


@dataclass(slots=True)
class Rows:
    """One table's rows in a segment, in memory or in the scratch file. `goes_on`: more come at the same commit-ts."""

    table: Table
    stretches: list[Stretch] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    goes_on: bool = False


@dataclass(slots=True)
class Segment:
    """A part of a transaction without schema changes, and those that end it."""

    rows: list[Rows] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Transaction:
    """A whole one. Rows that are not in memory are in `scratch`."""

    commit: Commit
    segments: list[Segment]
    scratch: ScratchRows

    @property
    def steps(self) -> int:
        """How many schema changes it has."""
        return sum(len(segment.steps) for segment in self.segments)

    @property
    def changes(self) -> int:
        """How many rows it has."""
        rows = [rows for segment in self.segments for rows in segment.rows]
        return sum(len(one.messages) + sum(stretch.count for stretch in one.stretches) for one in rows)


class Transactions:
    """Collects. Used by the source's thread; owns the transactions that are under way, and their scratch files.

    Transactions committed below `skip_below`, or up to `skip_through`, are dropped: they were played before (I6).
    """

    def __init__(
        self, tables: Tables, scratch: ScratchRows, answers: CatalogAnswers, skip_below: int, skip_through: int
    ) -> None:
        self.skip_below = skip_below
        self._skip_through = skip_through
        self.ddl_prefix: str | None = None  # of the messages that tell schema changes, if they can be believed
        self.repeated = 0
        self._tables = tables
        self._scratch = scratch
        self._answers = answers
        self._unfinished = UnfinishedTransactions(scratch)
        self._block: Unfinished | None = None
        self._begin: Begin | None = None
        self._segments: list[Segment] = []
        self._rows: dict[bytes, Rows | None] = {}
        self._lists: dict[bytes, list[bytes] | deque[bytes]] = {}
        self._held = 0

    @property
    def open(self) -> bool:
        """True in the middle of a transaction, or of a block of one."""
        return self._begin is not None or self._block is not None

    def forget(self, whole: Transaction | None = None) -> None:
        """What is under way is not going to end, or `whole` is not to be played: it will come again."""
        if self._begin is not None or whole is not None:
            self._tables.undo()
        self._end()
        self._scratch.clear()
        self._block = None
        self._unfinished.forget()
        if whole is not None:
            whole.scratch.clear()

    def take(self, messages: Sequence[bytes], facts: Facts) -> Iterator[Transaction | Keepalive]:
        """Takes messages in their order. A transaction is to be played before the next one is asked for."""
        facts = self._answers.asked_of(facts)
        lists, key = self._next_rows()
        blocks = {self._block}
        for data in messages:
            if data[0] == _XLOG_DATA:
                kind = data[XLOG_HEAD]
                if kind == _INSERT or kind == _UPDATE or kind == _DELETE:  # noqa: PLR1714, SIM109 - quickest
                    try:
                        lists[data[key]].append(data)
                    except KeyError:
                        self._first_row(data, facts)
                else:
                    if (whole := self._steering(data, facts)) is not None:
                        yield whole
                        whole.scratch.clear()
                    lists, key = self._next_rows()
                    blocks.add(self._block)
            elif data[0] == _KEEPALIVE:
                yield Keepalive(int.from_bytes(data[1:9], "big"), data[17] != 0)
        self._keep_below(sum(map(len, messages)), [block for block in blocks if block is not None])

    def _next_rows(self) -> tuple[dict[bytes, list[bytes] | deque[bytes]], slice]:
        """Where the rows go that come next, and what of a message says to which of them."""
        if self._block is not None:
            return self._block.lists, STREAMED_KEY
        return self._lists, _KEY

    def _keep_below(self, received: int, blocks: Sequence[Unfinished]) -> None:
        """Of what is under way, no more than so much stays in memory (I8). What was received is all of everybody's."""
        if self._begin is not None:
            self._held += received
            if self._held > HELD_BYTES:
                self._spill()
        for block in blocks:
            block.held += received
        if blocks:
            self._unfinished.keep_below(HELD_BYTES)

    def _first_row(self, data: bytes, facts: Facts) -> None:
        """A row of a table that the segment has none of yet."""
        if self._block is not None:
            self._block.first_row(data)
            return
        if self._begin is None:
            raise fault("a row outside of a transaction", _lsn(data))
        self._table_rows(data[_KEY], _lsn(data), facts)
        self._lists[data[_KEY]].append(data)

    def _table_rows(self, oid: bytes, lsn: int, facts: Facts) -> Rows | None:
        """A table's rows in the segment; None: they are not wanted."""
        if oid in self._rows:
            return self._rows[oid]
        try:
            table = self._tables.of(oid, facts)
        except KeyError as error:
            raise fault("a row of a relation that was not told", lsn) from error
        rows = None if table is None else Rows(table)
        self._rows[oid] = rows
        if rows is None:
            self._lists[oid] = deque(maxlen=0)
        else:
            self._segments[-1].rows.append(rows)
            self._lists[oid] = rows.messages
        return rows

    def _steering(self, data: bytes, facts: Facts) -> Transaction | None:
        lsn = _lsn(data)
        block = self._block
        match parse(data[XLOG_HEAD:], lsn, streamed=block is not None):
            case Begin() as begin:
                self._start(begin, lsn)
            case Commit() as commit:
                if self._scratch.nbytes:
                    self._spill()
                return self._commit(commit, lsn, self._scratch)
            case StreamStart() as start:
                if self.open:
                    raise fault("a block begins within a transaction", lsn)
                self._block = self._unfinished.begin(start, lsn)
            case StreamStop():
                if block is None:
                    raise fault("a block ends that did not begin", lsn)
                self._block = None
            case StreamAbort() as abort:
                self._unfinished.abort(abort)
            case StreamCommit() as commit:
                return self._finish(commit, lsn, facts)
            case Relation() | Truncate() as message:
                self._tell(message, lsn, facts)
            case Message(transactional=True) as message if message.prefix == self.ddl_prefix:
                self._tell(message, lsn, facts)
        return None

    def _tell(self, message: Steering, lsn: int, facts: Facts) -> None:
        """Now, or when the transaction is committed that it is of."""
        if self._block is not None:
            self._block.told(message, lsn)
        else:
            self._apply(message, lsn, facts)

    def _apply(self, message: Steering, lsn: int, facts: Facts) -> None:
        match message:
            case Relation() as relation:
                self._cut(self._tables.meet(relation, facts), relation.oid)
            case Truncate() as truncate:
                for oid in truncate.relation_oids:
                    self._cut(self._tables.truncate(oid), oid)
            case Message():
                for oid, steps in self._tables.told(ddl_trigger.parse(message.content, lsn), facts):
                    self._cut(steps, oid)

    def _start(self, begin: Begin, lsn: int) -> None:
        if self.open:
            raise fault("a transaction begins within another", lsn)
        self._begin = begin
        self._segments = [Segment()]
        self._tables.begin(begin.final_lsn)
        self._answers.begin(begin.final_lsn)

    def _finish(self, commit: StreamCommit, lsn: int, facts: Facts) -> Transaction | None:
        """A transaction that came in blocks becomes one like all others."""
        self._start(Begin(commit.commit_lsn, commit.commit_ms, commit.xid), lsn)
        whole = self._unfinished.end(commit.xid, lsn)
        for entry in whole.entries:
            if isinstance(entry, Told):
                self._apply(entry.message, entry.lsn, facts)
            elif (rows := self._table_rows(entry.oid, lsn, facts)) is not None:
                rows.stretches += entry.stretches
                rows.messages += entry.plain()
        return self._commit(Commit(commit.commit_lsn, commit.end_lsn, commit.commit_ms), lsn, whole.scratch)

    def _cut(self, steps: list[Step], oid: int) -> None:
        """A relation is another one from here on."""
        key = oid.to_bytes(4, "big")
        if not steps and key not in self._rows:
            self._lists.pop(key, None)
            return
        self._segments[-1].steps += steps
        self._segments.append(Segment())
        self._rows, self._lists = {}, {}

    def _commit(self, commit: Commit, lsn: int, scratch: ScratchRows) -> Transaction | None:
        if self._begin is None:
            raise fault("a commit without its begin", lsn)
        _mark(self._segments)
        whole = Transaction(commit, self._segments, scratch)
        self._end()
        if commit.commit_lsn < self.skip_below or commit.commit_lsn <= self._skip_through:
            if whole.steps:
                self._tables.undo()
            self.repeated += whole.changes
            scratch.clear()
            return None
        if whole.steps > MOST_STEPS:
            raise RunFailed(
                "postgres.ddls",
                f"a transaction has {whole.steps} schema changes; {MOST_STEPS} can be told apart",
                place=Place(position=lsn_text(commit.commit_lsn)),
                hint="make schema changes in several transactions; this one can only be left behind by a fresh start",
            )
        self._answers.keep()
        return whole

    def _end(self) -> None:
        self._begin = None
        self._segments = []
        self._rows, self._lists = {}, {}
        self._held = 0

    def _spill(self) -> None:
        """Puts the rows that are held into the scratch file."""
        for segment in self._segments:
            for rows in segment.rows:
                rows.stretches += spilled(rows.messages, self._scratch)
        self._held = 0


def _mark(segments: Sequence[Segment]) -> None:
    """Marks rows behind which others of their table have the same commit-ts, if under another relation message."""
    before: dict[str, Rows] = {}
    for segment in segments:
        for rows in segment.rows:
            if (last := before.get(rows.table.dispatcher)) is not None:
                last.goes_on = True
            before[rows.table.dispatcher] = rows
        if segment.steps:
            before.clear()


def _lsn(data: bytes) -> int:
    return int.from_bytes(data[1:9], "big")
