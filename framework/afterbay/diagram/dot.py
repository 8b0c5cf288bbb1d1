"""The rendered graph in Graphviz's language."""

from __future__ import annotations

from afterbay.diagram.model import RenderedGraph, RenderedNode
from afterbay.diagram.palette import LIGHT
from afterbay.printable import visible


def to_dot(graph: RenderedGraph) -> str:
    """A left-to-right digraph. Names are data: quoted, with backslashes, quotes and entities escaped."""
    lines = [
        "digraph {",
        f"  graph [rankdir=LR, label={_quoted(graph.title)}, labelloc=t, fontname=Helvetica, ranksep=0.6]",
        '  node [shape=box, style="rounded,filled", fontname=Helvetica, fontsize=11, margin="0.2,0.12"]',
        "  edge [fontname=Helvetica, fontsize=9, arrowsize=0.7, color=gray40, fontcolor=gray30]",
    ]
    lines.extend(f"  {node.id} [{_look(node)}]" for node in graph.nodes)
    lines.extend(f"  {edge.source} -> {edge.target} [label={_quoted(edge.label)}]" for edge in graph.edges)
    return "\n".join([*lines, "}"]) + "\n"


def _look(node: RenderedNode) -> str:
    tone = LIGHT[node.kind]
    border = ", peripheries=2" if node.copies > 1 else ""
    return f'label={_quoted(node.name, node.type, *node.lines)}, fillcolor="{tone.fill}", color="{tone.accent}"{border}'


def _quoted(*texts: str) -> str:
    return '"' + "\\n".join(_escaped(text) for text in texts) + '"'


def _escaped(text: str) -> str:
    # The backslash first: those that come after it are ours.
    return visible(text).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
