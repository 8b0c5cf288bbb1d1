"""The second half of the graph phase: what must hold of the graph as a whole.

* no cycles, and every output is read by somebody;
* port types fit;
* coverage: every path from a source ends in a sink that settles (I5);
* order: no change reaches a node twice, and what needs one commit order gets one (I4, I6);
* time: a sink that goes by the checkpoint's wall time has sources that tell it;
* roots: each sink has one of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from afterbay.compile.findings import Findings
from afterbay.compile.port_types import accepts, port_types_of_class, type_name
from afterbay.compile.registry import Registry
from afterbay.compile.roots import check_roots
from afterbay.compile.suggest import listed
from afterbay.compile.topology import Edge
from afterbay.compile.wiring import Wired
from afterbay.node import Sink, Source
from afterbay.printable import visible

Output = tuple[str, str]


def check_graph(wired: Wired, findings: Findings, registry: Callable[[], Registry]) -> None:
    """Adds every finding. `registry` is asked only for a hint."""
    _Checks(wired, findings, registry).run()


class _Checks:
    def __init__(self, wired: Wired, findings: Findings, registry: Callable[[], Registry]) -> None:
        self._wired = wired
        self._topology = wired.topology
        self._nodes = wired.nodes
        self._locator = wired.draft.locator
        self._findings = findings
        self._registry = registry

    def run(self) -> None:
        self._port_types()
        if self._wired.certain:
            self._unused_outputs()
        cycles = self._topology.cycles()
        for cycle in cycles:
            chain = " -> ".join([*cycle, cycle[0]])
            spot = self._locator.value_spot("nodes", cycle[0], "inputs")
            self._findings.add("graph.cycle", f"the nodes feed each other in a circle: {chain}", spot, "cut one edge")
        if not cycles:
            self._settling()
            self._repeats()
            self._clocks()
            self._times()
            check_roots(self._wired, self._findings)

    def _port_types(self) -> None:
        for edge in self._topology.edges:
            wanted = self._wired.ports[edge.target].takes
            if not accepts(wanted, edge.payload):
                self._findings.add(
                    "edge.type",
                    f"node '{edge.target}' input wants {type_name(wanted)}, gets {type_name(edge.payload)} "
                    f"from '{_shown(edge)}'",
                    self._locator.value_spot("nodes", edge.target, "inputs", edge.index),
                    self._bridge(wanted, edge),
                )

    def _bridge(self, wanted: object, edge: Edge) -> str:
        """Nodes of this pipeline that give what is wanted, else types that would turn the one into the other."""
        down = {name for name in self._nodes if edge.target in self._topology.upstream(name)} | {edge.target}
        here = [
            name
            for name, ports in self._wired.ports.items()
            if name not in down and any(_fits(wanted, gives) for _, gives in ports.gives)
        ]
        if here:
            return f"read from {' or '.join(repr(name) for name in here)}, which gives {type_name(wanted)}"
        between: list[str] = []
        for name, node in self._registry().loadable():
            ports = port_types_of_class(node)
            if _fits(ports.takes, edge.payload) and any(_fits(wanted, gives) for _, gives in ports.gives):
                between.append(name)
        if between:
            return f"put a node between that makes {type_name(wanted)} of it: {listed(between)}"
        return (
            f"no node that is installed makes {type_name(wanted)} of {type_name(edge.payload)}: read from another one"
        )

    def _unused_outputs(self) -> None:
        used = {(edge.source, edge.port) for edge in self._topology.edges}
        for name, ports in self._wired.ports.items():
            for port, _ in ports.gives:
                if (name, port) not in used:
                    what = "the output" if len(ports.gives) == 1 else f"the output '{port}'"
                    self._findings.add(
                        "output.unused",
                        f"{what} of node '{name}' goes nowhere: what comes out of it would never be stored",
                        self._locator.key_spot("nodes", name),
                        "name it in the `inputs` of another node, or remove the node",
                    )

    def _settling(self) -> None:
        """Coverage (I5). An output that nobody reads is told already, so here a path ends in a sink."""
        for name, item in self._nodes.items():
            if isinstance(item.node, Sink) and not item.node.capabilities.settles:
                for source in self._sources_of(name):
                    chain = " -> ".join(self._topology.path(source, name))
                    self._findings.add(
                        "graph.coverage",
                        f"the path {chain} ends in a sink that settles nothing: no checkpoint would ever move",
                        self._locator.value_spot("nodes", name, "type"),
                        f"the type {item.node.type_name} must declare the capability `settles`",
                    )

    def _repeats(self) -> None:
        """Order: a merge may not get a change by two ways. Branches are kept apart by filters or named outputs."""
        for name, edges in self._topology.incoming.items():
            for second in range(1, len(edges)):
                for first in range(second):
                    common = self._common(edges[first], edges[second])
                    if common is not None:
                        self._findings.add(
                            "graph.repeat",
                            f"node '{name}' would get changes of '{common}' twice: "
                            f"by '{_shown(edges[first])}' and by '{_shown(edges[second])}'",
                            self._locator.value_spot("nodes", name, "inputs", edges[second].index),
                            "read one of the two, or put a filter on each branch that keeps them apart",
                        )

    def _common(self, first: Edge, second: Edge) -> str | None:
        """An output all of which comes by one edge and some of which comes by the other."""
        twice = (self._whole(first) & self._some(second)) | (self._whole(second) & self._some(first))
        order = self._topology.order
        return max((name for name, _ in twice), key=order.index, default=None)

    def _whole(self, edge: Edge) -> set[Output]:
        """The outputs that come through this edge completely: nothing on the way drops or splits them."""
        found = {(edge.source, edge.port)}
        waiting = [edge.source]
        while waiting:
            name = waiting.pop()
            drops = self._nodes[name].node.capabilities.filters or len(self._wired.ports[name].gives) > 1
            for before in () if drops else self._topology.incoming[name]:
                if (before.source, before.port) not in found:
                    found.add((before.source, before.port))
                    waiting.append(before.source)
        return found

    def _some(self, edge: Edge) -> set[Output]:
        """The outputs of which anything can come through this edge."""
        names = {edge.source, *self._topology.upstream(edge.source)}
        inner = {(e.source, e.port) for e in self._topology.edges if e.target in names}
        return {(edge.source, edge.port)} | inner

    def _clocks(self) -> None:
        for name, item in self._nodes.items():
            if not item.node.capabilities.single_clock:
                continue
            clocks: dict[str, str | None] = {}
            for source in self._sources_of(name):
                node = self._nodes[source].node
                assert isinstance(node, Source)
                clocks.update(
                    {f"{source}/{part}" if part else source: node.clock_group() for part in node.partitions()}
                )
            if len(clocks) > 1 and (len(set(clocks.values())) > 1 or None in clocks.values()):
                self._findings.add(
                    "graph.clock",
                    f"node '{name}' keeps one commit order, and {len(clocks)} source partitions without a common clock "
                    f"reach it: {visible(listed(clocks))}",
                    self._locator.value_spot("nodes", name, "inputs"),
                    "give each of them a sink of its own, with its own root",
                )

    def _times(self) -> None:
        for name, item in self._nodes.items():
            option = item.node.needs_time() if isinstance(item.node, Sink) else None
            if option is None:
                continue
            for source in self._sources_of(name):
                if not self._nodes[source].node.capabilities.tells_time:
                    self._findings.add(
                        "graph.time",
                        f"node '{name}' goes by the time of the checkpoint (`{option}`), and the commit-ts of "
                        f"'{source}' ({self._nodes[source].node.type_name}) tells no time",
                        self._locator.value_spot("nodes", name, option),
                        f"leave `{option}` out, and let the store expire old files (a lifecycle rule)",
                    )

    def _sources_of(self, name: str) -> list[str]:
        above = self._topology.upstream(name)
        return [
            other for other in self._topology.names if other in above and isinstance(self._nodes[other].node, Source)
        ]


def _fits(wanted: object, given: object) -> bool:
    """As `accepts`, for a hint: what takes or gives anything is no help."""
    return "Any" not in (type_name(wanted), type_name(given)) and accepts(wanted, given)


def _shown(edge: Edge) -> str:
    return edge.source if edge.port == "out" else f"{edge.source}.{edge.port}"
