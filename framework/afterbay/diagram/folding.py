"""A layout that is too wide to read, folded into rows: the columns go on below, as lines of text do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from afterbay.diagram.layout import Box, Lane, Layout

LANE_HEIGHT = 24.0  # a line that goes back to the left, with its label
ROW_GAP = 30.0  # besides the lanes
TURN = 12.0  # how far from a box a line turns, and
TURN_STEP = 6.0  # how much farther each further one does


def folded(layout: Layout, widest: float) -> Layout:
    """`layout` in as few rows as keep it within `widest`, all about equally wide; as it is if it fits."""
    if layout.width <= widest:
        return layout
    lefts = sorted({box.x for box in layout.boxes} | {box.x for run in layout.runs for box in run})
    rights = [max(box.right for box in _all(layout) if box.x == left) for left in lefts]
    row_of = dict(zip(lefts, _rows(lefts, rights, widest), strict=True))
    rows = range(max(row_of.values()) + 1)
    lanes = _lanes(layout, row_of)
    hops = [sum(lane is not None and lane[0] == row for run in lanes for lane in run) for row in rows]
    side = TURN + TURN_STEP * max(hops) + 2.0
    starts = [min(left for left in lefts if row_of[left] == row) for row in rows]
    tops, offsets, at = [], [], 0.0
    for row in rows:
        members = [box for box in _all(layout) if row_of[box.x] == row]
        tops.append(min(box.y for box in members))
        offsets.append(at)
        at += max(box.bottom for box in members) - tops[-1] + ROW_GAP + LANE_HEIGHT * hops[row]

    def moved(box: Box) -> Box:
        row = row_of[box.x]
        x, y = box.x - starts[row] + side, box.y - tops[row] + offsets[row]
        return replace(box, x=round(x, 1), y=round(y, 1))

    def placed(lane: tuple[int, int] | None) -> Lane | None:
        if lane is None:
            return None
        row, index = lane
        below = offsets[row + 1] - LANE_HEIGHT * (hops[row] - index - 0.5) - ROW_GAP / 2
        return Lane(round(below, 1), TURN + TURN_STEP * index)

    boxes, runs = tuple(map(moved, layout.boxes)), tuple(tuple(map(moved, run)) for run in layout.runs)
    return Layout(
        width=max(box.right for box in boxes) + side,
        height=max(box.bottom for box in boxes),
        boxes=boxes,
        runs=runs,
        lanes=tuple(tuple(map(placed, run)) for run in lanes),
    )


def _all(layout: Layout) -> list[Box]:
    return [*layout.boxes, *(box for run in layout.runs for box in run)]


def _rows(lefts: Sequence[float], rights: Sequence[float], widest: float) -> list[int]:
    """The row of each column: of all ways with the fewest rows, the one whose widest row is narrowest."""
    fewest = max(_cut(lefts, rights, widest))
    limits = sorted({right - left for left in lefts for right in rights if right > left})
    return next(rows for limit in limits if max(rows := _cut(lefts, rights, limit)) <= fewest)


def _cut(lefts: Sequence[float], rights: Sequence[float], limit: float) -> list[int]:
    """Columns into rows of at most `limit`, a wider column alone; rows count from 0."""
    rows, start = [0], lefts[0]
    for left, right in list(zip(lefts, rights, strict=True))[1:]:
        fits = right - start <= limit
        rows.append(rows[-1] + (not fits))
        start = start if fits else left
    return rows


def _lanes(layout: Layout, row_of: dict[float, int]) -> list[list[tuple[int, int] | None]]:
    """For each step of each run: (row, number of the lane below it) where the step goes to the next row."""
    used: dict[int, int] = {}
    lanes: list[list[tuple[int, int] | None]] = []
    for run in layout.runs:
        lanes.append([])
        for left, right in pairwise(run):
            row = row_of[left.x]
            crosses = row_of[right.x] != row
            lanes[-1].append((row, used.get(row, 0)) if crosses else None)
            used[row] = used.get(row, 0) + crosses
    return lanes
