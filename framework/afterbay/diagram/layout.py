"""A layered layout: columns by longest path, few crossings, short and straight edges. Pure, deterministic, no fonts.

Four steps, each small: (1) an edge over several columns gets a waypoint in each column between; (2) the order within
the columns by barycentres, the best of several sweeps; (3) the height of each vertex: as near to its neighbours as the
order allows (isotonic regression, exact per column); (4) columns side by side, the gaps as wide as their labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 12
BOX_GAP = 30.0  # between boxes of one column
WAYPOINT_GAP = 22.0  # around an edge that passes a column
GAP_MIN = 48.0  # between columns
LABEL_ROOM = 40.0  # a gap is this much wider than its widest label: the curve shows on both sides


@dataclass(frozen=True, slots=True)
class Size:
    """A box to place: its column (`rank`), width and height in pixels. A column's boxes get the width of its widest."""

    rank: int
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Link:
    """An edge to place, by the indexes of its boxes, and the width of its label."""

    source: int
    target: int
    label: float


@dataclass(frozen=True, slots=True)
class Box:
    """A placed rectangle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The x of its right side."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The y of its lower side."""
        return self.y + self.height

    @property
    def middle(self) -> float:
        """The y of its horizontal middle line."""
        return self.y + self.height / 2

    def overlaps(self, other: Box) -> bool:
        """True if the two share any area."""
        return self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom


@dataclass(frozen=True, slots=True)
class Lane:
    """Where a line goes back to the left, to the next row: at height `y`, turning `turn` pixels beside its boxes."""

    y: float
    turn: float


@dataclass(frozen=True, slots=True)
class Layout:
    """The placed boxes, in the order given; per edge the boxes it runs through, its own two and waypoints between.

    `lanes`: in a folded layout, per edge and step of its run, the lane to the next row; None within a row.
    """

    width: float
    height: float
    boxes: tuple[Box, ...]
    runs: tuple[tuple[Box, ...], ...]
    lanes: tuple[tuple[Lane | None, ...], ...] = ()


def lay_out(sizes: Sequence[Size], links: Sequence[Link]) -> Layout:
    """Places boxes from (0, 0) on. Every link goes from a lower rank to a higher one."""
    net = _Net.of(sizes, links)
    columns = _ordered(net)
    middles = _heights(net, columns)
    lefts, width = _columns(net, links)
    top = min((middles[v] - net.heights[v] / 2 for column in columns for v in column), default=0.0)
    placed = [
        Box(lefts[rank], round(middles[v] - net.heights[v] / 2 - top, 1), net.column_widths[rank], net.heights[v])
        for v, rank in enumerate(net.ranks)
    ]
    return Layout(
        width=width,
        height=max((box.bottom for box in placed), default=0.0),
        boxes=tuple(placed[: len(sizes)]),
        runs=tuple(tuple(placed[v] for v in chain) for chain in net.chains),
    )


@dataclass(frozen=True, slots=True)
class _Net:
    """Boxes and waypoints as vertices 0…n (boxes first). `chains`: the vertices of each link, one a column."""

    ranks: tuple[int, ...]
    heights: tuple[float, ...]
    column_widths: tuple[float, ...]
    chains: tuple[tuple[int, ...], ...]
    boxes: int
    before: Mapping[int, tuple[int, ...]]  # neighbours in the column to the left
    after: Mapping[int, tuple[int, ...]]

    @classmethod
    def of(cls, sizes: Sequence[Size], links: Sequence[Link]) -> _Net:
        ranks = [size.rank for size in sizes]
        chains: list[tuple[int, ...]] = []
        for link in links:
            between = range(sizes[link.source].rank + 1, sizes[link.target].rank)
            first = len(ranks)
            ranks.extend(between)
            chains.append((link.source, *range(first, len(ranks)), link.target))
        before: dict[int, list[int]] = {v: [] for v in range(len(ranks))}
        after: dict[int, list[int]] = {v: [] for v in range(len(ranks))}
        for chain in chains:
            for left, right in pairwise(chain):
                after[left].append(right)
                before[right].append(left)
        column_widths = [0.0] * (max(ranks, default=-1) + 1)
        for size in sizes:
            column_widths[size.rank] = max(column_widths[size.rank], size.width)
        return cls(
            ranks=tuple(ranks),
            heights=(*(size.height for size in sizes), *(0.0 for _ in ranks[len(sizes) :])),
            column_widths=tuple(column_widths),
            chains=tuple(chains),
            boxes=len(sizes),
            before={v: tuple(found) for v, found in before.items()},
            after={v: tuple(found) for v, found in after.items()},
        )

    def is_box(self, vertex: int) -> bool:
        return vertex < self.boxes

    def space(self, upper: int, lower: int) -> float:
        """The least distance between the middles of two vertices that follow each other in a column."""
        gap = BOX_GAP if self.is_box(upper) and self.is_box(lower) else WAYPOINT_GAP
        return (self.heights[upper] + self.heights[lower]) / 2 + gap


