"""Which node feeds which: order, cycles and reach of a declared graph.

The questions a check asks are few and the graphs are small, so they are answered here: importing networkx costs more
time than all of `afterbay validate` may take. `Plan.graph()` gives the same graph as a networkx one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True, slots=True)
class Edge:
    """One input of `target`: its `index` in the target's list, and the payload type that travels."""

    source: str
    port: str
    target: str
    index: int
    payload: Any


@dataclass(frozen=True)
class Topology:
    """Nodes in the order of declaration, edges in the order of their targets and indices."""

    names: Sequence[str]
    edges: Sequence[Edge]

    @cached_property
    def incoming(self) -> dict[str, list[Edge]]:
        """The edges into each node."""
        found: dict[str, list[Edge]] = {name: [] for name in self.names}
        for edge in self.edges:
            found[edge.target].append(edge)
        return found

    @cached_property
    def order(self) -> list[str]:
        """Inputs first, ties in the order of declaration. Nodes on or behind a cycle are left out."""
        done: dict[str, None] = {}
        waiting = list(self.names)
        while ready := next((name for name in waiting if all(e.source in done for e in self.incoming[name])), None):
            done[ready] = None
            waiting.remove(ready)
        return list(done)

    def cycles(self) -> list[list[str]]:
        """One cycle of every knot, in the order of declaration: `[a, b, c]` for a -> b -> c -> a."""
        seen: set[str] = set()
        found: list[list[str]] = []
        for name in self.names:
            if name in self.upstream(name) and name not in seen:
                knot = {other for other in self.upstream(name) if name in self.upstream(other)}
                seen |= knot
                found.append(self._cycle_in(knot, name))
        return found

    def upstream(self, name: str) -> frozenset[str]:
        """Every node whose messages can come to `name`; itself only if it is on a cycle."""
        return self._upstream[name]

    @cached_property
    def _upstream(self) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for name in self.names:
            reached: set[str] = set()
            waiting = [name]
            while waiting:
                for edge in self.incoming[waiting.pop()]:
                    if edge.source not in reached:
                        reached.add(edge.source)
                        waiting.append(edge.source)
            found[name] = frozenset(reached)
        return found

    def path(self, source: str, target: str) -> list[str]:
        """One path from `source` to `target`, both included; the first in the order of inputs."""
        if source == target:
            return [source]
        for edge in self.incoming[target]:
            if edge.source == source or source in self.upstream(edge.source):
                return [*self.path(source, edge.source), target]
        raise ValueError(f"no path leads from {source} to {target}")

    def _cycle_in(self, knot: set[str], start: str) -> list[str]:
        """Walks against the edges inside `knot`, where every node has a predecessor, until a node comes again."""
        walked = [start]
        while (before := next(e.source for e in self.incoming[walked[-1]] if e.source in knot)) not in walked:
            walked.append(before)
        cycle = walked[walked.index(before) :][::-1]
        first = min(range(len(cycle)), key=lambda index: self.names.index(cycle[index]))
        return cycle[first:] + cycle[:first]
