"""A plan as a picture: `render` computes the graph once, four printers say it in their languages.

The printers decide nothing: they escape and print. The same plan gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from afterbay.diagram import dot, mermaid, plain, svg
from afterbay.diagram.model import RenderedEdge, RenderedGraph, RenderedNode, render

Format = Literal["mermaid", "dot", "svg", "json"]

PRINTERS: Mapping[Format, Callable[[RenderedGraph], str]] = {
    "mermaid": mermaid.to_mermaid,
    "dot": dot.to_dot,
    "svg": svg.to_svg,
    "json": plain.to_json,
}

__all__ = ["PRINTERS", "Format", "RenderedEdge", "RenderedGraph", "RenderedNode", "render"]
