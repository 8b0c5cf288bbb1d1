"""The graph to draw, computed once from a plan: what each box says, where it ranks, what travels each edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from afterbay.compile.port_types import type_name

if TYPE_CHECKING:
    from afterbay.compile.plan import Plan, PlanNode

Kind = Literal["source", "transform", "spool", "sink"]


@dataclass(frozen=True, slots=True)
class RenderedNode:
    """One box. `id` is ours and safe in every language; `name` and `facts` come from outside and are not.

    `rank` is the length of the longest path from a source. `copies` says how many instances stand side by side, and
    what they are called there (`workers`, `shards`).
    """

    id: str
    name: str
    type: str
    kind: Kind
    rank: int
    facts: tuple[tuple[str, str], ...]
    copies: int = 1
    copies_word: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """The small print below name and type."""
        copies = (f"{self.copies} {self.copies_word}",) if self.copies > 1 else ()
        return copies + tuple(f"{key}: {value}" for key, value in self.facts)


@dataclass(frozen=True, slots=True)
class RenderedEdge:
    """One arrow. `port` is the source's named port, "" for the only one."""

    source: str
    target: str
    payload: str
    port: str = ""

    @property
    def label(self) -> str:
        """What the arrow says."""
        return f"{self.port}: {self.payload}" if self.port else self.payload


@dataclass(frozen=True, slots=True)
class RenderedGraph:
    """Boxes in plan order (topological, ties as declared) and arrows in plan order."""

    title: str
    nodes: tuple[RenderedNode, ...]
    edges: tuple[RenderedEdge, ...]

    @property
    def description(self) -> str:
        """The graph in words, for whoever cannot see it."""
        names = {node.id: node.name for node in self.nodes}
        boxes = ", ".join(f"{node.name} ({node.type}, {node.kind})" for node in self.nodes)
        arrows = ", ".join(f"{names[edge.source]} to {names[edge.target]} ({edge.label})" for edge in self.edges)
        return f"Nodes: {boxes}. Edges: {arrows}."


def render(plan: Plan) -> RenderedGraph:
    """What to draw of `plan`. Deterministic: everything follows from the plan's own order."""
    ids = {node.name: f"n{index}" for index, node in enumerate(plan.nodes)}
    ranks: dict[str, int] = {}
    for node in plan.nodes:  # topological: every input has its rank already
        ranks[node.name] = max((ranks[item.node] + 1 for item in node.inputs), default=0)
    return RenderedGraph(
        title=plan.name,
        nodes=tuple(_box(node, ids[node.name], ranks[node.name]) for node in plan.nodes),
        edges=tuple(
            RenderedEdge(
                ids[edge.source], ids[edge.target], type_name(edge.payload), "" if edge.port == "out" else edge.port
            )
            for edge in plan.edges
        ),
    )


def _box(node: PlanNode, id_: str, rank: int) -> RenderedNode:
    # The number of instances is drawn as such; a fact that repeats it would be read twice.
    facts = tuple((key, value) for key, value in node.node.facts().items() if key not in ("shards", "parallelism"))
    copies, word = (node.shards, "shards") if node.kind == "sink" else (node.parallelism, "workers")
    return RenderedNode(
        id=id_,
        name=node.name,
        type=node.type_name,
        kind="spool" if node.node.capabilities.spools else node.kind,
        rank=rank,
        facts=facts,
        copies=copies,
        copies_word=word,
    )
