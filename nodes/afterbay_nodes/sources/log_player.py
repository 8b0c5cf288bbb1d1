"""A change log at work: its lines, one after the other, become batches, schema changes and promises."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from afterbay.errors import Place, RunFailed
from afterbay.messages import ChangeBatch
from afterbay.node import Outlet, SourceContext, SourceOperator, Until
from afterbay.schema import Json, TableName
from afterbay_nodes.sources.canal_json import WATERMARK, BadLine, Message, NotAMessage, commit_ts_of, decode
from afterbay_nodes.sources.change_log import STDIN
from afterbay_nodes.sources.ended_promise import EndedPromise
from afterbay_nodes.sources.log_files import Stopped
from afterbay_nodes.sources.log_reader import Lines, LogReader, Mark
from afterbay_nodes.sources.regained import RegainedOutlet
from afterbay_nodes.sources.rejects import Rejects
from afterbay_nodes.sources.resume_marks import ResumeMarks
from afterbay_nodes.sources.row_columns import BadValues
from afterbay_nodes.sources.table_ddls import TableDdls
from afterbay_nodes.sources.table_feed import PendingRow, TableFeed
from afterbay_nodes.sources.tables import Tables

if TYPE_CHECKING:
    from afterbay_nodes.sources.change_log import ChangeLog

# Bytes of lines; the Arrow columns of rows are a third to a half of them.
SETTLE_BYTES = 4 << 20  # read between two promises, as long as more can be read at once
TABLE_BYTES = 2 << 20  # pending of one table
OPEN_BYTES = 8 << 20  # of one transaction of one table: more is sent in open batches
FOLLOW_SECONDS = 0.5  # between two looks at the end of a followed log
_log = logging.getLogger("afterbay.change_log")


class LogPlayer(SourceOperator):
    """Plays one log. The cursor is a `Mark`, what `Tables.remarks_at` and `EndedPromise` say there.

    A watermark's promise waits until enough was read to make batches of a good size, or nothing more can be read for
    the moment. Owns the reader and the rejects file.
    """

    def __init__(self, log: ChangeLog, context: SourceContext) -> None:
        self._log = log
        self._partition = context.partition
        # Without a cursor the log is read from its start, as by the first run: see `regained`.
        regains = context.resume is not None and not context.resume.cursor
        self._regains = context.resume.commit_ts if context.resume is not None and regains else None
        self._regained: RegainedOutlet | None = None
        self._resume = None if regains else context.resume
        self._until = context.until
        self._meter = context.meter
        self._schemas = {} if regains else context.schemas
        self._rejects = Rejects(log.rejects) if log.rejects is not None else None
        self._watermark = self._resume.commit_ts if self._resume is not None else -1
        self._ended = EndedPromise(self._resume, stream=log.path == STDIN)
        self._marks = ResumeMarks(self._watermark)
        self._due: tuple[int, dict[str, Json]] | None = None  # a promise that waits
        self._unsettled = 0  # bytes read since the last flush
        self._repeats = 0
        self._dirty: dict[str, TableFeed] = {}  # tables with pending rows
        self._applied: set[tuple[int, str]] = set()  # DDLs above the watermark
        self._half: tuple[BadLine, Mark, bytes] | None = None  # what a file ended with, and may still go on
        self._reader: LogReader | None = None

    def run(self, out: Outlet) -> None:
        cursor = self._resume.cursor if self._resume is not None else None
        if self._regains is not None:
            gap = None if self._log.path == STDIN else partial(_begins_late, self._log.path, self._regains)
            out = self._regained = RegainedOutlet(out, self._regains, gap)
        self._out = out
        self._tables = Tables(
            self._partition,
            out,
            self._flush,
            self._schemas,
            _remarks(cursor),
            self._watermark,
            split_keys=not self._log.output_raw_change_event,
        )
        self._ddls = TableDdls(self._tables)
        follow = (lambda: out.wait(FOLLOW_SECONDS)) if self._until is Until.FOREVER else None
        self._reader = LogReader(self._log.path, self._log.longest_line, self._settle, lambda: out.stopping, follow)
        end: Mark | None = None
        try:
            for lines in self._reader.read(cursor):
                if out.stopping:
                    raise Stopped
                self._play(lines)
                end = self._half[1] if self._half is not None else lines.end
                if self._unsettled >= SETTLE_BYTES:
                    self._settle()
        except Stopped:
            self._settle()
            return
        self._end(end)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        if self._rejects is not None:
            self._rejects.close()

    def _play(self, lines: Lines) -> None:
        if self._half is not None:
            # Another file follows: this one is not going to grow any more.
            bad, half, rest = self._half
            self._half = None
            self._refuse(bad, half.file, half.number, rest)
        at, before, length = lines.start, lines.start.before, lines.start.length
        file, offset, number = at.file, at.offset, at.number
        marks = self._marks
        for line in lines.lines:
            size = lines.overlong or len(line) + 1
            try:
                if lines.overlong:
                    raise BadLine(
                        "change_log.line",
                        f"the line has {lines.overlong} bytes",
                        hint=f"`longest_line` allows {self._log.longest_line}",
                    )
                message = decode(line)
                if message.is_ddl or message.type != WATERMARK:
                    commit_ts = commit_ts_of(message)
                    if commit_ts > marks.highest:
                        marks.saw(commit_ts, Mark(file, offset, number, before, length))
                    if message.is_ddl:
                        self._ddl(message, commit_ts, file, number)
                    else:
                        self._row(message, commit_ts, file, number, line)
                else:
                    last = lines.cut and line is lines.lines[-1]
                    here = Mark(file, offset + size - last, number + 1, line, size - last)
                    self._at_watermark(message, here)
            except BadLine as bad:
                if self._may_go_on(bad, lines):
                    self._half = (bad, Mark(file, offset, number, before, length), line)
                elif line and not line.isspace():  # blank lines are no fault
                    self._refuse(bad, file, number, line)
            before, length = line, size
            offset += size
            number += 1
        self._unsettled += offset - at.offset

    def _may_go_on(self, bad: BadLine, lines: Lines) -> bool:
        """True for the start of a line at the end of a file that may still be written. Where bad lines fail the run it
        fails before that line anyway.
        """
        unfinished = lines.cut and (bool(lines.overlong) or isinstance(bad, NotAMessage))
        return unfinished and self._rejects is not None and lines.start.file != STDIN

    def _row(self, message: Message, commit_ts: int, file: str, number: int, line: bytes) -> None:
        assert message.tidb is not None
        tidb = message.tidb
        feed = self._tables.feed(message.database, message.table, tidb.partition_id)
        if feed.behind(commit_ts) or commit_ts <= self._watermark:
            self._ended.check(commit_ts, message.name)
            self._repeated(message, commit_ts, file, number)
            return
        if feed.mysql_type != message.mysql_type or feed.pk_names != message.pk_names or feed.table_id != tidb.table_id:
            self._tables.fit(feed, message, commit_ts)
        if feed.add(message, commit_ts, file, number, line):
            self._repeated(message, commit_ts, file, number)
            return
        self._dirty[feed.dispatcher] = feed
        if feed.nbytes >= TABLE_BYTES:
            self._send(feed, feed.complete)
            if feed.nbytes >= OPEN_BYTES:
                # One row stays, so that the transaction's last batch is never the open one.
                self._send(feed, feed.pending - 1, open=True)

    def _ddl(self, message: Message, commit_ts: int, file: str, number: int) -> None:
        known = (commit_ts, message.sql)
        if commit_ts <= self._watermark or known in self._applied:
            self._ended.check(commit_ts, message.name)
            self._repeated(message, commit_ts, file, number)
            return
        if not message.database or not message.sql:
            raise BadLine("change_log.line", "a DDL message needs `database` and `sql`")
        self._ddls.play(message, commit_ts)
        self._applied.add(known)

    def _at_watermark(self, message: Message, here: Mark) -> None:
        if message.tidb is None or message.tidb.watermark_ts is None:
            raise BadLine("change_log.line", "a watermark has no `_tidb.watermarkTs`")
        watermark = message.tidb.watermark_ts
        self._ended.watermark(watermark)
        if self._regained is not None:
            self._regained.saw(watermark)  # its promise may be one with a later one's
        if watermark <= self._watermark:
            return
        self._tables.release(watermark)
        self._watermark = watermark
        self._applied = {known for known in self._applied if known[0] > watermark}
        self._due = (watermark, self._cursor(watermark, self._marks.resume_at(watermark, here)))

    def _cursor(self, commit_ts: int, mark: Mark) -> dict[str, Json]:
        remarks: dict[str, Json] = {name: list(found) for name, found in self._tables.remarks_at(commit_ts).items()}
        return {**mark.to_cursor(), **remarks}

    def _settle(self) -> None:
        """Sends the transactions that are complete, then makes the promise that waits."""
        promised = self._due[0] if self._due is not None else -1
        for feed in list(self._dirty.values()):
            self._send(feed, feed.pending if feed.last_ts <= promised else feed.complete)
            if not feed.pending:
                del self._dirty[feed.dispatcher]
        self._unsettled = 0
        self._count_repeats()
        if self._due is not None:
            self._promise(*self._due)
            self._due = None

    def _end(self, end: Mark | None) -> None:
        """The end of the log: every transaction is complete, every DDL is due."""
        highest = self._marks.highest
        self._tables.release(highest)
        for feed in self._dirty.values():
            self._send(feed, feed.pending)
        self._count_repeats()
        if self._half is not None:
            half = self._half[1]
            _log.warning(
                "%s:%d: the last line is not whole: it is left to the next run, which reads it with its rest",
                half.file,
                half.number,
            )
        if end is not None and highest >= 0:
            self._promise(highest, {**self._cursor(highest, end), **self._ended.to_cursor(highest)})

    def _promise(self, commit_ts: int, cursor: Mapping[str, Json]) -> None:
        if self._rejects is not None:
            self._rejects.sync()
        self._out.promise(commit_ts, cursor)

    def _flush(self, feed: TableFeed, open: bool) -> None:
        self._send(feed, feed.pending, open=open)

    def _send(self, feed: TableFeed, count: int, *, open: bool = False) -> None:
        """Sends the first `count` pending rows as one batch; rows with values that do not parse are refused."""
        rows = feed.detach(count) if count else []
        while rows:
            try:
                batch = feed.batch(self._partition, rows, open=open)
            except BadValues as bad:
                refused = {}
                for index in bad.rows:
                    *_, file, number, line = rows[index]
                    refused[file, number] = line
                for (file, number), line in refused.items():
                    self._refuse(BadLine("change_log.value", str(bad), feed.name), file, number, line)
                rows = [row for row in rows if (row[6], row[7]) not in refused]
            else:
                self._hand_on(batch, rows)
                return

    def _hand_on(self, batch: ChangeBatch, rows: Sequence[PendingRow]) -> None:
        """Sends a batch; `rows` are its rows with their places, for who wants to know them."""
        self._out.batch(batch)

    def _repeated(self, message: Message, commit_ts: int, file: str, number: int) -> None:
        if not message.is_ddl:
            self._repeats += len(message.data or ())
        # What stands between the cursor and its watermark is read again by a resumed run: that is no fault of the log.
        again = self._resume is not None and commit_ts <= self._resume.commit_ts
        if self._log.on_repeat == "error" and not again:
            raise RunFailed(
                "change_log.repeat",
                f"a change at {commit_ts} came before",
                place=Place(file=file, line=number, table=str(message.name)),
                hint="`on_repeat: drop` drops repeats",
            )

    def _count_repeats(self) -> None:
        if self._repeats:
            self._out.repeated(self._repeats)
            self._repeats = 0

    def _refuse(self, bad: BadLine, file: str, number: int, line: bytes) -> None:
        if self._log.on_bad_line == "reject" and self._rejects is not None:
            self._rejects.add(file, number, f"[{bad.code}] {bad.reason}", line)
            self._meter.rejected(1)
            return
        raise RunFailed(
            bad.code, bad.reason, place=Place(file=file, line=number, table=_shown(bad.table)), hint=bad.hint
        ) from bad


def _begins_late(path: str, commit_ts: int) -> RunFailed:
    return RunFailed(
        "change_log.begins",
        f"the state was made anew and goes on behind {commit_ts}, and the log {path!r} begins above it: changes "
        "between them may be missing (I5)",
        hint="bring back the log's earlier files; it is read from its start once",
    )


def _remarks(cursor: Mapping[str, Json] | None) -> dict[str, list[str]]:
    """The lists of a cursor: all else in it is the mark's."""
    return {name: list(map(str, found)) for name, found in (cursor or {}).items() if isinstance(found, list)}


def _shown(table: TableName | None) -> str | None:
    return None if table is None else str(table)
