"""The first half of the graph phase: every `inputs` becomes edges, and every node is looked at by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from afterbay.compile.draft import Draft, DraftNode
from afterbay.compile.findings import Findings
from afterbay.compile.port_types import port_types_of
from afterbay.compile.source_text import Spot
from afterbay.compile.suggest import closest, did_you_mean, listed
from afterbay.compile.topology import Edge, Topology
from afterbay.node import PortTypes, Sink, Source
from afterbay.printable import visible


@dataclass(frozen=True, slots=True)
class Wired:
    """A draft with its edges. `certain` is False where an input was guessed: what nobody reads is then not known."""

    draft: Draft
    nodes: Mapping[str, DraftNode]
    ports: Mapping[str, PortTypes]
    topology: Topology
    certain: bool


def wire(draft: Draft, findings: Findings) -> Wired:
    """Edges from names. A name that is not there is told, and guessed at, so that the checks behind can go on."""
    return _Wiring(draft, findings).wire()


class _Wiring:
    def __init__(self, draft: Draft, findings: Findings) -> None:
        self._draft = draft
        self._findings = findings
        self._nodes = {item.name: item for item in draft.nodes}
        self._ports = {item.name: port_types_of(item.node) for item in draft.nodes}
        self._certain = True

    def wire(self) -> Wired:
        edges: list[Edge] = []
        for item in self._draft.nodes:
            self._look_at(item)
            if not isinstance(item.node, Source):
                edges.extend(self._edges_into(item))
        topology = Topology([item.name for item in self._draft.nodes], edges)
        return Wired(self._draft, self._nodes, self._ports, topology, self._certain)

    def _look_at(self, item: DraftNode) -> None:
        """What can be said of a node alone: its own check, and an envelope that fits its kind."""
        locator = self._draft.locator
        node, name, capabilities = item.node, item.name, item.node.capabilities
        for found in node.check():
            path = tuple(int(part) if part.isdigit() else part for part in (found.field or "").split(".") if part)
            spot = locator.value_spot("nodes", name, *path) if path else locator.key_spot("nodes", name)
            place = spot if found.place is None else Spot(found.place, found.snippet)
            hint = found.hint or f"`afterbay nodes show {node.type_name}` tells the keys and their values"
            self._findings.add(found.code, f"node '{name}': {found.message}", place, hint, found.field)
        if item.parallelism > 1 and not capabilities.parallel:
            hint = "it has `shards` instead" if capabilities.sharded else "leave `parallelism` out"
            spot = locator.value_spot("nodes", name, "parallelism")
            message = f"node '{name}': {node.type_name} cannot work in parallel and keep the order"
            self._findings.add("parallelism.unsupported", message, spot, hint)
        if isinstance(node, Source) and item.inputs:
            message = f"node '{name}' is a source ({node.type_name}): it takes no inputs"
            self._findings.add("inputs.source", message, locator.key_spot("nodes", name, "inputs"), "remove `inputs`")
        if not isinstance(node, Source) and not item.inputs:
            others = [other.name for other in self._draft.nodes if other is not item and self._ports[other.name].gives]
            self._findings.add(
                "inputs.missing",
                f"node '{name}' has no inputs: nothing would ever reach it",
                locator.key_spot("nodes", name),
                f"add `inputs: {others[-1] if others else '…'}`",
            )

    def _edges_into(self, item: DraftNode) -> Iterator[Edge]:
        seen: set[tuple[str, str]] = set()
        for index, written in enumerate(item.inputs):
            spot = self._draft.locator.value_spot("nodes", item.name, "inputs", index)
            found = self._resolved(item, written, spot)
            if found is None:
                self._certain = False
            elif found in seen:
                message = f"node '{item.name}' reads '{visible(written)}' twice: it would get every change twice"
                self._findings.add("inputs.duplicate", message, spot, "name it once")
            else:
                seen.add(found)
                source, port = found
                payload = dict(self._ports[source].gives)[port]
                yield Edge(source, port, item.name, index, payload)

    def _resolved(self, item: DraftNode, written: str, spot: Spot) -> tuple[str, str] | None:
        """The node and the port that are meant; None if there is no telling."""
        name, dot, port = written.partition(".")
        givers = [other for other, ports in self._ports.items() if ports.gives and other != item.name]
        if name not in self._nodes:
            self._findings.add(
                "inputs.unknown",
                f"node '{item.name}' reads from '{visible(name)}', which is not there",
                spot,
                did_you_mean(name, givers, otherwise="the nodes that can be read are"),
            )
            guess = closest(name, givers)
            if guess is None:
                return None
            self._certain = False
            name = guess
        ports = [known for known, _ in self._ports[name].gives]
        if not ports:
            type_name = self._nodes[name].node.type_name
            assert isinstance(self._nodes[name].node, Sink)
            self._findings.add(
                "inputs.sink",
                f"node '{item.name}' reads from '{name}', which is a sink ({type_name}) and gives nothing",
                spot,
                f"the nodes that can be read are: {listed(givers)}",
            )
            return None
        if not dot and len(ports) == 1:
            return name, ports[0]
        if port in ports:
            return name, port
        what = f"has no output '{visible(port)}'" if dot else "has several outputs"
        outputs = [f"{name}.{known}" for known in ports]
        hint = f"its outputs are: {listed(outputs)}"
        if len(ports) == 1:
            hint = f"it has one output: write '{name}'"
        elif dot:
            hint = did_you_mean(f"{name}.{port}", outputs, otherwise="its outputs are")
        message = f"node '{item.name}' reads from '{name}', which {what}"
        self._findings.add("inputs.port", message, spot, hint)
        guess = closest(port, ports)
        self._certain = False
        return None if guess is None else (name, guess)
