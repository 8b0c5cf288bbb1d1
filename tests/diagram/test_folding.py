"""A wide graph goes on in a second row: nothing overlaps, no line runs through a box, and what fits stays as it was."""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterbay.compile.plan import Plan
from afterbay.diagram import PRINTERS, render
from afterbay.diagram.folding import folded
from afterbay.diagram.layout import Box, Link, Size, lay_out
from afterbay.diagram.metrics import text_width
from afterbay.diagram.routing import route
from afterbay.diagram.svg import PAD, WIDEST
from afterbay.node import Node
from tests.diagram.test_layout import Graph, graphs
from tests.support.plans import Changes, Encode, Lake, Reservoir, plan_of

SVG = "{http://www.w3.org/2000/svg}"


def long_chain(ranks: int) -> Plan:
    nodes: dict[str, tuple[Node, list[str]]] = {"changes": (Changes(), [])}
    for index in range(ranks - 3):
        nodes[f"step_{index}"] = (Encode(told={"a_long_fact": "reporting.{schema}_{table}"}), [list(nodes)[-1]])
    nodes["spool"] = (Reservoir(), [list(nodes)[-1]])
    nodes["lake"] = (Lake(), ["spool"])
    return plan_of("long", nodes)


def test_a_layout_that_fits_stays_as_it_is() -> None:
    layout = lay_out([Size(0, 100, 50), Size(1, 100, 50)], [Link(0, 1, 50)])
    assert folded(layout, layout.width) is layout


@given(graphs(), st.integers(500, 1500))
def test_boxes_never_overlap_and_stay_within_the_width(graph: Graph, widest: int) -> None:
    before = lay_out(*graph)
    layout = folded(before, widest)
    assert not [pair for pair in combinations(layout.boxes, 2) if pair[0].overlaps(pair[1])]
    for box in layout.boxes:
        assert box.x >= 0
        assert box.right <= layout.width
        assert box.bottom <= layout.height
    if layout is not before:
        hops = max(sum(lane is not None for run in layout.lanes for lane in run), 1)
        assert layout.width <= widest + 2 * (14 + 6 * hops)


@given(graphs(), st.integers(500, 1500))
def test_lines_to_the_next_row_run_between_the_rows(graph: Graph, widest: int) -> None:
    layout = folded(lay_out(*graph), widest)
    for found in route(layout, graph[1]):
        for bend in found.bends:
            if bend.lane is None:
                assert bend.x0 < bend.x1
                continue
            assert bend.y0 < bend.lane.y < bend.y1
            line = Box(bend.x1 - bend.lane.turn, bend.lane.y, bend.x0 - bend.x1 + 2 * bend.lane.turn, 0.1)
            assert not [box for box in layout.boxes if box.overlaps(line)]
            assert line.x >= 0
            assert line.right <= layout.width


@given(graphs())
def test_lanes_of_one_row_keep_apart(graph: Graph) -> None:
    layout = folded(lay_out(*graph), 600)
    heights = sorted(lane.y for run in layout.lanes for lane in run if lane is not None)
    assert all(upper + 18 <= lower for upper, lower in pairwise(heights))


@pytest.mark.parametrize("ranks", [8, 12, 20])
def test_a_long_chain_is_no_wider_than_a_page(ranks: int) -> None:
    tree = ElementTree.fromstring(PRINTERS["svg"](render(long_chain(ranks))))
    assert float(tree.attrib["width"]) <= WIDEST + 100
    assert len(tree.findall(f".//{SVG}path[@class='line']")) == ranks - 1


def test_no_text_is_wider_than_its_card() -> None:
    plan = plan_of(
        "wide",
        {
            "w" * 30: (Changes(told={"bank.*": "reporting.{schema}_{table}", "WWWW": "@" * 60}), ()),
            "Mm": (Lake(told={"root": "./afterbay-demo/reporting"}), ("w" * 30,)),
        },
    )
    tree = ElementTree.fromstring(PRINTERS["svg"](render(plan)))
    sizes = {"name": 14.0, "type": 11.5, "fact": 11.0}
    cards = [group for group in tree.iter(f"{SVG}g") if group.find(f"{SVG}rect[@class='card']") is not None]
    assert len(cards) == 2
    for card in cards:
        width = float(card.find(f"{SVG}rect[@class='card']").attrib["width"])  # type: ignore[union-attr]
        for text in card.findall(f"{SVG}text"):
            kind = text.attrib["class"]
            assert text_width(text.text or "", sizes[kind], bold=kind == "name") <= width - 2 * PAD + 0.5
        assert "…" not in (card.find(f"{SVG}title").text or "")  # type: ignore[union-attr] # told in full there


@pytest.mark.parametrize(
    ("text", "regular", "bold"),
    [
        # DejaVu Sans and DejaVu Sans Bold, as their own tables say (advance widths in em).
        ("bank.*: reporting.{schema}_{table}", 18.36, 20.65),
        ("include_commit_ts: True", 12.24, 13.67),
        ("WMm@%", 4.78, 5.14),
        ("The quick brown fox jumps", 13.51, 15.2),
    ],
)
def test_widths_are_no_less_than_those_of_a_wide_font(text: str, regular: float, bold: float) -> None:
    assert regular <= text_width(text, 1.0) <= regular * 1.15
    assert bold <= text_width(text, 1.0, bold=True) <= bold * 1.15


def test_the_folded_picture_is_the_same_every_time() -> None:
    first = PRINTERS["svg"](render(long_chain(9)))
    assert first == PRINTERS["svg"](render(long_chain(9)))
    assert re.search(r'class="line" d="[^"]*Q', first)
