"""Plans made by hand from small nodes that only say what they are: nothing here can run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from afterbay.compile.plan import NodeKind, Plan, PlanEdge, PlanInput, PlanNode
from afterbay.messages import ChangeBatch, EncodedBatch, SpoolEntry
from afterbay.node import (
    Capabilities,
    Node,
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

_UNUSED = "a node of a drawn plan is never opened"


class Told(Node):
    """The facts that a test wants told."""

    told: Mapping[str, str] = {}

    def facts(self) -> Mapping[str, str]:
        return self.told


class Changes(Told, Source[ChangeBatch]):
    """A source."""

    type_name: ClassVar[str] = "changes"
    summary: ClassVar[str] = "changes out of nowhere"

    def open(self, context: SourceContext) -> SourceOperator:
        raise AssertionError(_UNUSED)


class Encode(Told, Transform[ChangeBatch, EncodedBatch]):
    """A parallel transform."""

    type_name: ClassVar[str] = "encode"
    capabilities: ClassVar[Capabilities] = Capabilities(parallel=True)

    def open(self, context: TransformContext) -> TransformOperator[ChangeBatch, EncodedBatch]:
        raise AssertionError(_UNUSED)


class Split(Told, Transform[ChangeBatch, ChangeBatch]):
    """A transform with two named ports."""

    type_name: ClassVar[str] = "split"
    out_ports: ClassVar[tuple[str, ...]] = ("hot", "cold")

    def open(self, context: TransformContext) -> TransformOperator[ChangeBatch, ChangeBatch]:
        raise AssertionError(_UNUSED)


class Reservoir(Told, Transform[EncodedBatch, SpoolEntry]):
    """A spool."""

    type_name: ClassVar[str] = "reservoir"
    capabilities: ClassVar[Capabilities] = Capabilities(spools=True)

    def open(self, context: TransformContext) -> TransformOperator[EncodedBatch, SpoolEntry]:
        raise AssertionError(_UNUSED)


class Lake(Told, Sink[Any]):
    """A sink."""

    type_name: ClassVar[str] = "lake"
    capabilities: ClassVar[Capabilities] = Capabilities(sharded=True, settles=True)

    def open(self, context: SinkContext) -> SinkOperator[Any]:
        raise AssertionError(_UNUSED)


def plan_of(
    name: str, nodes: Mapping[str, tuple[Node, Sequence[str]]], *, parallelism: int = 1, shards: int = 1
) -> Plan:
    """A plan of nodes in topological order; an input is `node` or `node.port`. The payload is what the input gives."""
    placed: dict[str, PlanNode] = {}
    edges: list[PlanEdge] = []
    for node_name, (node, inputs) in nodes.items():
        read = tuple(PlanInput(*text.split(".", 1)) for text in inputs)
        gives = _gives(node)
        placed[node_name] = PlanNode(
            node_name,
            node,
            _kind(node),
            read,
            takes=dict(placed[read[0].node].gives)[read[0].port] if read else None,
            gives=gives,
            parallelism=parallelism if node.capabilities.parallel else 1,
            shards=shards if node.capabilities.sharded else 1,
        )
        edges.extend(
            PlanEdge(item.node, item.port, node_name, dict(placed[item.node].gives)[item.port]) for item in read
        )
    return Plan(name, Path("state"), tuple(placed.values()), tuple(edges))


def chain(name: str = "orders") -> Plan:
    """The usual road in five nodes."""
    return plan_of(
        name,
        {
            "changes": (Changes(told={"tables": "public.*"}), ()),
            "split": (Split(), ("changes",)),
            "csv": (Encode(), ("split.hot",)),
            "spool": (Reservoir(told={"quota": "10GiB", "memory": "256MiB"}), ("csv",)),
            "lake": (Lake(told={"root": "s3://bucket/orders", "file size": "64MiB"}), ("spool",)),
        },
        parallelism=4,
        shards=16,
    )


def diamond() -> Plan:
    """One source, two encodings, a merge, and an edge that passes three columns."""
    return plan_of(
        "fan-out",
        {
            "bank": (Changes(), ()),
            "csv": (Encode(told={"delimiter": ","}), ("bank",)),
            "canal": (Encode(told={"terminator": "\\n"}), ("bank",)),
            "left spool": (Reservoir(told={"quota": "1GiB"}), ("csv",)),
            "both": (Reservoir(told={"quota": "2GiB"}), ("csv", "canal")),
            "files": (Lake(told={"root": "./files"}), ("left spool",)),
            "bucket": (Lake(told={"root": "s3://bucket/deep/down/in/a/very/long/prefix/that/does/not/fit"}), ("both",)),
            "audit": (Lake(), ("left spool", "both", "canal")),
        },
        parallelism=2,
        shards=16,
    )


def _kind(node: Node) -> NodeKind:
    if isinstance(node, Source):
        return "source"
    return "sink" if isinstance(node, Sink) else "transform"


def _gives(node: Node) -> tuple[tuple[str, type], ...]:
    match node:
        case Changes():
            return (("out", ChangeBatch),)
        case Split():
            return (("hot", ChangeBatch), ("cold", ChangeBatch))
        case Encode():
            return (("out", EncodedBatch),)
        case Reservoir():
            return (("out", SpoolEntry),)
        case _:
            return ()
