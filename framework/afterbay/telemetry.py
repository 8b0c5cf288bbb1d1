"""What a run counts: metrics (named in `instruments`), spans and totals. Without an SDK the calls cost next to nothing.

Values are recorded per batch, flush or barrier, never per row. The same calls keep plain totals, so that the
progress line, the report and the metrics can never disagree. Durations are seconds, sizes bytes.

Three questions and their series:

* was a flush by interval or by size: ``afterbay.flush.count`` by ``reason``;
* are size and duration abnormal: ``afterbay.flush.size`` and ``afterbay.flush.duration`` by ``reason``
  (the total is the sum over reasons of one series, there is no second one);
* is a DDL drain slow: ``afterbay.drain.duration`` by ``scope`` (`table`, `graph`).
"""

from __future__ import annotations

import threading
from collections import Counter as Tally
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from opentelemetry import trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Tracer, TracerProvider

from afterbay.instruments import SpoolLevels, StoreOutage, instruments_of
from afterbay.sight import Sight
from afterbay.table_totals import TableLedger
from afterbay.upstream import Upstream


class CleanupResult(StrEnum):
    """How a run that removes expired files ended."""

    DONE = "done"
    UNDATED = "undated"  # there is no checkpoint with a wall time yet
    BEHIND = "behind"  # the checkpoint did not reach what is stored in time
    FAILED = "failed"  # the store refused; what was removed until then is counted
    STOPPED = "stopped"  # the pipeline ended


class FlushReason(StrEnum):
    """Why a table's pending batches became a file."""

    SIZE = "size"
    INTERVAL = "interval"
    BARRIER = "barrier"
    QUOTA = "quota"
    OVERSIZED = "oversized"
    CLOSE = "close"


@dataclass(slots=True)
class NodeTotals:
    """Plain totals of one node. Owned by its `NodeMeter`, read by anyone."""

    rows: int = 0
    bytes: int = 0
    batches: int = 0
    busy_seconds: float = 0.0
    filtered: int = 0
    repeated: int = 0
    rejected: int = 0
    retries: int = 0
    files: int = 0
    file_bytes: int = 0
    ddls: int = 0
    suppressed: int = 0
    quota_waits: int = 0
    quota_wait_seconds: float = 0.0
    files_removed: int = 0
    bytes_removed: int = 0
    flushes: Tally[str] = field(default_factory=Tally)
    cleanups: Tally[str] = field(default_factory=Tally)


class Telemetry:
    """The telemetry of one run. Owns the totals; hands a `NodeMeter` to each node."""

    def __init__(
        self,
        pipeline: str,
        meter_provider: MeterProvider | None = None,
        tracer_provider: TracerProvider | None = None,
    ) -> None:
        self.instruments = instruments_of(meter_provider)
        self.instruments.observe(self)
        self.tracer: Tracer = trace.get_tracer("afterbay", tracer_provider=tracer_provider)
        self.pipeline = pipeline
        self.nodes: dict[str, NodeMeter] = {}
        self._lock = threading.Lock()
        self._queues: dict[str, Callable[[], tuple[int, int]]] = {}
        self._spools: dict[str, Callable[[], SpoolLevels]] = {}
        self._outages: dict[str, Callable[[], StoreOutage | None]] = {}
        self._lag: Callable[[], dict[str, float]] = dict
        self._upstreams: dict[str, Callable[[], Upstream | None]] = {}

    def node(self, name: str) -> NodeMeter:
        """The meter of node `name`, made on first use."""
        with self._lock:
            if name not in self.nodes:
                self.nodes[name] = NodeMeter(self, name)
            return self.nodes[name]

    def watch_queue(self, name: str, depth: Callable[[], tuple[int, int]]) -> None:
        """Registers an edge's (items, bytes)."""
        with self._lock:
            self._queues[name] = depth

    def watch_spool(self, name: str, levels: Callable[[], SpoolLevels]) -> None:
        """Registers a spool's levels."""
        with self._lock:
            self._spools[name] = levels

    def watch_outage(self, name: str, outage: Callable[[], StoreOutage | None]) -> None:
        """Registers what a node's store fails at."""
        with self._lock:
            self._outages[name] = outage

    def watch_upstream(self, name: str, upstream: Callable[[], Upstream | None]) -> None:
        """Registers what a node's server keeps for it, as it was told last."""
        with self._lock:
            self._upstreams[name] = upstream

    def upstreams(self) -> dict[str, Upstream]:
        """What servers keep, by node."""
        with self._lock:
            watched = dict(self._upstreams)
        return {name: found for name, upstream in watched.items() if (found := upstream()) is not None}

    def watch_lag(self, lag: Callable[[], dict[str, float]]) -> None:
        """Registers the checkpoint lag, seconds per partition."""
        self._lag = lag

    def queues(self) -> dict[str, tuple[int, int]]:
        """Every edge's (items, bytes) now."""
        with self._lock:
            watched = dict(self._queues)
        return {name: depth() for name, depth in watched.items()}

    def spools(self) -> dict[str, SpoolLevels]:
        """Every spool's levels now."""
        with self._lock:
            watched = dict(self._spools)
        return {name: levels() for name, levels in watched.items()}

    def outages(self) -> dict[str, StoreOutage]:
        """The stores that are out of reach now, by node."""
        with self._lock:
            watched = dict(self._outages)
        return {name: found for name, outage in watched.items() if (found := outage()) is not None}

    def outage_seconds(self) -> dict[str, float]:
        """For how long each store that is watched has been out of reach, 0 where it is not, by node."""
        out = self.outages()
        with self._lock:
            watched = list(self._outages)
        return {name: out[name].seconds if name in out else 0.0 for name in watched}

    def lag(self) -> dict[str, float]:
        """The checkpoint lag now, seconds per partition."""
        return self._lag()


