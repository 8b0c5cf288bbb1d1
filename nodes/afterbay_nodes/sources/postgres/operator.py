"""The `postgres` source at work: connects, follows the stream, plays it, confirms; and again when a connection ends."""

from __future__ import annotations

import logging
import random
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from afterbay.errors import Cancelled, Place, RunFailed
from afterbay.node import Outlet, SourceContext, SourceOperator, Until
from afterbay.positions import ResumePoint
from afterbay.schema import Json
from afterbay.upstream import Upstream
from afterbay_nodes.sources.postgres import ddl_trigger, publication, slot, start_checks
from afterbay_nodes.sources.postgres.catalog_answers import CatalogAnswers
from afterbay_nodes.sources.postgres.connection import Access, ConnectionLost, Server
from afterbay_nodes.sources.postgres.lsn import lsn_number, lsn_text
from afterbay_nodes.sources.postgres.origin import Origin
from afterbay_nodes.sources.postgres.player import Player
from afterbay_nodes.sources.postgres.scratch_rows import Room, ScratchRows
from afterbay_nodes.sources.postgres.snapshot import Snapshot
from afterbay_nodes.sources.postgres.snapshot_feed import SnapshotFeed
from afterbay_nodes.sources.postgres.snapshot_plan import SnapshotPlan
from afterbay_nodes.sources.postgres.start_checks import FoundTable, Wanted
from afterbay_nodes.sources.postgres.stream import Stream, Streamed
from afterbay_nodes.sources.postgres.tables import Tables
from afterbay_nodes.sources.postgres.transactions import MOST_STEPS, Keepalive, Transaction, Transactions

if TYPE_CHECKING:
    from afterbay_nodes.sources.postgres.declaration import Postgres

LOOK_SECONDS: Final = 0.25
"""How long a read waits: between two looks at whether the run is stopping."""

LINGER_SECONDS: Final = 0.1
"""How long rows wait for more of their batch."""

SETTLE_BYTES: Final = 8 << 20
"""Of messages between two promises, as long as more come at once."""

ASK_SECONDS: Final = 0.2
"""Between two questions of a run that waits for its end."""

TELL_SECONDS: Final = 10.0
"""Between two looks at how the slot is, for the gauges."""

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0

HEARTBEAT: Final = "afterbay.heartbeat"
NO_LIMIT: Final = (1 << 64) - 1
_ROOM: Final = "afterbay.room"
_BEAT: Final = "SELECT pg_catalog.pg_logical_emit_message(true, %s, %s)::text"

_log = logging.getLogger("afterbay.postgres")


