"""Assembly: opens the nodes of a plan and gives each its threads. What is opened is closed if a later open fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from afterbay.clock import Clock
from afterbay.compile.plan import Plan, PlanNode
from afterbay.credit import CreditWindow
from afterbay.errors import Place
from afterbay.node import (
    Sink,
    SinkContext,
    SinkOperator,
    SourceContext,
    SourceOperator,
    SpoolOperator,
    Transform,
    TransformContext,
    TransformOperator,
    Until,
)
from afterbay.positions import StoredPosition
from afterbay.pressure import Pressure
from afterbay.runtime.arrivals import Arrivals
from afterbay.runtime.barrier import Barriers
from afterbay.runtime.channel import Channel, ChannelClosed
from afterbay.runtime.ledger import Ledger
from afterbay.runtime.outlet import SchemaWriter, SourceOutlet, StopSwitch
from afterbay.runtime.replay import ReplayCutter
from afterbay.runtime.router import Router
from afterbay.runtime.scope import Scope, located
from afterbay.runtime.shard_loop import ShardLoop
from afterbay.runtime.stage import Inbox, Outputs, ParallelStage, Work, run_serial
from afterbay.runtime.wiring import Wiring, wire
from afterbay.schema import RowPosition
from afterbay.state.store import State
from afterbay.telemetry import Telemetry

CREDIT_WINDOW = 32 << 20  # bytes of rows that a source may have under way before they are at rest
LARGEST_BATCH = 4 << 20


@dataclass(frozen=True, slots=True)
class Assembly:
    """Everything that was opened. `closers` are called once each, in order, after all threads have ended."""

    ledgers: Mapping[str, Ledger]
    arrivals: Mapping[str, Arrivals]
    sources: Mapping[str, SourceOperator]
    sinks: Mapping[str, SinkOperator[Any]]
    barriers: Barriers
    wiring: Wiring
    windows: Mapping[str, CreditWindow]
    closers: Sequence[Callable[[], None]]


@dataclass(frozen=True, slots=True)
class _Bench:
    """What every step of the assembly needs."""

    plan: Plan
    state: State
    until: Until
    adopt: bool
    telemetry: Telemetry
    clock: Clock
    scope: Scope
    switch: StopSwitch
    wiring: Wiring


def assemble(
    plan: Plan,
    *,
    state: State,
    until: Until,
    adopt: bool,
    telemetry: Telemetry,
    clock: Clock,
    scope: Scope,
    switch: StopSwitch,
) -> Assembly:
    """Opens transforms, sinks and sources, in this order, and registers their threads with `scope`.

    A store out of reach is so refused before a source touches its database. Raises what a node's `open` raises.
    """
    wiring = wire(plan, clock)
    bench = _Bench(plan, state, until, adopt, telemetry, clock, scope, switch, wiring)
    ledgers = {name: Ledger(name, state.restart.checkpoints.get(name)) for name in plan.partitions()}
    arrivals = {name: Arrivals() for name in ledgers}
    # First of all: tokens that are collected because the run is ending are no news.
    for ledger in ledgers.values():
        scope.on_cancel(ledger.unhealthy)
    scope.on_cancel(switch.cancel)
    for channel in wiring.channels:
        scope.on_cancel(channel.cancel)
        telemetry.watch_queue(channel.name, channel.depth)
    for (source, _, _), inlet in wiring.inlets.items():
        if isinstance(inlet, Channel):
            telemetry.node(source).sight.blocks(inlet.waits)

    def shards_reached(partition: str) -> list[tuple[str, int]]:
        return [
            (node.name, index)
            for node in plan.of_kind("sink")
            if partition in wiring.reach[node.name]
            for index in range(node.shards)
        ]

    barriers = Barriers(shards_reached, clock)
    scope.on_cancel(barriers.cancel)
    with ExitStack() as undo:
        pressures: dict[str, Pressure] = {}
        for item, transform in plan.transforms:
            for operator in _open_transform(bench, item, transform, pressures):
                undo.callback(operator.close)
        sinks: dict[str, SinkOperator[Any]] = {}
        for item, sink in plan.sinks:
            sinks[item.name] = _open_sink(bench, item, sink, _upstream(plan, item, pressures), barriers)
            undo.callback(sinks[item.name].close)
        windows = {name: CreditWindow(CREDIT_WINDOW, clock) for name in ledgers}
        sources = _open_sources(bench, ledgers, arrivals, windows, sinks, barriers, pressures)
        closers = [undo.pop_all().close]
    return Assembly(ledgers, arrivals, sources, sinks, barriers, wiring, windows, closers)


def _upstream(plan: Plan, item: PlanNode, pressures: Mapping[str, Pressure]) -> tuple[Pressure, ...]:
    """The spools that a node's data has come through."""
    found: list[Pressure] = []
    todo = [entry.node for entry in item.inputs]
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in pressures:
            found.append(pressures[name])
        todo.extend(entry.node for entry in plan[name].inputs)
    return tuple(found)


