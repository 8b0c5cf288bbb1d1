"""The colours of the four kinds of node, light and dark. One table for all printers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from afterbay.diagram.model import Kind


@dataclass(frozen=True, slots=True)
class Tone:
    """A kind's colours: `accent` for the bar and type, `fill` behind the text, `edge` around it."""

    accent: str
    fill: str
    edge: str


LIGHT: Mapping[Kind, Tone] = {
    "source": Tone("#0f766e", "#f0fdfa", "#99d5cd"),
    "transform": Tone("#4f46e5", "#f5f5ff", "#c3c4f4"),
    "spool": Tone("#b45309", "#fffbeb", "#ecd08f"),
    "sink": Tone("#0369a1", "#f0f9ff", "#a3cfe8"),
}
DARK: Mapping[Kind, Tone] = {
    "source": Tone("#5eead4", "#0d2b2a", "#1f5f59"),
    "transform": Tone("#a5b4fc", "#1c1d3d", "#40428a"),
    "spool": Tone("#fcd34d", "#2d220c", "#6f5313"),
    "sink": Tone("#7dd3fc", "#0b2638", "#1f5675"),
}
