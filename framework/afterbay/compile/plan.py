"""The plan: what the compiler hands to the runtime. Frozen, printable, hashable, drawable.

Nodes are in topological order, ties broken by the order of declaration, so that everything derived from a plan
(diagram, fingerprint, thread names) is deterministic.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from afterbay.compile.draft import InCode, Locator
from afterbay.errors import Diagnostic
from afterbay.node import Node, Sink, Source, Transform

if TYPE_CHECKING:
    import networkx as nx
from afterbay.schema import Json

NodeKind = Literal["source", "transform", "sink"]


@dataclass(frozen=True, slots=True)
class PlanInput:
    """Where a node reads: an upstream node and its port."""

    node: str
    port: str = "out"

    def __str__(self) -> str:
        return self.node if self.port == "out" else f"{self.node}.{self.port}"


@dataclass(frozen=True, slots=True)
class PlanNode:
    """One node with its place in the graph. `takes` / `gives` are payload types; `gives` has one per port."""

    name: str
    node: Node
    kind: NodeKind
    inputs: tuple[PlanInput, ...]
    takes: type | None
    gives: tuple[tuple[str, type], ...]
    parallelism: int = 1
    shards: int = 1

    @property
    def type_name(self) -> str:
        """The YAML `type`."""
        return self.node.type_name

    @property
    def merges(self) -> bool:
        """True if several inputs are merged here in mint order."""
        return len(self.inputs) > 1


@dataclass(frozen=True, slots=True)
class PlanEdge:
    """One edge with the type that travels it."""

    source: str
    port: str
    target: str
    payload: type


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked pipeline, ready to run. For messages: `origin` is its file, `locator` finds places in that.

    `warnings`: options that were taken otherwise than they are written, and packs that cannot be read.
    `sensitive`: columns whose values nobody is shown (see `live.redaction`).
    """

    name: str
    state_dir: Path
    nodes: tuple[PlanNode, ...]
    edges: tuple[PlanEdge, ...]
    origin: str | None = None
    locator: Locator = field(default_factory=InCode, compare=False, repr=False)
    warnings: tuple[Diagnostic, ...] = field(default=(), compare=False)
    sensitive: tuple[str, ...] = field(default=(), compare=False)

    def __getitem__(self, name: str) -> PlanNode:
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def of_kind(self, kind: NodeKind) -> Iterator[PlanNode]:
        """The nodes of one kind, in order."""
        return (node for node in self.nodes if node.kind == kind)

    def upstream(self, item: PlanNode) -> Iterator[PlanNode]:
        """Every node from which something reaches `item`, in order."""
        found: set[str] = set()
        waiting = [entry.node for entry in item.inputs]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += [entry.node for entry in self[name].inputs]
        return (node for node in self.nodes if node.name in found)

    @property
    def sources(self) -> tuple[tuple[PlanNode, Source[object]], ...]:
        """The sources with their declarations, typed."""
        return tuple((item, item.node) for item in self.nodes if isinstance(item.node, Source))

    @property
    def transforms(self) -> tuple[tuple[PlanNode, Transform[object, object]], ...]:
        """The transforms with their declarations, typed."""
        return tuple((item, item.node) for item in self.nodes if isinstance(item.node, Transform))

    @property
    def sinks(self) -> tuple[tuple[PlanNode, Sink[object]], ...]:
        """The sinks with their declarations, typed."""
        return tuple((item, item.node) for item in self.nodes if isinstance(item.node, Sink))

    def outputs(self, name: str, port: str = "out") -> tuple[PlanEdge, ...]:
        """The edges that leave a port."""
        return tuple(edge for edge in self.edges if edge.source == name and edge.port == port)

    def graph(self) -> nx.MultiDiGraph[str]:
        """The same as a networkx graph: node attribute `plan`, edge attributes `port` and `payload`."""
        import networkx as nx  # half a second: only who asks for the graph pays for it

        graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(name=self.name)
        for node in self.nodes:
            graph.add_node(node.name, plan=node)
        for edge in self.edges:
            graph.add_edge(edge.source, edge.target, port=edge.port, payload=edge.payload)
        return graph

    def partitions(self) -> dict[str, str]:
        """Every source partition id -> the source node it belongs to."""
        found: dict[str, str] = {}
        for item, source in self.sources:
            for suffix in source.partitions():
                found[f"{item.name}/{suffix}" if suffix else item.name] = item.name
        return found

    def identity(self) -> dict[str, Json]:
        """What the state remembers: the options of each node that change what is read or stored."""
        return {
            item.name: {"type": item.type_name, **item.node.identity()}
            for item in self.nodes
            if item.kind != "transform" or item.node.identity()
        }

    def recognises(self, node: str, option: str, stored: Json) -> bool:
        """True if `stored`, which a state remembers, means the same as what `identity` says (see `Node.recognises`)."""
        return any(item.name == node and item.node.recognises(option, stored) for item in self.nodes)

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    def fingerprint(self) -> str:
        """SHA-256 over name, nodes, options and edges; secrets enter as their masked form."""
        data = {
            "name": self.name,
            "nodes": [
                [item.name, item.type_name, item.parallelism, item.shards, item.node.model_dump(mode="json")]
                for item in self.nodes
            ],
            "edges": [[edge.source, edge.port, edge.target] for edge in self.edges],
        }
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
