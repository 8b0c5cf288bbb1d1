"""A scripted source, a store in memory, and plans made by hand: for stories about the runtime."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from afterbay.compile.plan import Plan, PlanEdge, PlanInput, PlanNode
from afterbay.credit import Credit
from afterbay.messages import ChangeBatch, DdlKind, SchemaChange, TableChange
from afterbay.node import (
    Capabilities,
    Node,
    Outlet,
    ShardOperator,
    Sink,
    SinkContext,
    SinkOperator,
    Source,
    SourceContext,
    SourceOperator,
    Transform,
    TransformContext,
    TransformOperator,
)
from afterbay.positions import ResumePoint
from afterbay.runtime.ledger import Token
from afterbay.schema import Column, RowPosition, TableName, TableSchema
from afterbay.state.store import Intent, State
from afterbay.telemetry import FlushReason, NodeMeter


def table(name: str, version: int = 0) -> TableSchema:
    return TableSchema(TableName("s", name), version, (Column("id", "bigint", primary_key=True),))


def batch(
    partition: str, name: str, rows: Sequence[tuple[int, int]], version: int = 0, open: bool = False
) -> ChangeBatch:
    """Inserts of `name`, one for each (commit-ts, ordinal); the id is commit-ts * 100 + ordinal."""
    schema = table(name, version)
    ids = pa.array([(ts * 100 + ordinal) % (1 << 63) for ts, ordinal in rows], pa.int64())
    return ChangeBatch.of(
        partition=partition,
        dispatcher=name,
        schema=schema,
        rows=pa.RecordBatch.from_arrays([ids], schema=schema.arrow_schema),
        ops=pa.array([0] * len(rows), pa.uint8()),
        commit_ts=pa.array([ts for ts, _ in rows], pa.uint64()),
        ordinals=pa.array([ordinal for _, ordinal in rows], pa.uint32()),
        open=open,
    )


@dataclass(frozen=True)
class Rows:
    table: str
    at: tuple[tuple[int, int], ...]
    version: int = 0
    open: bool = False


@dataclass(frozen=True)
class Alter:
    """A DDL of one table, in band; `graph` makes it graph-wide (a rename to itself with an `_r`)."""

    table: str
    ts: int
    before: int = 0
    graph: bool = False


@dataclass(frozen=True)
class Promise:
    ts: int


Event = Rows | Alter | Promise | Callable[[Outlet], None]
SCRIPTS: dict[str, Mapping[str, Sequence[Event]]] = {}
ACKNOWLEDGED: dict[str, list[int]] = defaultdict(list)


class Scripted(Source[ChangeBatch]):
    """Plays `SCRIPTS[script][partition]`; resumes behind the promise it is given."""

    type_name: ClassVar[str] = "scripted"
    capabilities: ClassVar[Capabilities] = Capabilities(tells_time=True)
    script: str
    shared_clock: bool = False

    def partitions(self) -> tuple[str, ...]:
        return tuple(SCRIPTS[self.script])

    @property
    def ends(self) -> bool:
        return True

    def commit_ms(self, point: ResumePoint) -> int:
        return point.commit_ts >> 18

    def open(self, context: SourceContext) -> SourceOperator:
        suffix = context.partition.partition("/")[2]
        start = 0 if context.resume is None else int(str(context.resume.cursor["next"]))
        return _Player(context.partition, list(SCRIPTS[self.script][suffix]), start, self.script)


class _Player(SourceOperator):
    def __init__(self, partition: str, events: list[Event], start: int, script: str) -> None:
        self.partition, self.events, self.start, self.script = partition, events, start, script

    def run(self, out: Outlet) -> None:
        for number, event in enumerate(self.events[self.start :], self.start + 1):
            if isinstance(event, Rows):
                out.batch(batch(self.partition, event.table, event.at, event.version, event.open))
            elif isinstance(event, Promise):
                out.promise(event.ts, {"next": number})
                if out.stopping:
                    return
            elif isinstance(event, Alter):
                before = table(event.table, event.before)
                name = event.table + "_r" if event.graph else event.table
                change = TableChange(event.table, before, name, table(name, event.ts))
                kind = DdlKind.RENAME_TABLE if event.graph else DdlKind.ADD_INDEX
                out.schema_change(SchemaChange(self.partition, event.ts, kind, f"ddl {event.ts}", (change,)))
            else:
                event(out)

    def acknowledge(self, point: Any) -> None:
        ACKNOWLEDGED[self.script].append(point.commit_ts)


@dataclass
class MemoryStore:
    """What outlives a run: files in order for each table, each a list of (commit-ts, ordinal), and DDLs."""

    files: dict[str, list[list[tuple[int, int]]]] = field(default_factory=lambda: defaultdict(list))
    log: list[tuple[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def rows(self, name: str) -> list[tuple[int, int]]:
        with self.lock:
            return [row for file in self.files[name] for row in file]

    def put(self, name: str, rows: list[tuple[int, int]]) -> None:
        with self.lock:
            self.files[name].append(rows)
            self.log.append((name, rows))

    def put_ddl(self, change: SchemaChange) -> None:
        with self.lock:
            self.log.append(("ddl", change.commit_ts))


STORES: dict[str, MemoryStore] = {}
BEFORE_PUT: dict[str, Callable[[ChangeBatch], None]] = {}


class MemorySink(Sink[ChangeBatch]):
    """Stores each batch as one file in `STORES[store]`, with intents and commits like a real sink."""

    type_name: ClassVar[str] = "memory"
    capabilities: ClassVar[Capabilities] = Capabilities(sharded=True, settles=True)
    store: str
    shards: int = 4

    @property
    def shard_count(self) -> int:
        return self.shards

    def open(self, context: SinkContext) -> SinkOperator[ChangeBatch]:
        for open_intent in context.state.restart.intents:
            if open_intent.intent.sink == context.node:
                context.state.withdraw(open_intent.id)
        return _MemorySink(STORES[self.store], context, BEFORE_PUT.get(self.store))


class _MemorySink(SinkOperator[ChangeBatch]):
    def __init__(self, store: MemoryStore, context: SinkContext, before: Callable[[ChangeBatch], None] | None) -> None:
        self.store, self.context, self.before = store, context, before

    def open_shard(self, index: int, wake: Callable[[], None]) -> ShardOperator[ChangeBatch]:
        return _MemoryShard(self)

    def write_schema(self, change: SchemaChange) -> None:
        self.store.put_ddl(change)


class _MemoryShard(ShardOperator[ChangeBatch]):
    def __init__(self, sink: _MemorySink) -> None:
        self.sink = sink
        self.state: State = sink.context.state
        self.meter: NodeMeter = sink.context.meter

    def accept(self, item: ChangeBatch, token: Token, credit: Credit | None) -> None:
        if credit is not None:
            credit.give_back()
        key = (item.partition, item.dispatcher)
        stored = self.sink.context.positions.get(key)
        if stored is not None and item.first <= stored.row:
            assert item.last <= stored.row, "a batch reaches across the stored position"
            token.settle()
            self.meter.repeated(item.num_rows)
            return
        if self.sink.before is not None:
            self.sink.before(item)
        rows = list(zip(item.commit_ts.to_pylist(), item.ordinals.to_pylist(), strict=True))
        name = f"{item.partition}/{item.dispatcher}" if "/" in item.partition else item.dispatcher
        directory = f"{name}/{item.schema.version}"
        number = (self.state.directory_number(self.sink.context.node, directory) or 0) + 1
        at = RowPosition(*rows[-1])
        intent = Intent(
            self.sink.context.node, *key, directory, number, f"{directory}/{number}", item.first, at, len(rows), 1, 0
        )
        opened = self.state.begin(intent)
        self.sink.store.put(name, rows)
        self.state.finish(opened, [token])
        self.meter.flushed(FlushReason.SIZE, len(rows), 1, 0.0)

    def schema_change(self, change: SchemaChange, token: Token) -> None:
        dispatcher = change.in_band_dispatcher
        assert dispatcher is not None
        if (self.sink.context.node, dispatcher, change.commit_ts) not in self.state.restart.ddls:
            self.sink.store.put_ddl(change)
        self.state.finish_ddl(self.sink.context.node, dispatcher, change.commit_ts, [token])

    def drain(self, partition: str, close: bool) -> None:
        pass

    def drained(self, partition: str) -> bool:
        return True

    def tick(self) -> float | None:
        return None


FUNCTIONS: dict[str, Callable[[ChangeBatch], Any]] = {}


class Apply(Transform[ChangeBatch, ChangeBatch]):
    """Runs `FUNCTIONS[call]` on each batch."""

    type_name: ClassVar[str] = "apply"
    capabilities: ClassVar[Capabilities] = Capabilities(parallel=True, filters=True)
    call: str

    def open(self, context: TransformContext) -> TransformOperator[ChangeBatch, ChangeBatch]:
        return _Applying(FUNCTIONS[self.call])


class _Applying(TransformOperator[ChangeBatch, ChangeBatch]):
    def __init__(self, call: Callable[[ChangeBatch], Any]) -> None:
        self.call = call

    def process(self, item: ChangeBatch) -> Any:
        return self.call(item)


def plan(state: Path, *nodes: tuple[str, Node, Sequence[str]], parallelism: Mapping[str, int] | None = None) -> Plan:
    """A plan of nodes in topological order, each (name, node, inputs)."""
    made: list[PlanNode] = []
    edges: list[PlanEdge] = []
    for name, node, inputs in nodes:
        kind = "source" if isinstance(node, Source) else "sink" if isinstance(node, Sink) else "transform"
        made.append(
            PlanNode(
                name,
                node,
                kind,  # type: ignore[arg-type]
                tuple(PlanInput(item) for item in inputs),
                None if kind == "source" else ChangeBatch,
                () if kind == "sink" else (("out", ChangeBatch),),
                (parallelism or {}).get(name, 1),
                node.shard_count if isinstance(node, Sink) else 1,
            )
        )
        edges.extend(PlanEdge(item, "out", name, ChangeBatch) for item in inputs)
    return Plan("test", state, tuple(made), tuple(edges))