def _ordered(net: _Net) -> list[list[int]]:
    columns: list[list[int]] = [[] for _ in net.column_widths]
    for vertex, rank in enumerate(net.ranks):
        columns[rank].append(vertex)
    best, fewest = [list(column) for column in columns], _crossings(net, columns)
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        neighbours = net.before if forward else net.after
        for rank in range(len(columns)) if forward else reversed(range(len(columns))):
            beside = rank - 1 if forward else rank + 1
            if 0 <= beside < len(columns):
                place = {vertex: index for index, vertex in enumerate(columns[beside])}
                columns[rank] = _by_barycentre(columns[rank], neighbours, place)
        crossings = _crossings(net, columns)
        if crossings < fewest:
            best, fewest = [list(column) for column in columns], crossings
    return best


def _by_barycentre(
    column: Sequence[int], neighbours: Mapping[int, tuple[int, ...]], place: Mapping[int, int]
) -> list[int]:
    def centre(item: tuple[int, int]) -> tuple[float, int]:
        index, vertex = item
        near = neighbours[vertex]
        # A vertex without neighbours there stays where it is; ties keep their order.
        return (sum(place[other] for other in near) / len(near) if near else float(index), index)

    return [vertex for _, vertex in sorted(enumerate(column), key=centre)]


def _crossings(net: _Net, columns: Sequence[Sequence[int]]) -> int:
    place = {vertex: index for column in columns for index, vertex in enumerate(column)}
    total = 0
    for column in columns:
        pairs = [(place[left], place[right]) for left in column for right in net.after[left]]
        for index, (left, right) in enumerate(pairs):
            total += sum((left - other_left) * (right - other_right) < 0 for other_left, other_right in pairs[:index])
    return total


def _heights(net: _Net, columns: Sequence[Sequence[int]]) -> list[float]:
    middles = [0.0] * len(net.ranks)
    for column in columns:
        at = 0.0
        for upper, lower in pairwise(column):
            at += net.space(upper, lower)
            middles[lower] = at
    both = {vertex: net.before[vertex] + net.after[vertex] for vertex in net.before}
    for sweep in range(SWEEPS * 2):
        neighbours = (net.before, net.after, both)[sweep % 3]
        order = columns if sweep % 3 == 0 else columns[::-1]
        for column in order:
            _settle(net, column, neighbours, middles)
    return middles


def _settle(net: _Net, column: Sequence[int], neighbours: Mapping[int, tuple[int, ...]], middles: list[float]) -> None:
    """Moves a column's vertices as near to the mean of their neighbours as order and spacing allow (least squares)."""
    blocks: list[tuple[float, float, int]] = []  # (mean, weight, vertices), rising: pool adjacent violators
    offsets: list[float] = []
    for index, vertex in enumerate(column):
        offsets.append(offsets[-1] + net.space(column[index - 1], vertex) if index else 0.0)
        near = neighbours[vertex]
        weights = [_pull(net, vertex, other) for other in near]
        wish = sum(w * middles[o] for w, o in zip(weights, near, strict=True)) / sum(weights) if near else None
        mean, weight, many = (middles[vertex], 0.01, 1) if wish is None else (wish, sum(weights), 1)
        mean -= offsets[-1]
        while blocks and blocks[-1][0] > mean:
            other_mean, other_weight, others = blocks.pop()
            mean = (mean * weight + other_mean * other_weight) / (weight + other_weight)
            weight += other_weight
            many += others
        blocks.append((mean, weight, many))
    settled = [mean for mean, _, many in blocks for _ in range(many)]
    for vertex, mean, offset in zip(column, settled, offsets, strict=True):
        middles[vertex] = mean + offset


def _pull(net: _Net, vertex: int, other: int) -> float:
    """Long edges are to be straight: waypoints pull each other harder than boxes do."""
    return (1.0, 2.0, 8.0)[(not net.is_box(vertex)) + (not net.is_box(other))]


def _columns(net: _Net, links: Sequence[Link]) -> tuple[list[float], float]:
    gaps = [GAP_MIN] * max(len(net.column_widths) - 1, 0)
    for link in links:
        rank = net.ranks[link.source]
        gaps[rank] = max(gaps[rank], link.label + LABEL_ROOM)
    lefts: list[float] = []
    at = 0.0
    for rank, width in enumerate(net.column_widths):
        lefts.append(at)
        at += width + (gaps[rank] if rank < len(gaps) else 0.0)
    return lefts, at