def _open_transform(
    bench: _Bench, item: PlanNode, transform: Transform[Any, Any], pressures: dict[str, Pressure]
) -> list[TransformOperator[Any, Any]]:
    outputs = bench.wiring.outputs[item.name]
    meter = bench.telemetry.node(item.name)
    ports = tuple(port for port, _ in item.gives)
    work: list[Work] = []
    for instance in range(item.parallelism):
        context = TransformContext(item.name, instance, bench.state.directory / "nodes" / item.name, bench.clock, meter)
        operator = transform.open(context)
        bench.scope.on_cancel(operator.cancel)
        if isinstance(operator, SpoolOperator):
            pressures[item.name] = operator.pressure
        work.append(Work(item.name, operator, meter, bench.clock, ports))
    place = Place(node=item.name)
    if item.name in bench.wiring.chains:
        bench.wiring.chains[item.name].connect(work[0], outputs)
    elif item.parallelism == 1:
        bench.scope.add(item.name, _serial(bench.wiring.inboxes[item.name], work[0], outputs), place)
    else:
        stage = ParallelStage(bench.wiring.inboxes[item.name], outputs, item.parallelism, bench.clock)
        bench.scope.on_cancel(stage.sequencer.cancel)
        meter.sight.blocks(stage.sequencer.waits)
        for instance, part in enumerate(work):
            bench.scope.add(f"{item.name}[{instance}]", _worker(stage, part), place)
    return [part.operator for part in work]


def _serial(inbox: Inbox, work: Work, outputs: Outputs) -> Callable[[], None]:
    return lambda: run_serial(inbox, work, outputs)


def _worker(stage: ParallelStage, work: Work) -> Callable[[], None]:
    return lambda: stage.run_worker(work)


def _open_sink(
    bench: _Bench, item: PlanNode, sink: Sink[Any], pressures: tuple[Pressure, ...], barriers: Barriers
) -> SinkOperator[Any]:
    restart = bench.state.restart
    reached = bench.wiring.reach[item.name]
    positions: dict[tuple[str, str], StoredPosition] = {
        (partition, dispatcher): position
        for (name, partition, dispatcher), position in restart.positions.items()
        if name == item.name
    }
    operator = sink.open(
        SinkContext(
            node=item.name,
            shards=item.shards,
            work_dir=bench.state.directory / "nodes" / item.name,
            clock=bench.clock,
            meter=bench.telemetry.node(item.name),
            state=bench.state,
            partitions=tuple(sorted(reached)),
            positions=positions,
            checkpoints={name: point.commit_ts for name, point in restart.checkpoints.items() if name in reached},
            checkpoint_ms=_checkpoint_times(bench),
            pressures=pressures,
            adopt=bench.adopt,
            fail=lambda error: bench.scope.fail(located(error, Place(node=item.name))),
        )
    )
    bench.scope.on_cancel(operator.cancel)
    sight = bench.telemetry.node(item.name).sight
    for index, channel in enumerate(bench.wiring.shards[item.name]):
        shard = operator.open_shard(index, channel.wake)
        loop = ShardLoop(item.name, index, channel, shard, barriers, sight)
        bench.scope.add(channel.name, loop.run, Place(node=item.name, shard=index))
    if item.merges:
        inbox, router = bench.wiring.inboxes[item.name], bench.wiring.routers[item.name]
        bench.scope.add(f"{item.name}/merge", _merge_into(inbox, router), Place(node=item.name))
    return operator


