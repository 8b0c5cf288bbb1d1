"""The rendered graph as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from afterbay.diagram.model import RenderedGraph


def to_json(graph: RenderedGraph) -> str:
    """Title, nodes and edges; ASCII only. Facts are an object per node."""
    return json.dumps(
        {
            "title": graph.title,
            "nodes": [asdict(node) | {"facts": dict(node.facts)} for node in graph.nodes],
            "edges": [asdict(edge) for edge in graph.edges],
        },
        indent=2,
    )
