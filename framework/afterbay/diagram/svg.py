"""The rendered graph as a stand-alone SVG: no Graphviz, no script, no font, light and dark by the reader's mode."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from xml.sax.saxutils import escape

from afterbay.diagram.folding import folded
from afterbay.diagram.layout import Box, Lane, Link, Size, lay_out
from afterbay.diagram.metrics import fitted, text_width
from afterbay.diagram.model import Kind, RenderedEdge, RenderedGraph, RenderedNode
from afterbay.diagram.palette import DARK, LIGHT, Tone
from afterbay.diagram.routing import ARROW, Bend, Route, route
from afterbay.printable import visible

MARGIN = 28.0
TITLE_ROOM = 44.0
NAME, TYPE, FACT, LABEL, TITLE = 14.0, 11.5, 11.0, 10.5, 16.0  # font sizes
PAD = 16.0
BOX_MIN, BOX_MAX = 132.0, 264.0
WIDEST = 1400.0  # a wider graph goes on in a second row
ROUND = 8.0  # the corners of lines between rows
STACK = 4.0  # how far the second card of a node with several instances peeks out


def to_svg(graph: RenderedGraph) -> str:
    """The whole document. Every text from outside is escaped, cut to its box, and told in full in a tooltip."""
    index = {node.id: place for place, node in enumerate(graph.nodes)}
    links = [Link(index[edge.source], index[edge.target], _label_width(edge)) for edge in graph.edges]
    sizes = [Size(node.rank, _box_width(node), _box_height(node)) for node in graph.nodes]
    layout = folded(lay_out(sizes, links), WIDEST)
    title = fitted(visible(graph.title), TITLE, BOX_MAX * 2, bold=True)
    width = max(layout.width, text_width(title, TITLE, bold=True)) + 2 * MARGIN
    height = layout.height + TITLE_ROOM + 2 * MARGIN
    body = [
        *_document(graph, width, height),
        f'<text class="title" x="{_n(MARGIN)}" y="{_n(MARGIN + TITLE)}">{_x(title)}</text>',
        f'<g transform="translate({_n(MARGIN)} {_n(MARGIN + TITLE_ROOM)})">',
    ]
    routes = route(layout, links)
    for found in routes:
        body.extend(_line(found))
    for edge, found in zip(graph.edges, routes, strict=True):
        body.extend(_label(edge, found.label))
    for node, box in zip(graph.nodes, layout.boxes, strict=True):
        body.extend(_card(node, box))
    return "\n".join([*body, "</g>", "</svg>"]) + "\n"


def _document(graph: RenderedGraph, width: float, height: float) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" class="afterbay" width="{_n(width)}" '
        f'height="{_n(height)}" viewBox="0 0 {_n(width)} {_n(height)}">'
    )
    yield f"<title>{_x(visible(graph.title))}</title>"
    yield f"<desc>{_x(visible(graph.description))}</desc>"
    yield "<style>"
    yield ".afterbay{font-family:Inter,system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}"
    yield f".afterbay .title{{font-size:{_n(TITLE)}px;font-weight:600}}"
    yield f".afterbay .name{{font-size:{_n(NAME)}px;font-weight:600}}"
    yield f".afterbay .type{{font-size:{_n(TYPE)}px;font-weight:500}}"
    yield f".afterbay .fact{{font-size:{_n(FACT)}px}}"
    yield f".afterbay .label{{font-size:{_n(LABEL)}px;text-anchor:middle}}"
    yield ".afterbay .line{fill:none;stroke-width:1.6;stroke-linecap:round}"
    yield from _colours(LIGHT, page="#ffffff", ink="#0f172a", soft="#64748b", line="#94a3b8")
    yield "@media (prefers-color-scheme: dark){"
    yield from _colours(DARK, page="#0d1117", ink="#e6edf3", soft="#94a3b8", line="#64748b")
    yield "}"
    yield "</style>"
    yield f'<rect class="page" width="{_n(width)}" height="{_n(height)}" rx="12"/>'


def _colours(tones: Mapping[Kind, Tone], *, page: str, ink: str, soft: str, line: str) -> Iterator[str]:
    yield f".afterbay .page,.afterbay .pill{{fill:{page}}}"
    yield f".afterbay .title,.afterbay .name{{fill:{ink}}}"
    yield f".afterbay .fact,.afterbay .label{{fill:{soft}}}"
    yield f".afterbay .line{{stroke:{line}}}"
    yield f".afterbay .head{{fill:{line}}}"
    for kind, tone in tones.items():
        yield f".afterbay .{kind} .card{{fill:{tone.fill};stroke:{tone.edge}}}"
        yield f".afterbay .{kind} .bar,.afterbay .{kind} .type{{fill:{tone.accent}}}"


def _line(found: Route) -> Iterator[str]:
    first, last = found.bends[0], found.bends[-1]
    path = [f"M{_n(first.x0)} {_n(first.y0)}"]
    for bend in found.bends:
        if bend is not first:
            path.append(f"H{_n(bend.x0)}")
        if bend.lane is not None:
            path.extend(_turned(bend, bend.lane))
        elif abs(bend.y0 - bend.y1) < 0.5:
            path.append(f"L{_n(bend.x1)} {_n(bend.y1)}")
        else:
            half = _n((bend.x0 + bend.x1) / 2)
            path.append(f"C{half} {_n(bend.y0)} {half} {_n(bend.y1)} {_n(bend.x1)} {_n(bend.y1)}")
    yield f'<path class="line" d="{"".join(path)}"/>'
    x, y = last.x1, last.y1
    yield f'<path class="head" d="M{_n(x + ARROW)} {_n(y)}L{_n(x - 1)} {_n(y - 4.5)}L{_n(x - 1)} {_n(y + 4.5)}Z"/>'


def _turned(bend: Bend, lane: Lane) -> Iterator[str]:
    """Down on the right, back to the left between the rows, down and into the next one."""
    right, left, turn = bend.x0 + lane.turn, bend.x1 - lane.turn, ROUND
    yield f"H{_n(right - turn)}Q{_n(right)} {_n(bend.y0)} {_n(right)} {_n(bend.y0 + turn)}"
    yield f"V{_n(lane.y - turn)}Q{_n(right)} {_n(lane.y)} {_n(right - turn)} {_n(lane.y)}"
    yield f"H{_n(left + turn)}Q{_n(left)} {_n(lane.y)} {_n(left)} {_n(lane.y + turn)}"
    yield f"V{_n(bend.y1 - turn)}Q{_n(left)} {_n(bend.y1)} {_n(left + turn)} {_n(bend.y1)}H{_n(bend.x1)}"


def _label(edge: RenderedEdge, box: Box) -> Iterator[str]:
    yield (
        f'<rect class="pill" x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}" height="{_n(box.height)}" '
        f'rx="{_n(box.height / 2)}"/>'
    )
    yield (
        f'<text class="label" x="{_n(box.x + box.width / 2)}" y="{_n(box.middle + LABEL * 0.35)}">'
        f"{_x(_label_text(edge))}</text>"
    )


def _card(node: RenderedNode, box: Box) -> Iterator[str]:
    frame = f'width="{_n(box.width)}" height="{_n(box.height)}" rx="10"'
    yield f'<g class="{node.kind}">'
    yield f"<title>{_x(visible(' · '.join([node.name, node.type, *node.lines])))}</title>"
    if node.copies > 1:
        yield f'<rect class="card" x="{_n(box.x + STACK)}" y="{_n(box.y + STACK)}" {frame}/>'
    yield f'<rect class="card" x="{_n(box.x)}" y="{_n(box.y)}" {frame}/>'
    bar = f'y="{_n(box.y + 12)}" width="3.5" height="{_n(box.height - 24)}" rx="1.75"'
    yield f'<rect class="bar" x="{_n(box.x)}" {bar}/>'
    x, y, room = box.x + PAD, box.y + 13.0, box.width - 2 * PAD
    for css, size, text in _texts(node):
        y += size * 1.1 if css == "name" else size + 5.5
        yield f'<text class="{css}" x="{_n(x)}" y="{_n(y)}">{_x(fitted(text, size, room, bold=css == "name"))}</text>'
    yield "</g>"


def _texts(node: RenderedNode) -> list[tuple[str, float, str]]:
    facts = [("fact", FACT, visible(line)) for line in node.lines]
    return [("name", NAME, visible(node.name)), ("type", TYPE, visible(node.type)), *facts]


def _box_width(node: RenderedNode) -> float:
    widest = max(text_width(text, size, bold=css == "name") for css, size, text in _texts(node))
    return min(max(math.ceil(widest + 2 * PAD), BOX_MIN), BOX_MAX)


def _box_height(node: RenderedNode) -> float:
    return round(13.0 + NAME * 1.1 + (TYPE + 5.5) + len(node.lines) * (FACT + 5.5) + 14.0, 1)


def _label_text(edge: RenderedEdge) -> str:
    return fitted(visible(edge.label), LABEL, BOX_MAX)


def _label_width(edge: RenderedEdge) -> float:
    return math.ceil(text_width(_label_text(edge), LABEL) + 12)


def _x(text: str) -> str:
    """Text content for XML; `visible` has already removed what XML cannot hold."""
    return escape(text)


def _n(number: float) -> str:
    """A coordinate: at most one decimal, no trailing zero."""
    return f"{number:.1f}".removesuffix(".0")
