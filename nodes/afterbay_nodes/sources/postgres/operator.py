"""The `postgres` source at work: connects, follows the stream, plays it, confirms; and again when a connection ends."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Final

from afterbay.errors import Cancelled, Place, RunFailed
from afterbay.node import Outlet, ResumePoint, SourceContext, SourceOperator, Until
from afterbay.schema import Json
from afterbay_nodes.sources.postgres import publication, slot, start_checks
from afterbay_nodes.sources.postgres.connection import Access, ConnectionLost, Server
from afterbay_nodes.sources.postgres.lsn import lsn_number, lsn_text
from afterbay_nodes.sources.postgres.player import Player
from afterbay_nodes.sources.postgres.scratch_rows import ScratchRows
from afterbay_nodes.sources.postgres.start_checks import Wanted
from afterbay_nodes.sources.postgres.stream import Stream
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

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0

HEARTBEAT: Final = "afterbay.heartbeat"
_BEAT: Final = "SELECT pg_catalog.pg_logical_emit_message(true, %s, %s)::text"

_log = logging.getLogger("afterbay.postgres")


class PostgresOperator(SourceOperator):
    """One slot at work. The cursor is ``{"lsn": confirmed when durable, "system": the server's, "ms": commit time}``.

    Owns its connections, of which the stream is closed by `close`, and the scratch file.
    """

    def __init__(self, declared: Postgres, context: SourceContext) -> None:
        self._declared = declared
        self._node = context.node
        self._partition = context.partition
        self._until = context.until
        self._clock = context.clock
        self._access = Access(declared.dsn.get_secret_value(), context.node)
        cursor = context.resume.cursor if context.resume is not None else {}
        self._system = str(cursor.get("system", ""))
        self._position = lsn_number(str(cursor["lsn"])) if cursor else 0  # all that ended at or below it was played
        self._promised = context.resume.commit_ts if context.resume is not None else -1
        self._last_commit = self._promised
        self._last_ms = cursor.get("ms")
        self._fresh = context.resume is None
        self._confirmed = self._position
        self._target: int | None = None
        self._scratch = ScratchRows(context.work_dir, declared.transaction_limit)
        self._tables = Tables(declared.rules.matches, declared.text_columns, context.schemas)
        self._transactions = Transactions(self._tables, self._scratch, self._position)
        self._stream: Stream | None = None
        self._cancelled = False
        self._unsettled = 0
        self._oldest: float | None = None  # when the oldest pending row came
        self._idle_at = 0.0
        self._asked_at = 0.0
        self._beat_at = 0.0

    def run(self, out: Outlet) -> None:
        self._player = Player(self._partition, out, self._scratch)
        since: float | None = None
        pause = FIRST_PAUSE
        while True:
            position = self._position
            try:
                if self._connect_and_follow(out):
                    return
            except ConnectionLost as lost:
                self._transactions.forget()
                self._scratch.clear()
                self._settle()
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
        self._scratch.clear()

    # -- connecting

    def _connect_and_follow(self, out: Outlet) -> bool:
        """True when the run is over. Raises ConnectionLost."""
        server = self._access.questions()
        try:
            self._prepare(server)
            self._stream = Stream(
                self._access, self._declared.slot, self._declared.published_as, self._position, self._confirmed
            )
            self._follow(out, server, self._stream)
        finally:
            server.close()
        return True

    def _prepare(self, server: Server) -> None:
        self._end_stream()
        declared = self._declared
        system = str(server.value("SELECT system_identifier::text FROM pg_control_system()"))
        if self._system and system != self._system:
            raise RunFailed(
                "postgres.other_server",
                f"this is the server {system}, and the checkpoint is of {self._system}: their positions have nothing "
                "to do with each other",
                place=Place(node=self._node),
                hint="connect to the server that the checkpoint is of, or start afresh",
            )
        self._system = system
        wanted = Wanted(
            declared.rules.matches,
            declared.slot,
            declared.published_as,
            reads=False,
            whole_rows=declared.large_values == "whole_rows",
            node=self._node,
        )
        tables = start_checks.check(server, wanted)
        if not publication.exists(server, declared.published_as):
            server.run(publication.creation(declared.published_as, [item.name for item in tables], everything=False))
        if self._fresh:
            found = slot.find(server, declared.slot)
            self._position = slot.create(server, declared.slot) if found is None else found.confirmed
            self._transactions.skip_below = self._position
            self._confirmed = self._position
            self._fresh = False
            self._promise(self._position - MOST_STEPS - 1)
        slot.require(server, declared.slot, self._position)
        if self._until is Until.CAUGHT_UP and self._target is None:
            # A message of our own marks the end: its commit brings all before it to the log, and it surely comes.
            self._target = lsn_number(server.value(_BEAT, [HEARTBEAT, declared.slot]))

    def _end_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    # -- following

    def _follow(self, out: Outlet, server: Server, stream: Stream) -> None:
        """Until the end or a stop. Raises ConnectionLost."""
        self._beat_at = self._idle_at = self._clock.monotonic()
        while True:
            messages = stream.read(LOOK_SECONDS if self._oldest is None else LINGER_SECONDS)
            if self._cancelled:
                raise Cancelled
            self._unsettled += sum(map(len, messages))
            for event in self._transactions.take(messages, server):
                if isinstance(event, Transaction):
                    self._play(event)
                else:
                    self._keepalive(event)
            if self._transactions.repeated:
                out.repeated(self._transactions.repeated)
                self._transactions.repeated = 0
            now = self._clock.monotonic()
            waited = self._oldest is not None and now - self._oldest >= LINGER_SECONDS
            if waited or self._unsettled >= SETTLE_BYTES:
                self._settle()
            if out.stopping or (self._target is not None and self._position >= self._target):
                self._settle()
                return
            if not messages:
                self._idle(server, stream, now)

    def _play(self, whole: Transaction) -> None:
        self._player.play(whole)
        self._position = whole.commit.end_lsn
        self._last_commit, self._last_ms = whole.commit.commit_lsn, whole.commit.commit_ms
        if self._oldest is None:
            self._oldest = self._clock.monotonic()

    def _keepalive(self, event: Keepalive) -> None:
        """Nothing committed below its position is to come. A server that shuts down waits until it is confirmed."""
        if event.wal_end <= self._position or self._transactions.open:
            return
        due = self._clock.monotonic() - self._idle_at >= self._declared.heartbeat
        if due or event.reply:
            self._idle_at = self._clock.monotonic()
            self._position = event.wal_end
            # The next commit may have schema changes, whose numbers are below its own.
            self._last_commit = max(self._last_commit, event.wal_end - MOST_STEPS - 1)
            self._settle()

    def _idle(self, server: Server, stream: Stream, now: float) -> None:
        """Nothing came: the slot is to move all the same."""
        waits = ASK_SECONDS if self._target is not None else self._declared.heartbeat
        if now - self._asked_at >= waits:
            self._asked_at = now
            stream.ask()
        if now - self._beat_at >= self._declared.heartbeat:
            self._beat_at = now
            server.run(_BEAT, [HEARTBEAT, self._declared.slot])

    def _settle(self) -> None:
        """Sends what is pending, and promises it."""
        self._unsettled = 0
        self._oldest = None
        self._promise(self._last_commit)

    def _promise(self, commit_ts: int) -> None:
        if commit_ts < 0:
            return
        cursor: dict[str, Json] = {"lsn": lsn_text(self._position), "system": self._system}
        if self._last_ms is not None:
            cursor["ms"] = self._last_ms
        self._promised = max(self._promised, commit_ts)
        self._player.promise(self._promised, cursor)
