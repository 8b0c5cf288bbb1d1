"""The phases, in order: read -> positions -> variables -> envelope -> node types -> options -> graph -> Plan.

Each phase tells everything it finds before the next one may start (I10). A pipeline from Python enters at the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from afterbay.compile.document import Document
from afterbay.compile.draft import Draft, DraftNode
from afterbay.compile.envelope import read_envelope
from afterbay.compile.findings import Findings
from afterbay.compile.graph_checks import check_graph
from afterbay.compile.options import build_nodes, load_types
from afterbay.compile.plan import NodeKind, Plan, PlanEdge, PlanInput, PlanNode
from afterbay.compile.registry import Registry
from afterbay.compile.tree import MAX_BYTES, read_tree
from afterbay.compile.wiring import Wired, wire
from afterbay.errors import PipelineInvalid, Place
from afterbay.node import Sink, Source

MOST_NODES = 500


def draft_of_file(
    path: Path, *, state: Path | None, env: Mapping[str, str], registry: Registry, shown_as: str | None = None
) -> Draft:
    """All phases up to the options. `state` overrides the file's. Raises PipelineInvalid with a phase's findings."""
    file = shown_as if shown_as is not None else str(path)
    root, source = read_tree(_bytes_of(path, file), file)
    document = Document(root, source, env)
    envelope = read_envelope(document, default_name=path.stem, state=state)
    classes = load_types(envelope.sections, document, registry)
    warnings = Findings()
    nodes = build_nodes(envelope.sections, document, registry, classes, path.resolve().parent, warnings)
    told = (*registry.faults, *warnings.found)
    return Draft(envelope.name, envelope.state_dir, nodes, document, file, told, envelope.sensitive)


def plan_of(draft: Draft, registry: Callable[[], Registry] = Registry.installed) -> Plan:
    """The graph phase. Raises PipelineInvalid with all its findings. `registry` is asked only for hints."""
    findings = Findings()
    if not 1 <= len(draft.nodes) <= MOST_NODES:
        message = f"a pipeline has 1 to {MOST_NODES} nodes; this one has {len(draft.nodes)}"
        findings.add("graph.size", message, draft.locator.value_spot("nodes"), "split it into several")
        findings.stop()
    wired = wire(draft, findings)
    check_graph(wired, findings, registry)
    findings.stop()
    return _plan(wired)


def _plan(wired: Wired) -> Plan:
    topology = wired.topology
    edges = tuple(
        PlanEdge(edge.source, edge.port, edge.target, edge.payload)
        for name in topology.order
        for edge in topology.incoming[name]
    )
    nodes = tuple(_plan_node(wired, wired.nodes[name]) for name in topology.order)
    draft = wired.draft
    return Plan(draft.name, draft.state_dir, nodes, edges, draft.origin, draft.locator, draft.warnings, draft.sensitive)


def _plan_node(wired: Wired, item: DraftNode) -> PlanNode:
    kind: NodeKind = (
        "source" if isinstance(item.node, Source) else "sink" if isinstance(item.node, Sink) else "transform"
    )
    ports = wired.ports[item.name]
    inputs = tuple(PlanInput(edge.source, edge.port) for edge in wired.topology.incoming[item.name])
    shards = item.node.shard_count if isinstance(item.node, Sink) else 1
    return PlanNode(item.name, item.node, kind, inputs, ports.takes, ports.gives, item.parallelism, shards)


def _bytes_of(path: Path, file: str) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise PipelineInvalid(
            "file.unreadable",
            f"the pipeline file cannot be read: {reason}",
            place=Place(file=file),
            hint="`afterbay init FILE` writes a first one" if isinstance(error, FileNotFoundError) else "name a file",
        ) from error
