"""Wiring: a plan's edges as channels, merges and routers. Pure set-up; nothing runs yet."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import networkx as nx

from afterbay.clock import Clock
from afterbay.compile.plan import Plan, PlanNode
from afterbay.runtime.channel import UNBOUNDED, Bound, Channel
from afterbay.runtime.merge import MergeInbox
from afterbay.runtime.router import Router
from afterbay.runtime.stage import Chain, Inbox, Outbox, Outputs

EDGE_BOUND = Bound(items=64, nbytes=16 << 20)


@dataclass(frozen=True, slots=True)
class Wiring:
    """All channels of a run.

    `inboxes`: where a transform (or a merging sink) reads; `chains`: transforms that are run by what feeds them;
    `shards`: per sink, its channels; `outputs`: where a node writes; `reach`: the source partitions whose data reach
    a node; `inlets`: where each edge ends, by (source, port, target).
    """

    inboxes: Mapping[str, Inbox]
    chains: Mapping[str, Chain]
    shards: Mapping[str, Sequence[Channel]]
    routers: Mapping[str, Router]
    outputs: Mapping[str, Outputs]
    reach: Mapping[str, frozenset[str]]
    channels: Sequence[Channel]
    inlets: Mapping[tuple[str, str, str], Outbox]


def wire(plan: Plan, clock: Clock) -> Wiring:
    """The channels of `plan`."""
    graph = plan.graph()
    reach = _reach(plan)
    producers = {node.name: 1 for node in plan.nodes}
    for name in plan.partitions().values():
        producers[name] = sum(1 for owner in plan.partitions().values() if owner == name)

    channels: list[Channel] = []
    inboxes: dict[str, Inbox] = {}
    shards: dict[str, Sequence[Channel]] = {}
    routers: dict[str, Router] = {}
    chains: dict[str, Chain] = {}
    inlets: dict[tuple[str, str, str], Outbox] = {}  # (source, port, target) -> where the source writes

    for node in plan.nodes:
        if node.kind == "source":
            continue
        if node.kind == "sink":
            feeding = 1 if node.merges else producers[node.inputs[0].node]
            shards[node.name] = [
                Channel(f"{node.name}[{index}]", UNBOUNDED, clock, producers=feeding) for index in range(node.shards)
            ]
            routers[node.name] = Router(shards[node.name])
            channels.extend(shards[node.name])
        if node.merges:
            inputs = _merge_channels(node, producers, clock)
            channels.extend(inputs)
            condition = inputs[0].condition
            reached = {
                partition: [index for index, item in enumerate(node.inputs) if partition in reach[item.node]]
                for partition in reach[node.name]
            }
            inboxes[node.name] = MergeInbox(inputs, reached, condition, clock)
            for item, channel in zip(node.inputs, inputs, strict=True):
                inlets[item.node, item.port, node.name] = channel
        elif node.kind == "sink":
            item = node.inputs[0]
            inlets[item.node, item.port, node.name] = routers[node.name]
        elif _chained(plan, node):
            item = node.inputs[0]
            inlets[item.node, item.port, node.name] = chains[node.name] = Chain()
        else:
            item = node.inputs[0]
            channel = Channel(f"{item}->{node.name}", EDGE_BOUND, clock, producers=producers[item.node])
            channels.append(channel)
            inboxes[node.name] = channel
            inlets[item.node, item.port, node.name] = channel

    outputs: dict[str, Outputs] = {}
    for node in plan.nodes:
        if node.kind == "sink":
            continue
        ports = {
            port: [inlets[edge.source, edge.port, edge.target] for edge in plan.outputs(node.name, port)]
            for port, _ in node.gives
        }
        marks = any(plan[name].merges for name in nx.descendants(graph, node.name))
        outputs[node.name] = Outputs(ports, marks)
    return Wiring(inboxes, chains, shards, routers, outputs, reach, channels, inlets)


def _chained(plan: Plan, node: PlanNode) -> bool:
    """A spool behind a transform that feeds nothing else: putting to rest is too little work for a thread."""
    feeder = plan[node.inputs[0].node]
    alone = sum(edge.source == feeder.name for edge in plan.edges) == 1
    return node.node.capabilities.spools and node.parallelism == 1 and feeder.kind == "transform" and alone


def _merge_channels(node: PlanNode, producers: Mapping[str, int], clock: Clock) -> list[Channel]:
    condition = threading.Condition()
    return [
        Channel(f"{item}->{node.name}", UNBOUNDED, clock, producers=producers[item.node], condition=condition)
        for item in node.inputs
    ]


def _reach(plan: Plan) -> dict[str, frozenset[str]]:
    partitions = plan.partitions()
    reach: dict[str, frozenset[str]] = {}
    for node in plan.nodes:  # topological order
        own = {partition for partition, owner in partitions.items() if owner == node.name}
        reach[node.name] = frozenset(own.union(*(reach[item.node] for item in node.inputs)))
    return reach
