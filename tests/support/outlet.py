"""A recording outlet: keeps what a source sends, and refuses what the contract forbids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from afterbay.clock import SystemClock
from afterbay.messages import ChangeBatch, Op, SchemaChange
from afterbay.node import Source, SourceContext, Until
from afterbay.positions import ResumePoint
from afterbay.schema import Json, RowPosition, TableSchema
from afterbay.telemetry import Telemetry


@dataclass(frozen=True)
class Announced:
    """A call of `announce`."""

    dispatcher: str
    schema: TableSchema


@dataclass(frozen=True)
class Row:
    """One change, as plain data. `stamp` is (commit-ts, ordinal)."""

    dispatcher: str
    version: int
    op: Op
    stamp: RowPosition
    values: Mapping[str, Any]
    before: Mapping[str, Any] | None


Sent = ChangeBatch | SchemaChange | Announced | ResumePoint


@dataclass
class RecordingOutlet:
    """Keeps everything in `sent`, in order. `stop_after` promises it says that the run is stopping.

    It asserts: nothing at or below a promise follows it; a dispatcher's rows rise in (commit-ts, ordinal) and have
    the schema in force; a batch ends at a transaction end or says `open`; columns have the schema's shape.
    """

    resume: ResumePoint | None = None
    schemas: dict[str, TableSchema] = field(default_factory=dict)
    stop_after: int | None = None
    sent: list[Sent] = field(default_factory=list)
    repeats: int = 0
    waits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._promise = -1 if self.resume is None else self.resume.commit_ts
        self._last: dict[str, RowPosition] = {}
        self._open: dict[str, bool] = {}

    @property
    def stopping(self) -> bool:
        return self.stop_after is not None and len(self.promises) >= self.stop_after

    def batch(self, batch: ChangeBatch) -> None:
        assert batch.first.commit_ts > self._promise, "a change at or below the promise"
        assert batch.schema == self.schemas.get(batch.dispatcher), f"not the schema in force: {batch.schema}"
        assert batch.rows.schema.equals(batch.schema.arrow_schema)
        batch.rows.validate(full=True)
        n = batch.num_rows
        assert len(batch.ops) == len(batch.commit_ts) == len(batch.ordinals) == n
        stamps = list(map(RowPosition, batch.commit_ts.to_pylist(), batch.ordinals.to_pylist()))
        assert all(a < b for a, b in pairwise(stamps)), "rows out of order in a batch"
        last = self._last.get(batch.dispatcher)
        if last is not None:
            assert stamps[0] > last, f"{batch.dispatcher}: {stamps[0]} after {last}"
            same = stamps[0].commit_ts == last.commit_ts
            assert not same or self._open[batch.dispatcher], "a transaction went on after a batch that was not open"
        if batch.before is not None:
            batch.before.validate(full=True)
            assert batch.before.num_rows == n
            assert batch.before.schema.equals(batch.schema.arrow_schema)
        self._last[batch.dispatcher] = stamps[-1]
        self._open[batch.dispatcher] = batch.open
        self.sent.append(batch)

    def schema_change(self, change: SchemaChange) -> None:
        assert change.commit_ts > self._promise, "a DDL at or below the promise"
        for table in change.tables:
            if table.before is not None and table.dispatcher_before is not None:
                assert self.schemas.get(table.dispatcher_before) == table.before
            if table.dispatcher_before is not None and table.dispatcher_before != table.dispatcher_after:
                self.schemas.pop(table.dispatcher_before, None)
            if table.dispatcher_after is not None and table.after is not None:
                self.schemas[table.dispatcher_after] = table.after
        self.sent.append(change)

    def announce(self, dispatcher: str, schema: TableSchema) -> None:
        self.schemas[dispatcher] = schema
        self.sent.append(Announced(dispatcher, schema))

    def promise(self, commit_ts: int, cursor: Mapping[str, Json]) -> None:
        assert commit_ts >= self._promise, "the promise fell"
        self._promise = commit_ts
        self.sent.append(ResumePoint(commit_ts, cursor))

    def repeated(self, rows: int) -> None:
        self.repeats += rows

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)

    @property
    def batches(self) -> list[ChangeBatch]:
        return [item for item in self.sent if isinstance(item, ChangeBatch)]

    @property
    def ddls(self) -> list[SchemaChange]:
        return [item for item in self.sent if isinstance(item, SchemaChange)]

    @property
    def promises(self) -> list[ResumePoint]:
        return [item for item in self.sent if isinstance(item, ResumePoint)]

    @property
    def announced(self) -> list[Announced]:
        return [item for item in self.sent if isinstance(item, Announced)]

    @property
    def rows(self) -> list[Row]:
        return [row for batch in self.batches for row in rows_of(batch)]


def rows_of(batch: ChangeBatch) -> Iterator[Row]:
    """A batch's changes as plain data."""
    befores = [None] * batch.num_rows if batch.before is None else batch.before.to_pylist()
    columns = (batch.ops.to_pylist(), batch.commit_ts.to_pylist(), batch.ordinals.to_pylist(), batch.rows.to_pylist())
    for op, commit_ts, ordinal, values, before in zip(*columns, befores, strict=True):
        image = before if op == Op.UPDATE else None
        yield Row(batch.dispatcher, batch.schema.version, Op(op), RowPosition(commit_ts, ordinal), values, image)


def record(
    source: Source[Any],
    *,
    resume: ResumePoint | None = None,
    schemas: Mapping[str, TableSchema] | None = None,
    stop_after: int | None = None,
    until: Until = Until.END,
) -> RecordingOutlet:
    """Runs a source into a recording outlet. `schemas`: those in force at `resume`."""
    known = dict(schemas or {})
    outlet = RecordingOutlet(resume, dict(known), stop_after)
    context = SourceContext(
        node="source",
        partition="source",
        until=until,
        resume=resume,
        schemas=known,
        clock=SystemClock(),
        meter=Telemetry("test").node("source"),
        work_dir=Path("scratch"),
    )
    operator = source.open(context)
    try:
        operator.run(outlet)
    finally:
        operator.close()
    return outlet


def schemas_at(outlet: RecordingOutlet, point: ResumePoint) -> dict[str, TableSchema]:
    """The schemas in force at a promise: what a state would hand to a run resumed there. A DDL above it may have been
    sent before it.
    """
    schemas: dict[str, TableSchema] = {}
    for item in outlet.sent:
        if item is point:
            break
        if isinstance(item, Announced) and item.schema.version <= point.commit_ts:
            schemas[item.dispatcher] = item.schema
        elif isinstance(item, SchemaChange) and item.commit_ts <= point.commit_ts:
            for table in item.tables:
                if table.dispatcher_before is not None and table.dispatcher_before != table.dispatcher_after:
                    schemas.pop(table.dispatcher_before, None)
                if table.dispatcher_after is not None and table.after is not None:
                    schemas[table.dispatcher_after] = table.after
    return schemas
