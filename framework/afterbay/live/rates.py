"""How fast things go: what two looks at a run's totals make, a few seconds apart."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

SECONDS = 3.0
"""Rates are means over this long: steady to the eye, quick to follow."""


class Rates:
    """Keeps the looks of the last seconds. Used by one thread."""

    def __init__(self) -> None:
        self._looks: deque[Mapping[str, Any]] = deque()

    def add(self, now: dict[str, Any]) -> dict[str, Any]:
        """`now`, each node with `rows_per_second`, `bytes_per_second` and its shares of time (None: not known yet).

        `busy`, `blocked` and `idle` are 0 to 1 and come to 1; idle is what is left of the time of the node's threads.
        """
        if self._looks and (now["seconds"] < self._looks[-1]["seconds"] or now["pid"] != self._looks[-1]["pid"]):
            self._looks.clear()  # another run
        self._looks.append(now)
        while len(self._looks) > 2 and now["seconds"] - self._looks[1]["seconds"] >= SECONDS:
            self._looks.popleft()
        first = self._looks[0]
        elapsed = now["seconds"] - first["seconds"]
        before = {node["name"]: node for node in first["nodes"]}
        nodes = [{**node, **_rates(node, before.get(node["name"], node), elapsed)} for node in now["nodes"]]
        return {**now, "nodes": nodes}


def _rates(node: Mapping[str, Any], before: Mapping[str, Any], elapsed: float) -> dict[str, float | None]:
    if elapsed <= 0:
        return dict.fromkeys(("rows_per_second", "bytes_per_second", "busy", "blocked", "idle"))
    whole = elapsed * node["threads"]
    blocked = _share(node["blocked_seconds"], before["blocked_seconds"], whole) or 0.0
    busy = _share(node["busy_seconds"], before["busy_seconds"], whole)
    if busy is not None:
        busy = min(busy, 1.0 - blocked)  # a wait may lie within the work
    return {
        "rows_per_second": round((node["rows"] - before["rows"]) / elapsed, 1),
        "bytes_per_second": round((node["bytes"] - before["bytes"]) / elapsed, 1),
        "busy": None if busy is None else round(busy, 4),
        "blocked": round(blocked, 4),
        "idle": None if busy is None else round(1.0 - busy - blocked, 4),
    }


def _share(now: float | None, before: float | None, whole: float) -> float | None:
    if now is None:
        return None
    return min(1.0, max(0.0, (now - (before or 0.0)) / whole))


def without_rates(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures of what does not go on: the same keys, and nothing in them."""
    none = dict.fromkeys(("rows_per_second", "bytes_per_second", "busy", "blocked", "idle"))
    return {**figures, "nodes": [{**node, **none} for node in figures["nodes"]]}
