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
from afterbay_nodes.sources.postgres.pgoutput import Begin, Commit, Message, Relation, Truncate, fault, parse
from afterbay_nodes.sources.postgres.row_run import XLOG_HEAD
from afterbay_nodes.sources.postgres.runs import PIECE_BYTES
from afterbay_nodes.sources.postgres.scratch_rows import ScratchRows, Stretch
from afterbay_nodes.sources.postgres.tables import Facts, Step, Table, Tables

HELD_BYTES: Final = 64 << 20
"""Of one transaction's messages in memory."""

MOST_STEPS: Final = 31
"""Schema changes in one transaction: commit records are further apart than that many bytes, so that the numbers below
a commit LSN are free."""

_XLOG_DATA, _KEEPALIVE = ord("w"), ord("k")
_INSERT, _UPDATE, _DELETE = b"IUD"


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
    """A whole one."""

    commit: Commit
    segments: list[Segment]

    @property
    def steps(self) -> int:
        """How many schema changes it has."""
        return sum(len(segment.steps) for segment in self.segments)


class Transactions:
    """Collects. Used by the source's thread; owns the transaction that is under way, but not what it is given.

    Transactions committed below `skip_below`, or up to `skip_through`, are dropped: they were played before (I6).
    """

    def __init__(
        self, tables: Tables, scratch: ScratchRows, answers: CatalogAnswers, skip_below: int, skip_through: int
    ) -> None:
        self.skip_below = skip_below
        self._skip_through = skip_through
        self.repeated = 0
        self._tables = tables
        self._scratch = scratch
        self._answers = answers
        self._begin: Begin | None = None
        self._segments: list[Segment] = []
        self._rows: dict[bytes, Rows | None] = {}
        self._lists: dict[bytes, list[bytes] | deque[bytes]] = {}
        self._held = 0

    @property
    def open(self) -> bool:
        """True in the middle of a transaction."""
        return self._begin is not None

    def forget(self, whole: Transaction | None = None) -> None:
        """What is under way is not going to end, or `whole` is not to be played: it will come again."""
        if self.open or whole is not None:
            self._tables.undo()
        self._end()
        self._scratch.clear()

    def take(self, messages: Sequence[bytes], facts: Facts) -> Iterator[Transaction | Keepalive]:
        """Takes messages in their order. A transaction is to be played before the next one is asked for."""
        facts = self._answers.asked_of(facts)
        lists = self._lists
        for data in messages:
            if data[0] == _XLOG_DATA:
                kind = data[XLOG_HEAD]
                if kind == _INSERT or kind == _UPDATE or kind == _DELETE:  # noqa: PLR1714, SIM109 - quickest
                    try:
                        lists[data[26:30]].append(data)
                    except KeyError:
                        self._first_row(data, facts)
                elif (whole := self._steering(data, facts)) is not None:
                    yield whole
                    self._scratch.clear()
                    lists = self._lists
                else:
                    lists = self._lists
            elif data[0] == _KEEPALIVE:
                yield Keepalive(int.from_bytes(data[1:9], "big"), data[17] != 0)
        if self._begin is not None:
            self._held += sum(map(len, messages))
            if self._held > HELD_BYTES:
                self._spill()

    def _first_row(self, data: bytes, facts: Facts) -> None:
        """A row of a table that the segment has none of yet."""
        oid = data[26:30]
        if self._begin is None:
            raise fault("a row outside of a transaction", _lsn(data))
        try:
            table = self._tables.of(oid, facts)
        except KeyError as error:
            raise fault("a row of a relation that was not told", _lsn(data)) from error
        if table is None:
            self._lists[oid] = deque(maxlen=0)
        else:
            rows = Rows(table)
            self._segments[-1].rows.append(rows)
            self._rows[oid] = rows
            self._lists[oid] = rows.messages
        self._lists[oid].append(data)

    def _steering(self, data: bytes, facts: Facts) -> Transaction | None:
        lsn = _lsn(data)
        match parse(data[XLOG_HEAD:], lsn):
            case Begin() as begin:
                if self._begin is not None:
                    raise fault("a transaction begins within another", lsn)
                self._begin = begin
                self._segments = [Segment()]
                self._tables.begin(begin.final_lsn)
                self._answers.begin(begin.final_lsn)
            case Commit() as commit:
                return self._commit(commit, lsn)
            case Relation() as relation:
                self._cut(self._tables.meet(relation, facts), relation.oid)
            case Truncate() as truncate:
                for oid in truncate.relation_oids:
                    self._cut(self._tables.truncate(oid), oid)
            case Message(transactional=True, prefix=ddl_trigger.PREFIX, content=content):
                for oid, steps in self._tables.told(ddl_trigger.parse(content, lsn), facts):
                    self._cut(steps, oid)
        return None

    def _cut(self, steps: list[Step], oid: int) -> None:
        """A relation is another one from here on."""
        key = oid.to_bytes(4, "big")
        if not steps and key not in self._rows:
            self._lists.pop(key, None)
            return
        self._segments[-1].steps += steps
        self._segments.append(Segment())
        self._rows, self._lists = {}, {}

    def _commit(self, commit: Commit, lsn: int) -> Transaction | None:
        if self._begin is None:
            raise fault("a commit without its begin", lsn)
        if self._scratch.nbytes:
            self._spill()
        _mark(self._segments)
        whole = Transaction(commit, self._segments)
        self._end()
        if commit.commit_lsn < self.skip_below or commit.commit_lsn <= self._skip_through:
            if whole.steps:
                self._tables.undo()
            self.repeated += sum(len(rows.messages) for segment in whole.segments for rows in segment.rows)
            self._scratch.clear()
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
                start = size = 0
                for index, data in enumerate(rows.messages):
                    size += len(data)
                    if size >= PIECE_BYTES:
                        rows.stretches.append(self._scratch.put(rows.messages[start : index + 1]))
                        start, size = index + 1, 0
                if start < len(rows.messages):
                    rows.stretches.append(self._scratch.put(rows.messages[start:]))
                rows.messages.clear()
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
