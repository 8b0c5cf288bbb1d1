"""The writer: one flush becomes one data file and its index entry; one DDL becomes its schema files.

The order of a flush, and what each step protects (I1, I2, I6)::

    intent durable -> data file durable -> index durable -> commit {file done, position, tokens, checkpoint} -> release

A crash between any two steps leaves an open intent that the next start settles (`recovery`). A file's bytes are there,
with their size and CRC, before its intent is: `file_body` makes them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import tzinfo

from afterbay.clock import Clock
from afterbay.messages import SchemaChange
from afterbay.positions import StoredPosition
from afterbay.sight import StoredFile
from afterbay.state.store import Intent, State
from afterbay.telemetry import NodeMeter
from afterbay_nodes.sinks.file_body import FileBodies, FileBody
from afterbay_nodes.sinks.flush_days import FlushDays
from afterbay_nodes.sinks.lane import Ddl, FlushJob, Lane
from afterbay_nodes.storage.dates import date_level
from afterbay_nodes.storage.layout import Layout
from afterbay_nodes.storage.numbering import older
from afterbay_nodes.storage.path_state import FilePlace, PathState, PathStates, path_key, turn_key
from afterbay_nodes.storage.schema_file import schema_files
from afterbay_nodes.storage.store import AlreadyExists, ObjectStore
from afterbay_nodes.storage.versions import publish


def series_directory(directory: str, stem: str) -> str:
    """What the state counts numbers by: the directory, and the series where one directory holds several."""
    return directory if stem == "CDC" else f"{directory}|{stem}"


def plain_directory(series: str) -> str:
    """The directory of a series."""
    return series.partition("|")[0]


class Series:
    """One flush at a time for each series of files, whoever's rows they are. Owns a lock for each series in use.

    Partitions of a table share a series when the partition level is off; lanes alone would then run side by side. Keys
    are those of `turn_key`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[tuple[str, str], tuple[threading.Lock, int]] = {}

    @contextmanager
    def hold(self, key: tuple[str, str]) -> Iterator[None]:
        """Waits for the flush under way of the same series."""
        with self._lock:
            lock, users = self._held.get(key, (threading.Lock(), 0))
            self._held[key] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                lock, users = self._held[key]
                if users == 1:
                    del self._held[key]
                else:
                    self._held[key] = (lock, users - 1)