class PostgresOperator(SourceOperator):
    """One slot at work. The cursor is ``{"lsn": confirmed when durable, "system", "publication": as `Origin` has them,
    "ms": the last commit's time, "snapshot": how many of its tables are done, as long as it lasts}``.

    Owns its connections, of which the stream is closed by `close`.
    """

    def __init__(self, declared: Postgres, context: SourceContext) -> None:
        self._declared = declared
        self._node = context.node
        self._partition = context.partition
        self._until = context.until
        self._clock = context.clock
        self._access = Access(declared.dsn.get_secret_value(), context.node)
        cursor = context.resume.cursor if context.resume is not None else {}
        self._origin = Origin(cursor, declared.published_as, context.node)
        self._position = lsn_number(str(cursor["lsn"])) if cursor else 0  # all that ended at or below it was played
        self._promised = context.resume.commit_ts if context.resume is not None else -1
        self._last_commit = self._promised
        self._last_ms = cursor.get("ms")
        done = cursor.get("snapshot")
        self._folder = context.work_dir
        # How many tables of the snapshot are done; None: all, or there is none.
        self._done: int | None = int(str(done)) if done is not None else None
        if context.resume is None and declared.snapshot != "never":
            self._done = 0
        self._plan = SnapshotPlan.read(context.work_dir, self._done or 0)
        self._highest = NO_LIMIT  # what may be promised at most
        self._safe = self._position  # what a promise's cursor may say: all below it is at or below the promise
        self._checked = False
        self._new: list[int] | None = None  # the tables that came to the publication
        self._confirmed = self._position
        self._target: int | None = None
        self._tables = Tables(declared.rules.matches, declared.text_columns, context.schemas)
        if self._done is None and context.resume is not None:
            self._tables.snapshot(self._plan.floors(), self._plan.end)
        scratch = ScratchRows(context.work_dir, Room(declared.transaction_limit))
        self._answers = CatalogAnswers.read(context.work_dir, self._position)
        self._transactions = Transactions(self._tables, scratch, self._answers, self._position, self._promised)
        self._stream: Stream | None = None
        self._cancelled = False
        self._upstream: Upstream | None = None  # as it was told last
        self._told_at = 0.0
        context.meter.watch_upstream(lambda: self._upstream)
        self._unsettled = 0
        self._oldest: float | None = None  # when the oldest pending row came
        self._idle_at = 0.0
        self._asked_at = 0.0
        self._beat_at = 0.0

    def run(self, out: Outlet) -> None:
        self._player = Player(self._partition, out)
        since: float | None = None
        pause = FIRST_PAUSE
        while True:
            position = self._position
            try:
                self._connect_and_follow(out)
                return
            except ConnectionLost as lost:
                self._transactions.forget()
                self._player.flush()  # what it is may be promised when the server can be asked again
                if self._position > position:
                    since, pause = None, FIRST_PAUSE
                since = self._clock.monotonic() if since is None else since
                if self._clock.monotonic() - since > self._declared.retry_for:
                    raise RunFailed(
                        "postgres.unavailable",
                        f"the server was away for {self._declared.retry_for:.0f} s: {lost}",
                        place=Place(node=self._node),
                        hint="the checkpoint is where it was; run again when the server is back",
                    ) from lost
                _log.warning("%s: %s; tried again in %.1f s", self._node, lost, pause)
            if out.stopping:
                return
            out.wait(pause * (1 - random.random() / 2))  # noqa: S311
            pause = min(2 * pause, LONGEST_PAUSE)

    def acknowledge(self, point: ResumePoint) -> None:
        self._confirmed = max(self._confirmed, lsn_number(str(point.cursor["lsn"])))
        self._answers.needed_from = self._confirmed
        stream = self._stream
        if stream is not None:
            stream.confirm(self._confirmed)

    def cancel(self) -> None:
        self._cancelled = True
        stream = self._stream
        if stream is not None:
            stream.wake()

    def close(self) -> None:
        self._end_stream()
        self._transactions.forget()

    # -- connecting

    def _connect_and_follow(self, out: Outlet) -> None:
        """Returns when the run is over. Raises ConnectionLost."""
        self._end_stream()
        server = self._access.questions()
        try:
            tables = self._prepare(server)
            if self._done is not None and not self._read_snapshot(out, server, tables):
                return
            if self._declared.snapshot != "only":
                self._follow(out, server, self._start_stream(), self._target)
        finally:
            server.close()

    def _prepare(self, server: Server) -> list[FoundTable]:
        """Everything that the stream needs is there, or made. Gives the tables that are wanted and there."""
        declared = self._declared
        self._answers.system = self._origin.check_server(server)
        wanted = Wanted.of(declared, self._node, reads=self._done is not None)
        if self._checked:
            tables = start_checks.find_tables(server, wanted.includes)
        else:
            tables = start_checks.check(server, wanted)
            self._publish(server, tables)
            self._checked = True
        if declared.snapshot == "only":
            return tables
        self._origin.check_publication(server)
        self._tables.sees_new_tables = publication.is_for_all(server, declared.published_as)
        if declared.ddl_trigger and not ddl_trigger.are_there(server):
            ddl_trigger.create(server)
        self._transactions.ddl_prefix = ddl_trigger.prefix(server)
        if self._position == 0:
            found = slot.find(server, declared.slot)
            self._position = slot.create(server, declared.slot) if found is None else found.confirmed
            self._transactions.skip_below = self._confirmed = self._position
            if self._done is None:
                self._promise(self._position - MOST_STEPS - 1)
        slot.require(server, declared.slot, self._position)
        if self._until is Until.CAUGHT_UP and self._target is None:
            # A message of our own marks the end: its commit brings all before it to the log, and it surely comes.
            self._target = lsn_number(server.value(_BEAT, [HEARTBEAT, declared.slot]))
        return tables

    def _publish(self, server: Server, tables: Sequence[FoundTable]) -> None:
        """The publication is there and has the tables. Those that are new to it will be read, as of a new position."""
        declared = self._declared
        if declared.snapshot == "only":
            return
        name = declared.published_as
        if not publication.exists(server, name):
            if self._position:
                self._origin.check_publication(server)  # says that it is gone
            names, everything = [table.name for table in tables], declared.publish == "all"
            server.run(publication.creation(name, names, declared.slot, everything=everything))
            return
        sent = publication.tables(server, name)
        missing = [table for table in tables if table.name not in sent]
        if not missing:
            return
        server.run(publication.addition(name, [table.name for table in missing]))
        if self._done is None and declared.snapshot == "initial":
            # What the stream had before goes on as it is.
            self._plan = self._plan.streamed([table.oid for table in tables if table.name in sent])
            self._done = len(self._plan.tables)
            self._new = [table.oid for table in missing]

    def _read_snapshot(self, out: Outlet, server: Server, tables: Sequence[FoundTable]) -> bool:
        """Reads the tables that are not done; False if the run is stopping. Raises ConnectionLost.

        They are read as of a new position each time, as a snapshot cannot be taken up again. What the stream has below
        that position of the tables that are done is sent first: a promise may then be made for each table.
        """
        assert self._done is not None
        done = self._done
        room = len(self._plan.tables) + len(tables) + 1
        # The numbers below the new position that the tables take are above all that were taken before.
        server.rows("SELECT pg_catalog.pg_logical_emit_message(false, %s, repeat(' ', %s))", [_ROOM, room])
        with slot.in_time(server):
            snapshot = Snapshot(self._access, f"{self._declared.slot[:40]}_snapshot_{secrets.token_hex(4)}")
        try:
            begun = len(self._plan.tables) > done
            oids = [table.oid for table in tables] if self._new is None else self._new
            plan = self._plan.again(done, oids, snapshot.at)
            plan.write(self._folder)
            self._plan = plan
            self._tables.snapshot(plan.floors(), plan.end)
            first = plan.commit_ts(done) if done < len(plan.tables) else plan.end
            if done and self._declared.snapshot != "only":
                self._highest = first - 1
                self._follow(out, server, self._start_stream(), snapshot.at, stop_before=True)
                self._transactions.forget()  # what is under way comes again, with the next stream
                self._end_stream()
            feed = SnapshotFeed(self._partition, out, self._tables, snapshot)
            for index in range(done, len(plan.tables)):
                commit_ts = plan.commit_ts(index)
                if out.stopping or not feed.send(plan.tables[index].oid, commit_ts, again=begun):
                    return False
                self._highest = commit_ts
                self._done = index + 1
                self._promise(commit_ts)
        finally:
            snapshot.close()
        self._done = self._new = None
        self._highest = NO_LIMIT
        self._promise(max(self._promised, self._last_commit))
        return True

    def _start_stream(self) -> Stream:
        declared = self._declared
        wanted = Streamed(declared.slot, declared.published_as, unfinished=declared.streaming)
        stream = Stream(self._access, wanted, self._position, self._confirmed)
        self._stream = stream
        return stream

    def _end_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    # -- following

    def _follow(
        self, out: Outlet, server: Server, stream: Stream, target: int | None, *, stop_before: bool = False
    ) -> None:
        """Until everything below `target` was played (`stop_before`: and nothing else), or a stop.

        Raises ConnectionLost.
        """
        self._beat_at = self._idle_at = self._clock.monotonic()
        while True:
            messages = stream.read(LOOK_SECONDS if self._oldest is None else LINGER_SECONDS)
            if self._cancelled:
                raise Cancelled
            self._unsettled += sum(map(len, messages))
            for event in self._transactions.take(messages, server):
                if isinstance(event, Transaction):
                    if stop_before and target is not None and event.commit.commit_lsn >= target:
                        self._transactions.forget(event)
                        self._settle(server)
                        return
                    self._play(event)
                else:
                    self._keepalive(event, server)
            if self._transactions.repeated:
                out.repeated(self._transactions.repeated)
                self._transactions.repeated = 0
            now = self._clock.monotonic()
            if now - self._told_at >= TELL_SECONDS:
                self._told_at = now
                self._upstream = slot.upstream(server, self._declared.slot)
            waited = self._oldest is not None and now - self._oldest >= LINGER_SECONDS
            if waited or self._unsettled >= SETTLE_BYTES:
                self._settle(server)
            if out.stopping or (target is not None and self._position >= target):
                self._settle(server)
                return
            if not messages:
                self._idle(server, stream, now, hurries=target is not None)

    def _play(self, whole: Transaction) -> None:
        self._player.play(whole)
        self._position = whole.commit.end_lsn
        self._last_commit, self._last_ms = whole.commit.commit_lsn, whole.commit.commit_ms
        if self._oldest is None:
            self._oldest = self._clock.monotonic()

    def _keepalive(self, event: Keepalive, server: Server) -> None:
        """Nothing committed below its position is to come. A server that shuts down waits until it is confirmed."""
        if event.wal_end <= self._position or self._transactions.open:
            return
        due = self._clock.monotonic() - self._idle_at >= self._declared.heartbeat
        if due or event.reply:
            self._idle_at = self._clock.monotonic()
            self._position = event.wal_end
            # The next commit may have schema changes, whose numbers are below its own.
            self._last_commit = max(self._last_commit, event.wal_end - MOST_STEPS - 1)
            self._settle(server)

    def _idle(self, server: Server, stream: Stream, now: float, *, hurries: bool) -> None:
        """Nothing came: the slot is to move all the same."""
        waits = ASK_SECONDS if hurries else self._declared.heartbeat
        if now - self._asked_at >= waits:
            self._asked_at = now
            stream.ask()
        if now - self._beat_at >= self._declared.heartbeat:
            self._beat_at = now
            server.run(_BEAT, [HEARTBEAT, self._declared.slot])

    def _settle(self, server: Server) -> None:
        """Sends what is pending, and promises it."""
        self._unsettled = 0
        self._oldest = None
        self._origin.check_publication(server)
        self._promise(self._last_commit)

    def _promise(self, commit_ts: int) -> None:
        self._promised = max(self._promised, min(commit_ts, self._highest))
        if self._promised < 0:
            self._player.flush()
            return
        if self._last_commit <= self._promised:
            self._safe = self._position
        cursor: dict[str, Json] = {"lsn": lsn_text(self._safe), **self._origin.cursor()}
        if self._done is not None:
            cursor["snapshot"] = self._done
        if self._last_ms is not None:
            cursor["ms"] = self._last_ms
        self._player.promise(self._promised, cursor)
