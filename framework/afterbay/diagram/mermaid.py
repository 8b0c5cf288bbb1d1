"""The rendered graph as a Mermaid flowchart (GitHub and many editors draw it)."""

from __future__ import annotations

import json

from afterbay.diagram.model import RenderedGraph, RenderedNode
from afterbay.diagram.palette import LIGHT
from afterbay.printable import visible

_PLAIN = frozenset(" _-./,:()+=")


def to_mermaid(graph: RenderedGraph) -> str:
    """A left-to-right flowchart. Every character of a name that could mean something becomes an entity."""
    lines = ["---", f"title: {json.dumps(visible(graph.title))}", "---", "flowchart LR"]
    lines.extend(f'  {node.id}["{_label(node)}"]:::{node.kind}' for node in graph.nodes)
    lines.extend(f'  {edge.source} -- "{_entities(edge.label)}" --> {edge.target}' for edge in graph.edges)
    lines.extend(
        f"  classDef {kind} fill:{tone.fill},stroke:{tone.accent},color:#1e293b" for kind, tone in LIGHT.items()
    )
    return "\n".join(lines) + "\n"


def _label(node: RenderedNode) -> str:
    small = "".join(f"<br/><small>{_entities(line)}</small>" for line in node.lines)
    return f"<b>{_entities(node.name)}</b><br/><i>{_entities(node.type)}</i>{small}"


def _entities(text: str) -> str:
    """`#` and the code point for all but letters, digits and what is harmless: no markup, no quote, no directive."""
    return "".join(
        character if character.isalnum() or character in _PLAIN else f"#{ord(character)};"
        for character in visible(text)
    )
