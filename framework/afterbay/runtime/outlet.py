"""The source's way into the graph: mints tokens, takes credit, cuts at replay positions, holds at barriers."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from afterbay.clock import Clock
from afterbay.credit import CreditWindow
from afterbay.errors import Cancelled
from afterbay.messages import ChangeBatch, DrainReason, SchemaChange
from afterbay.node import SinkOperator
from afterbay.runtime.arrivals import Arrivals
from afterbay.runtime.barrier import Barriers
from afterbay.runtime.envelope import Envelope
from afterbay.runtime.ledger import Ledger
from afterbay.runtime.replay import ReplayCutter
from afterbay.schema import Json, TableSchema
from afterbay.sight import Waits
from afterbay.state.store import State
from afterbay.telemetry import NodeMeter

NEVER = (1 << 64) - 1


class StopSwitch:
    """Says to all sources that they are to return: on demand, or when the run's time is up. Owns its condition."""

    def __init__(self, clock: Clock, seconds: float | None = None) -> None:
        """`seconds`: how long the run may go on from `start`; None: for ever."""
        self._clock = clock
        self._seconds = seconds
        self._deadline: float | None = None
        self._changed = threading.Condition()
        self._stopped = False
        self._cancelled = False
        self._flush_requests = 0
        self._paused = False
        self._time_up = False
        self.held = Waits(clock)  # sources, while the run is paused

    def start(self) -> None:
        """The run begins now, and so does its time."""
        if self._seconds is not None:
            self._deadline = self._clock.monotonic() + self._seconds

    @property
    def stopping(self) -> bool:
        """True when sources are to return."""
        if self._stopped:
            return True
        if self._deadline is not None and self._clock.monotonic() >= self._deadline:
            self._time_up = True
        return self._time_up

    @property
    def time_up(self) -> bool:
        """True if a source was told to return because the run's time was up."""
        return self._time_up

    @property
    def flush_requests(self) -> int:
        """How often a drain without a stop was asked for."""
        return self._flush_requests

    def stop(self) -> None:
        """Sources return at their next transaction end."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def request_flush(self) -> None:
        """Sources drain at their next promise and go on."""
        with self._changed:
            self._flush_requests += 1
            self._changed.notify_all()

    @property
    def paused(self) -> bool:
        """True while sources send nothing."""
        return self._paused

    def pause(self, paused: bool) -> None:
        """Sources send nothing more (True), or go on (False). A stop ends a pause: what is whole is to be stored."""
        with self._changed:
            self._paused = paused
            self._changed.notify_all()

    def hold(self, asked: int) -> bool:
        """Waits while the run is paused. False when it is not, or is to stop; True if it is paused, and a flush was
        asked for since `asked`. Raises `Cancelled`.
        """
        if not self._paused:
            return False
        with self._changed, self.held:
            while self._paused and not self._cancelled and not self.stopping:
                if asked != self._flush_requests:
                    return True
                left = None if self._deadline is None else self._deadline - self._clock.monotonic()
                self._clock.wait(self._changed, left)
            if self._cancelled:
                raise Cancelled
        return False

    def cancel(self) -> None:
        """Ends waits with `Cancelled`."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Sleeps until the time is over, a stop or a flush is asked for. Raises `Cancelled`."""
        with self._changed:
            deadline = self._clock.monotonic() + seconds
            if self._deadline is not None:
                deadline = min(deadline, self._deadline)
            asked = self._flush_requests
            while not self._stopped and not self._cancelled and asked == self._flush_requests:
                left = deadline - self._clock.monotonic()
                if left <= 0:
                    break
                self._clock.wait(self._changed, left)
            if self._cancelled:
                raise Cancelled


def graph_key(change: SchemaChange) -> str:
    """What names a graph-wide DDL among those of the same commit-ts: one statement may be several steps."""
    steps = [(table.dispatcher_before, table.dispatcher_after, table.query) for table in change.tables]
    told = json.dumps([int(change.kind), change.query, change.database, steps])
    return f"graph {change.partition} {hashlib.sha256(told.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class SchemaWriter:
    """Makes a graph-wide DDL visible in one sink. The source's thread calls it: one writer at a time."""

    sink: str
    operator: SinkOperator[Any]
    state: State
    meter: NodeMeter
    clock: Clock

    def write(self, change: SchemaChange, since: float) -> None:
        """Writes the schema files durably and records it. `since`: when the DDL arrived, monotonic seconds.

        A DDL whose files were stored before a restart is known by (sink, key, T) and not written again.
        """
        key = graph_key(change)
        if (self.sink, key, change.commit_ts) in self.state.restart.ddls:
            return
        self.operator.write_schema(change)
        self.state.finish_ddl(self.sink, key, change.commit_ts, ())
        self.meter.drained("graph", self.clock.monotonic() - since)


