"""A drill as a graph: spool, lag, memory and what waits upstream, one above the other over one time. SVG, no script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

from afterbay.diagram.palette import DARK, LIGHT
from tests.drill.outage import Drill, Sample

WIDTH, PANEL, GAP = 860.0, 110.0, 44.0
LEFT, RIGHT, TOP = 76.0, 20.0, 78.0
MIB = float(1 << 20)
TICKS = 3


@dataclass(frozen=True, slots=True)
class Panel:
    """One curve. `limit` is a line that it may not pass, 0 for none."""

    name: str
    tone: str
    value: Callable[[Sample], float]
    limit: float = 0.0


def graph_of(found: Drill) -> str:
    """The whole document, light and dark by the reader's mode."""
    panels = [
        Panel("spool, MiB", "spool", lambda one: one.spool / MIB, found.plan.quota / MIB),
        Panel("lag of the checkpoint, s", "sink", lambda one: one.lag),
        Panel("memory of the process, MiB", "transform", lambda one: one.memory / MIB),
        Panel("waiting upstream, thousand rows", "source", lambda one: one.waiting / 1000),
    ]
    height = TOP + len(panels) * (PANEL + GAP)
    end = found.samples[-1].at
    away = f"the store is away from {_clock(found.stopped)} to {_clock(found.started)}"
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" class="drill" width="{WIDTH:g}" height="{height:g}" '
        f'viewBox="0 0 {WIDTH:g} {height:g}">',
        f"<title>An outage of the store: {escape(away)}</title>",
        *_style(),
        f'<text class="title" x="{LEFT:g}" y="24">An outage of the store under load</text>',
        f'<text x="{LEFT:g}" y="44">{escape(away)}; {found.plan.rows_per_second:,} rows a second</text>',
    ]
    for number, panel in enumerate(panels):
        out.extend(_panel(found, panel, TOP + number * (PANEL + GAP), end))
    return "\n".join([*out, "</svg>"]) + "\n"


def _style() -> Iterator[str]:
    yield "<style>"
    yield ".drill{font-family:Inter,system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;font-size:12px}"
    yield ".drill .title{font-size:16px;font-weight:600}.drill .curve{fill:none;stroke-width:1.8}"
    yield ".drill text{fill:#334155}.drill .axis{stroke:#cbd5e1}.drill .away{fill:#e2e8f0}"
    yield ".drill .limit{stroke:#b91c1c;stroke-dasharray:4 3}"
    yield from (f".drill .{kind}{{stroke:{tone.accent}}}" for kind, tone in LIGHT.items())
    yield "@media (prefers-color-scheme:dark){"
    yield ".drill text{fill:#cbd5e1}.drill .axis{stroke:#334155}.drill .away{fill:#1e293b}.drill .limit{stroke:#f87171}"
    yield from (f".drill .{kind}{{stroke:{tone.accent}}}" for kind, tone in DARK.items())
    yield "}</style>"


def _panel(found: Drill, panel: Panel, top: float, end: float) -> Iterator[str]:
    values = [panel.value(one) for one in found.samples]
    most = _round_up(max(*values, panel.limit, 1e-9))

    def x(at: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * at / end

    def y(value: float) -> float:
        return top + PANEL - PANEL * value / most

    away = x(found.started) - x(found.stopped)
    yield f'<rect class="away" x="{x(found.stopped):.1f}" y="{top:g}" width="{away:.1f}" height="{PANEL:g}"/>'
    yield f'<text x="{LEFT:g}" y="{top - 7:g}">{escape(panel.name)}</text>'
    for tick in range(TICKS):
        value = most * tick / (TICKS - 1)
        yield f'<line class="axis" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        yield f'<text x="{LEFT - 8:g}" y="{y(value) + 4:.1f}" text-anchor="end">{value:,.0f}</text>'
    if panel.limit:
        at = y(panel.limit)
        yield f'<line class="limit" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{at:.1f}" y2="{at:.1f}"/>'
    points = " ".join(f"{x(one.at):.1f},{y(value):.1f}" for one, value in zip(found.samples, values, strict=True))
    yield f'<polyline class="curve {panel.tone}" points="{points}"/>'
    for minute in range(0, int(end // 60) + 1, max(1, int(end // 600))):
        yield f'<text x="{x(60 * minute):.1f}" y="{top + PANEL + 15:g}" text-anchor="middle">{minute} min</text>'


def _round_up(value: float) -> float:
    """The next round number that is not below `value`."""
    power = 1.0
    while value > 10 * power:
        power *= 10
    return next(step * power for step in (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10) if value <= step * power * 1.0000001)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