def _checkpoint_times(bench: _Bench) -> Callable[[str], int | None]:
    nodes = {item.name: source for item, source in bench.plan.sources}
    owners = bench.plan.partitions()

    def checkpoint_ms(partition: str) -> int | None:
        point = bench.state.checkpoint_of(partition)
        return None if point is None else nodes[owners[partition]].commit_ms(point)

    return checkpoint_ms


def _merge_into(inbox: Inbox, router: Router) -> Callable[[], None]:
    def body() -> None:
        while True:
            try:
                envelopes = inbox.get_many()
            except ChannelClosed:
                break
            for envelope in envelopes:
                router.put(envelope)
        router.close()

    return body


def _open_sources(
    bench: _Bench,
    ledgers: Mapping[str, Ledger],
    arrivals: Mapping[str, Arrivals],
    windows: Mapping[str, CreditWindow],
    sinks: Mapping[str, SinkOperator[Any]],
    barriers: Barriers,
    pressures: Mapping[str, Pressure],
) -> dict[str, SourceOperator]:
    operators: dict[str, SourceOperator] = {}
    restart = bench.state.restart
    # A batch above quota/8 could leave no room for a second table (I8, I9).
    largest = min([LARGEST_BATCH, *(max(1, pressure.quota // 8) for pressure in pressures.values())])
    with ExitStack() as undo:
        for item, source in bench.plan.sources:
            meter = bench.telemetry.node(item.name)
            for partition, owner in bench.plan.partitions().items():
                if owner != item.name:
                    continue
                operator = source.open(
                    SourceContext(
                        node=item.name,
                        partition=partition,
                        until=bench.until,
                        resume=restart.checkpoints.get(partition),
                        schemas=restart.schemas.get(partition, {}),
                        clock=bench.clock,
                        meter=meter,
                        work_dir=bench.state.directory / "nodes" / item.name,
                    )
                )
                undo.callback(operator.close)
                bench.scope.on_cancel(operator.cancel)
                operators[partition] = operator
                window = windows[partition]
                bench.scope.on_cancel(window.cancel)
                outlet = SourceOutlet(
                    partition=partition,
                    ledger=ledgers[partition],
                    arrivals=arrivals[partition],
                    window=window,
                    barriers=barriers,
                    state=bench.state,
                    writers={
                        name: SchemaWriter(name, sink, bench.state, bench.telemetry.node(name), bench.clock)
                        for name, sink in sinks.items()
                    },
                    replay=ReplayCutter(_positions(bench, partition), _counted(bench, partition)),
                    switch=bench.switch,
                    meter=meter,
                    clock=bench.clock,
                    send=bench.wiring.outputs[item.name].send_all,
                    largest=largest,
                )
                body = _source_body(operator, outlet, bench.wiring.outputs[item.name])
                bench.scope.add(partition, body, Place(node=item.name, position=partition))
        undo.pop_all()
    return operators


def _positions(bench: _Bench, partition: str) -> list[dict[str, RowPosition]]:
    """Per sink that the partition reaches: dispatcher -> last stored change."""
    return [
        {
            dispatcher: position.row
            for (sink, owner, dispatcher), position in bench.state.restart.positions.items()
            if sink == node.name and owner == partition and not position.counted
        }
        for node in bench.plan.of_kind("sink")
        if partition in bench.wiring.reach[node.name]
    ]


def _counted(bench: _Bench, partition: str) -> dict[str, RowPosition]:
    """Positions whose ordinals are to be found, of changes that come again: of one sink only (see `state.rebuild`)."""
    restart = bench.state.restart
    checkpoint = restart.checkpoints.get(partition)
    return {
        dispatcher: position.row
        for (_, owner, dispatcher), position in restart.positions.items()
        if owner == partition
        and position.counted
        and (checkpoint is None or position.row.commit_ts > checkpoint.commit_ts)
    }


def _source_body(operator: SourceOperator, outlet: SourceOutlet, outputs: Outputs) -> Callable[[], None]:
    def body() -> None:
        try:
            operator.run(outlet)
            outlet.close()
        finally:
            operator.close()
        outputs.close()

    return body
