"""The metrics answer the three questions, per batch, from series that cannot disagree."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from afterbay.instruments import SpoolLevels, StoreOutage
from afterbay.messages import DdlKind, SchemaChange, TableChange
from afterbay.runtime.ledger import Ledger
from afterbay.runtime.outlet import SchemaWriter
from afterbay.telemetry import CleanupResult, FlushReason, Telemetry
from afterbay_nodes.sinks.file_body import FileBodies
from afterbay_nodes.sinks.flush_days import FlushDays
from afterbay_nodes.sinks.lane import Ddl, Lane, Limits
from afterbay_nodes.sinks.scratch import Scratch
from afterbay_nodes.sinks.writer import Writer
from afterbay_nodes.storage.layout import Layout
from afterbay_nodes.storage.noop import NoopStore
from tests.support.clock import ManualClock
from tests.support.flow import table


class Measured:
    """Telemetry over a reader of its own."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.telemetry = Telemetry("p", meter_provider=MeterProvider([self.reader]))
        self.meter = self.telemetry.node("lake")

    def points(self, name: str) -> dict[tuple[tuple[str, Any], ...], Any]:
        """The data points of one metric, by their attributes."""
        data = self.reader.get_metrics_data()
        assert data is not None
        metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics if m.name == name]
        return {tuple(sorted(point.attributes.items())): point for m in metrics for point in m.data.data_points}


@pytest.fixture
def measured() -> Measured:
    return Measured()


def test_flushes_are_one_series_by_reason_and_the_total_is_their_sum(measured: Measured) -> None:
    measured.meter.flushed(FlushReason.SIZE, rows=10, nbytes=100, seconds=0.5)
    measured.meter.flushed(FlushReason.SIZE, rows=10, nbytes=300, seconds=0.7)
    measured.meter.flushed(FlushReason.INTERVAL, rows=1, nbytes=5, seconds=0.1)
    counts = {dict(at)["reason"]: point.value for at, point in measured.points("afterbay.flush.count").items()}
    assert counts == {"size": 2, "interval": 1}
    durations = measured.points("afterbay.flush.duration")
    assert {dict(at)["reason"] for at in durations} == {"size", "interval"}, "no point without a reason: nothing twice"
    assert sum(point.count for point in durations.values()) == 3
    assert sum(point.sum for point in durations.values()) == pytest.approx(1.3)
    sizes = {dict(at)["reason"]: point.sum for at, point in measured.points("afterbay.flush.size").items()}
    assert sizes == {"size": 400, "interval": 5}
    assert measured.meter.totals.flushes == {"size": 2, "interval": 1}
    assert (measured.meter.totals.rows, measured.meter.totals.file_bytes) == (21, 405)


class FakeState:
    """Enough of the state for a DDL."""

    class restart:
        ddls: frozenset[tuple[str, str, int]] = frozenset()

    def finish_ddl(self, sink: str, key: str, commit_ts: int, tokens: Any) -> None:
        for token in tokens:
            token.settle()


def test_the_drain_of_an_in_band_ddl_takes_what_it_took(measured: Measured, tmp_path: Path) -> None:
    """Against a clock turned by hand: from the DDL's arrival until its schema file is visible, and not 0."""
    clock = ManualClock()
    writer = Writer(
        sink="lake",
        store=NoopStore(),
        layout=Layout(),
        bodies=FileBodies(Scratch(tmp_path), 1 << 20, clock),
        zone=None,
        state=FakeState(),  # type: ignore[arg-type]
        positions={},
        days=FlushDays("", {}),
        clock=clock,
        meter=measured.meter,
    )
    change = SchemaChange("p", 5, DdlKind.ADD_INDEX, "alter", (TableChange("a", table("a"), "a", table("a", 5)),))
    token = Ledger("p").mint(5, "a")
    arrived = clock.monotonic()
    clock.advance(3.5)
    writer.perform(Lane("p", "a", Limits(1, 1.0, 1)), Ddl(change, token, arrived))
    (point,) = measured.points("afterbay.drain.duration").values()
    assert (point.count, point.sum) == (1, 3.5)
    assert dict(point.attributes) == {"node": "lake", "scope": "table"}