class Writer:
    """Does the jobs of lanes, in upload threads; one job of a lane at a time. Owns path states and stored positions."""

    def __init__(
        self,
        *,
        sink: str,
        store: ObjectStore,
        layout: Layout,
        bodies: FileBodies,
        zone: tzinfo | None,
        state: State,
        positions: Mapping[tuple[str, str], StoredPosition],
        days: FlushDays,
        clock: Clock,
        meter: NodeMeter,
    ) -> None:
        self._sink = sink
        self._store = store
        self._layout = layout
        self._bodies = bodies
        self._zone = zone
        self._state = state
        self._clock = clock
        self._meter = meter
        self._days = days
        self._paths = PathStates(clock)
        self._series = Series()
        self._stored = dict(positions)  # changed by the one flush under way of its dispatcher

    def perform(self, lane: Lane, job: FlushJob | Ddl) -> None:
        """See `Jobs.perform`."""
        if isinstance(job, Ddl):
            self._write_ddl(lane, job)
        else:
            self._flush(lane, job)

    def write_schema(self, change: SchemaChange) -> None:
        """Makes the schema files of a DDL visible, in their order. Equal ones that exist are left alone."""
        for write in schema_files(change, self._layout):
            publish(self._store, write)

    def _write_ddl(self, lane: Lane, job: Ddl) -> None:
        with self._meter.tracer.start_as_current_span("afterbay.drain", attributes={"dispatcher": lane.dispatcher}):
            if (self._sink, lane.dispatcher, job.change.commit_ts) not in self._state.restart.ddls:
                self.write_schema(job.change)
            self._state.finish_ddl(self._sink, lane.dispatcher, job.change.commit_ts, (job.token,))
        self._meter.drained("table", self._clock.monotonic() - job.since)

    def _flush(self, lane: Lane, job: FlushJob) -> None:
        heads = job.heads
        head = heads[0]
        stem = self._layout.series(lane.partition, lane.dispatcher)
        key = path_key(self._layout, head.schema, stem)
        attributes = {"reason": job.reason.value, "table": str(head.schema.name)}
        path = self._paths.pin(key)
        try:
            with (
                self._series.hold(turn_key(self._layout, head.schema, stem)),
                self._meter.tracer.start_as_current_span("afterbay.flush", attributes=attributes),
            ):
                self._store_file(lane, job, path, stem)
        finally:
            self._paths.unpin(key)

    def _store_file(self, lane: Lane, job: FlushJob, path: PathState, stem: str) -> None:
        heads = job.heads
        head, last = heads[0], heads[-1].last
        stored = self._stored.get((lane.partition, lane.dispatcher))
        rows = sum(item.rows for item in heads)
        if not path.resolve(
            self._store, self._layout, head.schema, first=head.first, last=last, stored=_plain(stored), stem=stem
        ):
            for item in job.pending:
                item.entry.release()
                item.token.settle()
            self._meter.repeated(rows)
            return
        today = self._days.begin(date_level(self._layout.date_separator, self._clock.now(), self._zone))
        with self._bodies.of(job.pending) as body:
            place = path.next_file(
                self._store,
                self._layout,
                head.schema,
                stem,
                head.format.extension,
                today,
                lambda directory: self._given(series_directory(directory, stem)),
            )
            intent = Intent(
                sink=self._sink,
                partition=lane.partition,
                dispatcher=lane.dispatcher,
                directory=series_directory(place.directory, stem),
                number=place.number,
                path=place.key,
                first=head.first,
                last=last,
                rows=rows,
                size=body.size,
                crc=body.crc,
                header=body.header,
            )
            self._write(intent, place, body, job, path, stem)
        self._stored[lane.partition, lane.dispatcher] = StoredPosition(last, intent.directory, place.number)
        self._days.done(today, lane.partition, last.commit_ts)
        for item in job.pending:
            item.entry.release()
        seconds = self._clock.monotonic() - job.since
        self._meter.flushed(job.reason, rows, intent.size, seconds)
        self._meter.tables.stored(str(head.schema.name), rows, intent.size, last.commit_ts)
        self._meter.sight.stored(
            StoredFile(
                at=self._clock.now(),
                partition=lane.partition,
                dispatcher=lane.dispatcher,
                table=str(head.schema.name),
                route=head.schema.route_key,
                version=head.schema.version,
                path=intent.path,
                reason=job.reason.value,
                rows=rows,
                size=intent.size,
                seconds=seconds,
                commit_ts=last.commit_ts,
                ordinal=last.ordinal,
            )
        )

    def _given(self, series: str) -> int | None:
        """The last number of a series; None in an adopted root, where files may be that the state does not know."""
        number = self._state.directory_number(self._sink, series)
        return 0 if number is None and self._sink not in self._state.restart.adopted else number

    def _write(
        self, intent: Intent, place: FilePlace, body: FileBody, job: FlushJob, path: PathState, stem: str
    ) -> None:
        """The steps of a flush."""
        number = self._state.begin(intent)
        try:
            self._store.put_if_absent(intent.path, body.parts, body.size)
        except AlreadyExists as error:
            self._state.withdraw(number)
            raise older(self._store, f"'{intent.path}' appeared", intent.number - 1) from error
        path.publish(self._store, self._layout, place, stem, job.heads[0].format.extension)
        self._state.finish(number, [item.token for item in job.pending])


def _plain(stored: StoredPosition | None) -> StoredPosition | None:
    if stored is None:
        return None
    return StoredPosition(stored.row, plain_directory(stored.directory), stored.number)