class NodeMeter:
    """One node's view: every call is one batch, flush, wait or barrier. Thread-safe; owns its lock."""

    def __init__(self, telemetry: Telemetry, name: str) -> None:
        self._telemetry = telemetry
        self._instruments = telemetry.instruments
        self._lock = threading.Lock()
        self._at = {"node": name}
        self.name = name
        self.totals = NodeTotals()
        self.tables = TableLedger()
        self.sight = Sight()

    @property
    def tracer(self) -> Tracer:
        """For the spans `afterbay.flush` and `afterbay.drain`."""
        return self._telemetry.tracer

    def passed(self, rows: int, nbytes: int, busy_seconds: float = 0.0) -> None:
        """A batch left the node."""
        with self._lock:
            totals = self.totals
            totals.rows += rows
            totals.bytes += nbytes
            totals.batches += 1
            totals.busy_seconds += busy_seconds
        self._instruments.rows.add(rows, self._at)
        self._instruments.bytes.add(nbytes, self._at)
        if busy_seconds:
            self._instruments.busy.add(busy_seconds, self._at)

    def filtered(self, rows: int) -> None:
        """Rows that ended here on purpose."""
        with self._lock:
            self.totals.filtered += rows
        self._instruments.settled.add(rows, {**self._at, "reason": "filtered"})

    def repeated(self, rows: int) -> None:
        """Rows that had come or been stored before."""
        with self._lock:
            self.totals.repeated += rows
        self._instruments.settled.add(rows, {**self._at, "reason": "repeated"})

    def rejected(self, lines: int) -> None:
        """Bad lines (or events) that the source put aside."""
        with self._lock:
            self.totals.rejected += lines
        self._instruments.rejected.add(lines, self._at)

    def flushed(self, reason: FlushReason, rows: int, nbytes: int, seconds: float) -> None:
        """A file is durable and committed."""
        with self._lock:
            totals = self.totals
            totals.rows += rows
            totals.bytes += nbytes
            totals.files += 1
            totals.file_bytes += nbytes
            totals.flushes[reason.value] += 1
        at = {**self._at, "reason": reason.value}
        self._instruments.rows.add(rows, self._at)
        self._instruments.bytes.add(nbytes, self._at)
        self._instruments.flush_count.add(1, at)
        self._instruments.flush_size.record(nbytes, at)
        self._instruments.flush_duration.record(seconds, at)

    def drained(self, scope: str, seconds: float) -> None:
        """A DDL's schema file is visible. `scope` is `table` (in band) or `graph`."""
        with self._lock:
            self.totals.ddls += 1
        self._instruments.drain_duration.record(seconds, {**self._at, "scope": scope})

    def schema_changed(self) -> None:
        """A source sent a DDL."""
        with self._lock:
            self.totals.ddls += 1

    def suppressed(self) -> None:
        """A wake of the source was withheld."""
        with self._lock:
            self.totals.suppressed += 1
        self._instruments.suppressed.add(1, self._at)

    def quota_waited(self, seconds: float) -> None:
        """A batch waited for room in the spool."""
        with self._lock:
            self.totals.quota_waits += 1
            self.totals.quota_wait_seconds += seconds
        self._instruments.quota_wait.record(seconds, self._at)

    def cleaned(self, result: CleanupResult, files: int, nbytes: int, seconds: float) -> None:
        """A run that removes expired files is over; `files` data files of `nbytes` bytes are gone."""
        with self._lock:
            self.totals.files_removed += files
            self.totals.bytes_removed += nbytes
            self.totals.cleanups[result.value] += 1
        at = {**self._at, "result": result.value}
        self._instruments.files_removed.add(files, at)
        self._instruments.bytes_removed.add(nbytes, at)
        self._instruments.cleanup_duration.record(seconds, at)

    def retried(self, operation: str) -> None:
        """A store call failed for the moment and is tried again."""
        with self._lock:
            self.totals.retries += 1
        self._instruments.retries.add(1, {**self._at, "operation": operation})

    def watch_spool(self, levels: Callable[[], SpoolLevels]) -> None:
        """Registers this node's spool levels."""
        self._telemetry.watch_spool(self.name, levels)

    def watch_outage(self, outage: Callable[[], StoreOutage | None]) -> None:
        """Registers what this node's store fails at."""
        self._telemetry.watch_outage(self.name, outage)

    def watch_upstream(self, upstream: Callable[[], Upstream | None]) -> None:
        """Registers what this node's server keeps for it."""
        self._telemetry.watch_upstream(self.name, upstream)