def test_the_drain_of_a_graph_wide_ddl_takes_what_it_took(measured: Measured) -> None:
    clock = ManualClock()
    written: list[SchemaChange] = []

    class Operator:
        def write_schema(self, change: SchemaChange) -> None:
            clock.advance(0.25)
            written.append(change)

    writer = SchemaWriter("lake", Operator(), FakeState(), measured.meter, clock)  # type: ignore[arg-type]
    since = clock.monotonic()
    clock.advance(2.0)
    writer.write(SchemaChange("p", 9, DdlKind.RENAME_TABLE, "rename"), since)
    (point,) = measured.points("afterbay.drain.duration").values()
    assert (point.sum, dict(point.attributes)["scope"]) == (2.25, "graph")
    assert len(written) == 1


def test_a_cleanup_tells_files_bytes_and_duration_by_its_result(measured: Measured) -> None:
    measured.meter.cleaned(CleanupResult.DONE, files=3, nbytes=300, seconds=1.5)
    measured.meter.cleaned(CleanupResult.DONE, files=1, nbytes=50, seconds=0.5)
    measured.meter.cleaned(CleanupResult.FAILED, files=2, nbytes=20, seconds=9.0)
    found = {
        name: {dict(at)["result"]: getattr(point, "value", None) or point.sum for at, point in points.items()}
        for name in ("files", "bytes", "duration")
        if (points := measured.points(f"afterbay.cleanup.{name}"))
    }
    assert found == {
        "files": {"done": 4, "failed": 2},
        "bytes": {"done": 350, "failed": 20},
        "duration": {"done": 2.0, "failed": 9.0},
    }
    totals = measured.meter.totals
    assert (totals.files_removed, totals.bytes_removed, totals.cleanups) == (6, 370, {"done": 2, "failed": 1})


def test_levels_queues_and_lag_are_observed(measured: Measured) -> None:
    measured.meter.watch_spool(lambda: SpoolLevels(memory=1, disk=2, quota=10, segments=3, entries=4))
    measured.telemetry.watch_queue("a->b", lambda: (5, 600))
    out = StoreOutage("put", "a.csv", "refused", datetime(2026, 1, 1, tzinfo=UTC), 38.0, 9)
    measured.meter.watch_outage(lambda: out)
    measured.telemetry.node("other").watch_outage(lambda: None)
    outages = measured.points("afterbay.store.outage").items()
    assert {dict(at)["node"]: point.value for at, point in outages} == {"lake": 38.0, "other": 0.0}
    measured.telemetry.watch_lag(lambda: {"log": 1.5})
    assert [point.value for point in measured.points("afterbay.spool.disk").values()] == [2]
    assert [point.value for point in measured.points("afterbay.queue.bytes").values()] == [600]
    assert {dict(at)["partition"]: p.value for at, p in measured.points("afterbay.checkpoint.lag").items()} == {
        "log": 1.5
    }


def test_the_rest_is_counted_by_reason(measured: Measured) -> None:
    measured.meter.passed(10, 100, 0.5)
    measured.meter.filtered(3)
    measured.meter.repeated(4)
    measured.meter.suppressed()
    measured.meter.quota_waited(0.5)
    measured.meter.retried("put")
    measured.meter.rejected(2)
    settled = {dict(at)["reason"]: point.value for at, point in measured.points("afterbay.row.settled").items()}
    assert settled == {"filtered": 3, "repeated": 4}
    assert [point.value for point in measured.points("afterbay.source.rejected").values()] == [2]
    for name in ("afterbay.node.rows", "afterbay.node.bytes", "afterbay.node.busy", "afterbay.store.retries"):
        assert len(measured.points(name)) == 1
    assert [point.count for point in measured.points("afterbay.spool.quota_wait").values()] == [1]
