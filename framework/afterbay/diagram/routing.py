"""Edges as curves between placed boxes, and a place for each label where it covers no box and no other label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from afterbay.diagram.layout import Box, Lane, Layout, Link

LABEL_HEIGHT = 18.0
LIFT = 11.0
PORT_SPACING = 18.0
CORNER = 14.0  # lines keep this far from a box's corners
ARROW = 7.0  # the arrow head's length: the line ends where the head begins
TRIES = (0.5, 0.4, 0.6, 0.3, 0.7, 0.25, 0.75)  # where along the first gap a label may sit, best first


@dataclass(frozen=True, slots=True)
class Bend:
    """One S-curve between two columns: from (x0, y0) to (x1, y1), level at both ends; by `lane` to the next row."""

    x0: float
    y0: float
    x1: float
    y1: float
    lane: Lane | None = None

    def at(self, t: float) -> tuple[float, float]:
        """The point at parameter `t` of the cubic whose inner control points sit at half the way, level."""
        x = self.x0 + (self.x1 - self.x0) * (1.5 * t * (1 - t) ** 2 + 1.5 * t**2 * (1 - t) + t**3)
        y = self.y0 + (self.y1 - self.y0) * (3 * t**2 * (1 - t) + t**3)
        return x, y


@dataclass(frozen=True, slots=True)
class Route:
    """One edge: its bends, left to right (level lines join them), and the rectangle of its label."""

    bends: tuple[Bend, ...]
    label: Box


def route(layout: Layout, links: Sequence[Link]) -> tuple[Route, ...]:
    """A route per link, in order. Edges that leave or enter one box are spread along its side."""
    leaving = _ports(layout, [(link.source, index, 1) for index, link in enumerate(links)])
    entering = _ports(layout, [(link.target, index, -2) for index, link in enumerate(links)])
    lanes = layout.lanes or tuple((None,) * (len(run) - 1) for run in layout.runs)
    for index, (link, run) in enumerate(zip(links, layout.runs, strict=True)):
        if not any(lanes[index]):
            _straighten(index, link, run, leaving, entering, links)
    bends = [_bends(run, leaving[index], entering[index], lanes[index]) for index, run in enumerate(layout.runs)]
    labels: list[Box] = []
    for link, found in zip(links, bends, strict=True):
        labels.append(_label(found[0], link.label, [*layout.boxes, *labels]))
    return tuple(Route(tuple(found), label) for found, label in zip(bends, labels, strict=True))


def _ports(layout: Layout, ends: Sequence[tuple[int, int, int]]) -> dict[int, float]:
    """The y at which each link meets its box. `ends`: (box, link, which box of the link's run comes next)."""
    per_box: dict[int, list[tuple[float, int]]] = {}
    for box, link, beside in ends:
        per_box.setdefault(box, []).append((layout.runs[link][beside].middle, link))
    found: dict[int, float] = {}
    for box, met in per_box.items():
        spacing = min(PORT_SPACING, (layout.boxes[box].height - 16) / len(met))
        for index, (_, link) in enumerate(sorted(met)):
            found[link] = layout.boxes[box].middle + (index - (len(met) - 1) / 2) * spacing
    return found


def _straighten(
    index: int,
    link: Link,
    run: Sequence[Box],
    leaving: dict[int, float],
    entering: dict[int, float],
    links: Sequence[Link],
) -> None:
    """A slight slope is a blemish: an end that is alone on its side moves level with the other, if its box allows."""
    if len(run) > 2:
        return
    if _reaches(run[1], leaving[index]) and sum(other.target == link.target for other in links) == 1:
        entering[index] = leaving[index]
    elif _reaches(run[0], entering[index]) and sum(other.source == link.source for other in links) == 1:
        leaving[index] = entering[index]


def _reaches(box: Box, y: float) -> bool:
    return box.y + CORNER <= y <= box.bottom - CORNER


def _bends(run: Sequence[Box], start: float, end: float, lanes: Sequence[Lane | None]) -> list[Bend]:
    heights = [start, *(waypoint.middle for waypoint in run[1:-1]), end]
    return [
        Bend(left.right, heights[index], right.x - (ARROW if right is run[-1] else 0.0), heights[index + 1], lane)
        for index, ((left, right), lane) in enumerate(zip(pairwise(run), lanes, strict=True))
    ]


def _label(bend: Bend, width: float, taken: Sequence[Box]) -> Box:
    if bend.lane is not None:
        return _centred((bend.x0 + bend.x1) / 2, bend.lane.y, width)
    # A level line keeps its label above it, whole; a curve is steep in the middle, where a gap in it does no harm.
    lift = LIFT if abs(bend.y0 - bend.y1) < LABEL_HEIGHT else 0.0
    places = [_centred(x, y - lift, width) for x, y in map(bend.at, TRIES)]
    return next((place for place in places if not any(place.overlaps(other) for other in taken)), places[0])


def _centred(x: float, y: float, width: float) -> Box:
    return Box(round(x - width / 2, 1), round(y - LABEL_HEIGHT / 2, 1), width, LABEL_HEIGHT)