class SourceOutlet:
    """The `Outlet` of one source partition. Used by that source's thread only."""

    def __init__(
        self,
        *,
        partition: str,
        ledger: Ledger,
        arrivals: Arrivals,
        window: CreditWindow,
        barriers: Barriers,
        state: State,
        writers: Mapping[str, SchemaWriter],
        replay: ReplayCutter,
        switch: StopSwitch,
        meter: NodeMeter,
        clock: Clock,
        send: Callable[[Envelope], None],
        largest: int,
    ) -> None:
        """`largest`: bytes a batch may have; larger ones are cut, so that one batch never fills the spool."""
        self._partition = partition
        self._ledger = ledger
        self._arrivals = arrivals
        self._window = window
        self._barriers = barriers
        self._state = state
        self._writers = writers
        self._replay = replay
        self._switch = switch
        self._meter = meter
        self._clock = clock
        self._send = send
        self._largest = largest
        self._sequence = 0
        self._flushes_seen = 0
        self._whole: int | None = None  # the last promise, while nothing was sent after it
        self._at_barriers = Waits(clock)
        for waits in (window.waits, switch.held, self._at_barriers):
            meter.sight.blocks(waits)

    @property
    def stopping(self) -> bool:
        return self._switch.stopping

    def batch(self, batch: ChangeBatch) -> None:
        """See `Outlet.batch`."""
        self._hold()
        self._whole = None
        self._arrivals.came(batch.last.commit_ts, self._clock.monotonic())
        self._meter.passed(batch.num_rows, batch.nbytes)
        if (tap := self._meter.sight.tap) is not None:
            tap.passed(batch)
        for piece, stored in self._replay.cut(batch):
            if stored:
                self._meter.repeated(piece.num_rows)
            else:
                self._forward(piece)

    def schema_change(self, change: SchemaChange) -> None:
        """See `Outlet.schema_change`. The DDL's token is minted at T and settled when its files are visible (I3)."""
        self._hold()
        self._whole = None
        self._arrivals.came(change.commit_ts, self._clock.monotonic())
        self._meter.schema_changed()
        for table in change.tables:
            if table.dispatcher_before is not None and table.dispatcher_before != table.dispatcher_after:
                self._state.schema(self._partition, table.dispatcher_before, change.commit_ts, None)
            if table.dispatcher_after is not None:
                self._state.schema(self._partition, table.dispatcher_after, change.commit_ts, table.after)
        dispatcher = change.in_band_dispatcher
        if dispatcher is not None:
            self._sequence += 1
            token = self._ledger.mint(change.commit_ts, dispatcher)
            self._send(Envelope(self._partition, self._sequence, change, token))
        else:
            self._graph_wide(change)

    def announce(self, dispatcher: str, schema: TableSchema) -> None:
        """See `Outlet.announce`."""
        self._state.schema(self._partition, dispatcher, schema.version, schema)

    def promise(self, commit_ts: int, cursor: Mapping[str, Json]) -> None:
        """See `Outlet.promise`."""
        self._ledger.promise(commit_ts, cursor)
        self._whole = commit_ts
        self._flush_if_asked(commit_ts)
        self._hold()

    def _hold(self) -> None:
        """Waits while the run is paused. A flush is served meanwhile if all that was sent is whole, else later."""
        while self._switch.hold(self._switch.flush_requests if self._whole is None else self._flushes_seen):
            if self._whole is not None:
                self._flush_if_asked(self._whole)

    def _flush_if_asked(self, commit_ts: int) -> None:
        requests = self._switch.flush_requests
        if requests != self._flushes_seen:
            self._flushes_seen = requests
            self._barrier(commit_ts + 1, DrainReason.REQUESTED, None)

    def repeated(self, rows: int) -> None:
        """See `Outlet.repeated`."""
        self._meter.repeated(rows)

    def wait(self, seconds: float) -> None:
        """See `Outlet.wait`."""
        self._switch.wait(seconds)

    def close(self) -> None:
        """The source has returned: drains what is whole, reason close."""
        self._barrier(NEVER, DrainReason.CLOSE, None)

    def _forward(self, batch: ChangeBatch) -> None:
        nbytes = batch.nbytes
        if nbytes > self._largest and batch.num_rows > 1:
            middle = batch.num_rows // 2
            for half in (batch.slice(0, middle), batch.slice(middle, batch.num_rows)):
                self._forward(half)
            return
        token = self._ledger.mint(batch.first.commit_ts, batch.dispatcher)
        credit = self._window.take(nbytes)
        self._sequence += 1
        self._send(Envelope(self._partition, self._sequence, batch, token, credit, nbytes))

    def _graph_wide(self, change: SchemaChange) -> None:
        since = self._clock.monotonic()
        token = self._ledger.mint(change.commit_ts, f"graph:{change.commit_ts}")
        forms = self._barrier(change.commit_ts, DrainReason.SCHEMA, change)
        for sink, form in sorted(forms.items()):
            if form is not None:
                self._writers[sink].write(form, since)
        token.settle()

    def _barrier(
        self, commit_ts: int, reason: DrainReason, change: SchemaChange | None
    ) -> dict[str, SchemaChange | None]:
        with self._barriers.ticket():
            marker = self._barriers.open(self._partition, commit_ts, reason, change)
            self._sequence += 1
            self._send(Envelope(self._partition, self._sequence, marker))
            with self._at_barriers:
                return self._barriers.wait(marker, self._ledger)
