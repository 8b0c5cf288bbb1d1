"""The layout: nothing overlaps, edges run left to right, lines that can be straight are."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterbay.diagram.layout import Link, Size, lay_out
from afterbay.diagram.routing import Route, route

Graph = tuple[list[Size], list[Link]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Any DAG of up to eleven boxes: box i may read from the boxes before it; ranks are longest paths."""
    sizes: list[Size] = []
    links: list[Link] = []
    for index in range(draw(st.integers(1, 11))):
        sources = draw(st.sets(st.integers(0, index - 1), max_size=3)) if index else set()
        rank = max((sizes[source].rank + 1 for source in sources), default=0)
        sizes.append(Size(rank, draw(st.integers(120, 260)), draw(st.integers(50, 130))))
        links.extend(Link(source, index, draw(st.integers(40, 120))) for source in sorted(sources))
    return sizes, links


@given(graphs())
def test_boxes_never_overlap(graph: Graph) -> None:
    layout = lay_out(*graph)
    assert not [pair for pair in combinations(layout.boxes, 2) if pair[0].overlaps(pair[1])]


@given(graphs())
def test_everything_is_inside_the_picture(graph: Graph) -> None:
    layout = lay_out(*graph)
    for box in layout.boxes:
        assert box.x >= 0
        assert box.y >= -0.1
        assert box.right <= layout.width + 0.1
        assert box.bottom <= layout.height + 0.1


@given(graphs())
def test_an_edge_runs_from_left_to_right_and_passes_beside_the_boxes_between(graph: Graph) -> None:
    sizes, links = graph
    layout = lay_out(sizes, links)
    for link, run in zip(links, layout.runs, strict=True):
        assert run[0] == layout.boxes[link.source]
        assert run[-1] == layout.boxes[link.target]
        assert all(left.right < right.x for left, right in pairwise(run))
        for waypoint in run[1:-1]:
            assert not [box for box in layout.boxes if box.y < waypoint.y < box.bottom and box.x == waypoint.x]


@given(graphs())
def test_a_label_has_room_in_its_gap(graph: Graph) -> None:
    sizes, links = graph
    layout = lay_out(sizes, links)
    for found in route(layout, links):
        assert found.label.width < found.bends[0].x1 - found.bends[0].x0


@given(graphs())
def test_a_line_starts_and_ends_on_the_sides_of_its_boxes(graph: Graph) -> None:
    sizes, links = graph
    layout = lay_out(sizes, links)
    for link, found in zip(links, route(layout, links), strict=True):
        source, target = layout.boxes[link.source], layout.boxes[link.target]
        assert source.y < found.bends[0].y0 < source.bottom
        assert target.y < found.bends[-1].y1 < target.bottom


def _routed(sizes: list[Size], links: list[Link]) -> tuple[Route, ...]:
    return route(lay_out(sizes, links), links)


def test_a_chain_is_one_straight_line() -> None:
    sizes = [Size(rank, 150, 60 + 20 * rank) for rank in range(5)]
    links = [Link(rank, rank + 1, 70) for rank in range(4)]
    heights = {y for found in _routed(sizes, links) for bend in found.bends for y in (bend.y0, bend.y1)}
    assert max(heights) - min(heights) < 0.5


def test_a_diamond_is_symmetric_about_its_source() -> None:
    sizes = [Size(0, 150, 60), Size(1, 150, 80), Size(1, 150, 80), Size(2, 150, 60)]
    layout = lay_out(sizes, [Link(0, 1, 70), Link(0, 2, 70), Link(1, 3, 70), Link(2, 3, 70)])
    first, upper, lower, last = layout.boxes
    assert first.middle == pytest.approx((upper.middle + lower.middle) / 2, abs=0.5)
    assert last.middle == pytest.approx(first.middle, abs=0.5)


def test_crossings_that_can_be_avoided_are() -> None:
    # Declared crosswise: 0 -> 3 and 1 -> 2.
    sizes = [Size(0, 150, 60), Size(0, 150, 60), Size(1, 150, 60), Size(1, 150, 60)]
    boxes = lay_out(sizes, [Link(0, 3, 70), Link(1, 2, 70)]).boxes
    assert (boxes[0].y < boxes[1].y) == (boxes[3].y < boxes[2].y)


def test_labels_of_crossing_edges_make_way_for_each_other() -> None:
    sizes = [Size(0, 150, 60), Size(0, 150, 60), Size(1, 150, 60), Size(1, 150, 60)]
    links = [Link(source, target, 70) for source in (0, 1) for target in (2, 3)]
    labels = [found.label for found in _routed(sizes, links)]
    assert not [pair for pair in combinations(labels, 2) if pair[0].overlaps(pair[1])]
