"""Every metric, named once (OpenTelemetry API). Values and names: what a run counts, and what is looked at when asked.

Instruments belong to their provider, which never forgets one: they are made once a provider, not once a run, and see
runs by weak references. A process that runs pipelines again and again so keeps none of them alive (I8).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation

from afterbay.upstream import Upstream

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BYTES = tuple(float(1 << power) for power in range(10, 31, 2))


@dataclass(frozen=True, slots=True)
class SpoolLevels:
    """What a spool holds now. Bytes, headers included. `held_back`: what the source is held back for, or "".

    `memory_limit`: bytes that `memory` may come to, 0 if it was not told.
    """

    memory: int
    disk: int
    quota: int
    segments: int
    entries: int
    held_back: str = ""
    memory_limit: int = 0


@dataclass(frozen=True, slots=True)
class StoreOutage:
    """A store's operation that fails and is tried again: since when (wall time), for how long, how often, and why."""

    operation: str
    key: str
    reason: str
    since: datetime
    seconds: float
    tries: int


class Observed(Protocol):
    """A run, as gauges see it."""

    def queues(self) -> Mapping[str, tuple[int, int]]: ...
    def spools(self) -> Mapping[str, SpoolLevels]: ...
    def outage_seconds(self) -> Mapping[str, float]: ...
    def lag(self) -> Mapping[str, float]: ...
    def upstreams(self) -> Mapping[str, Upstream]: ...


class Instruments:
    """The instruments of one provider. `observe` adds a run to what the gauges look at, for as long as it lives."""

    def __init__(self, meter: Meter) -> None:
        self._runs: weakref.WeakSet[Observed] = weakref.WeakSet()
        self.rows = meter.create_counter("afterbay.node.rows", unit="{row}", description="Rows that left a node")
        self.bytes = meter.create_counter("afterbay.node.bytes", unit="By", description="Bytes that left a node")
        self.busy = meter.create_counter("afterbay.node.busy", unit="s", description="Seconds spent working")
        self.settled = meter.create_counter(
            "afterbay.row.settled", unit="{row}", description="Rows not stored, by reason (filtered, repeated)"
        )
        self.rejected = meter.create_counter(
            "afterbay.source.rejected", unit="{line}", description="Bad lines or events that a source put aside"
        )
        self.flush_count = meter.create_counter("afterbay.flush.count", unit="{flush}", description="Files, by reason")
        self.flush_size = meter.create_histogram(
            "afterbay.flush.size", unit="By", description="Bytes of a file", explicit_bucket_boundaries_advisory=BYTES
        )
        self.flush_duration = meter.create_histogram(
            "afterbay.flush.duration",
            unit="s",
            description="From the decision to flush until the commit",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self.drain_duration = meter.create_histogram(
            "afterbay.drain.duration",
            unit="s",
            description="From a DDL's arrival until everything before it is stored",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self.suppressed = meter.create_counter(
            "afterbay.spool.suppressed", unit="{wake}", description="Wakes withheld above the high watermark"
        )
        self.quota_wait = meter.create_histogram(
            "afterbay.spool.quota_wait",
            unit="s",
            description="Waits for room in the spool",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self.retries = meter.create_counter("afterbay.store.retries", unit="{retry}", description="Store calls retried")
        self.files_removed = meter.create_counter(
            "afterbay.cleanup.files", unit="{file}", description="Expired data files removed, by result of the run"
        )
        self.bytes_removed = meter.create_counter(
            "afterbay.cleanup.bytes", unit="By", description="Bytes of the expired data files"
        )
        self.cleanup_duration = meter.create_histogram(
            "afterbay.cleanup.duration",
            unit="s",
            description="A run that removes expired files, by result",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        gauge = meter.create_observable_gauge
        gauge("afterbay.queue.items", [self._each(_queue_items)], unit="{item}")
        gauge("afterbay.queue.bytes", [self._each(_queue_bytes)], unit="By")
        gauge("afterbay.spool.memory", [self._each(_spool("memory"))], unit="By")
        gauge("afterbay.spool.disk", [self._each(_spool("disk"))], unit="By")
        gauge("afterbay.spool.segments", [self._each(_spool("segments"))], unit="{segment}")
        gauge("afterbay.spool.entries", [self._each(_spool("entries"))], unit="{entry}")
        gauge(
            "afterbay.store.outage",
            [self._each(_outage)],
            unit="s",
            description="For how long a store's operation has been failing; 0 when the store works",
        )
        gauge(
            "afterbay.upstream.behind",
            [self._each(_behind)],
            unit="By",
            description="What a source's server keeps for the pipeline (the log of a replication slot)",
        )
        gauge(
            "afterbay.upstream.state",
            [self._each(_upstream_state)],
            description="1, with the state that the server gives as an attribute (a slot's wal_status)",
        )
        gauge(
            "afterbay.checkpoint.lag",
            [self._each(_checkpoint_lag)],
            unit="s",
            description="Age of the oldest change received that the durable checkpoint does not cover",
        )

    def observe(self, run: Observed) -> None:
        """The gauges look at `run` from now on."""
        self._runs.add(run)

    def _each(self, look: _Look) -> Callable[[CallbackOptions], Iterable[Observation]]:
        return lambda _: [found for run in list(self._runs) for found in look(run)]


_Look = Callable[[Observed], Iterable[Observation]]


def _queue_items(run: Observed) -> Iterable[Observation]:
    return [Observation(depth[0], {"edge": name}) for name, depth in run.queues().items()]


def _queue_bytes(run: Observed) -> Iterable[Observation]:
    return [Observation(depth[1], {"edge": name}) for name, depth in run.queues().items()]


def _spool(part: str) -> _Look:
    return lambda run: [Observation(getattr(levels, part), {"node": name}) for name, levels in run.spools().items()]


def _outage(run: Observed) -> Iterable[Observation]:
    return [Observation(seconds, {"node": name}) for name, seconds in run.outage_seconds().items()]


def _behind(run: Observed) -> Iterable[Observation]:
    return [Observation(up.behind, {"node": name}) for name, up in run.upstreams().items() if up.behind is not None]


def _upstream_state(run: Observed) -> Iterable[Observation]:
    return [Observation(1, {"node": name, "state": up.state}) for name, up in run.upstreams().items()]


def _checkpoint_lag(run: Observed) -> Iterable[Observation]:
    return [Observation(seconds, {"partition": name}) for name, seconds in run.lag().items()]


_MADE: weakref.WeakKeyDictionary[MeterProvider, Instruments] = weakref.WeakKeyDictionary()


def instruments_of(provider: MeterProvider | None) -> Instruments:
    """The instruments of `provider`, made on first use; None: of the process's own."""
    provider = metrics.get_meter_provider() if provider is None else provider
    made = _MADE.get(provider)
    if made is None:
        # Two threads may come at once: the second's instruments are of the same names, and as good.
        made = _MADE.setdefault(provider, Instruments(metrics.get_meter("afterbay", meter_provider=provider)))
    return made
