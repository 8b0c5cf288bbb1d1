"""`afterbay plan`: what would run, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from afterbay.cli import console
from afterbay.cli.amounts import plural
from afterbay.cli.options import AsJson, PipelineFile, StateDir

if TYPE_CHECKING:
    from afterbay.compile.plan import Plan, PlanNode

EXAMPLES = """\b
Examples:
  afterbay plan orders.yaml
  afterbay plan orders.yaml --json | jq .fingerprint
"""


def plan(pipeline: PipelineFile, state: StateDir = None, as_json: AsJson = False) -> int:
    """Print the checked plan as a table.

    Every node with what it takes and gives, its instances and facts, and the fingerprint of the whole.
    """
    from afterbay.pipeline import Pipeline

    found = Pipeline.from_yaml(pipeline, state=state).compile()
    if as_json:
        console.data(to_dict(found))
        return 0
    for item in found.warnings:
        console.note(f"warning: {item}")
    console.result(f"{found.name}   {plural(len(found.nodes), 'node')}, state in {found.state_dir}\n")
    header = ("NODE", "TYPE", "INPUTS", "TAKES", "GIVES", "INSTANCES", "FACTS")
    console.result(console.table(header, [_row(item) for item in found.nodes]))
    console.result(f"\nfingerprint {found.fingerprint()}")
    return 0


def to_dict(found: Plan) -> dict[str, object]:
    """The plan as plain data."""
    from afterbay.compile.port_types import type_name

    return {
        "name": found.name,
        "origin": found.origin,
        "state_dir": str(found.state_dir),
        "fingerprint": found.fingerprint(),
        "nodes": [
            {
                "name": item.name,
                "type": item.type_name,
                "kind": item.kind,
                "inputs": [str(source) for source in item.inputs],
                "takes": None if item.takes is None else type_name(item.takes),
                "gives": {port: type_name(payload) for port, payload in item.gives},
                "parallelism": item.parallelism,
                "shards": item.shards,
                "facts": dict(item.node.facts()),
            }
            for item in found.nodes
        ],
        "warnings": [item.to_dict() for item in found.warnings],
        "edges": [
            {"source": edge.source, "port": edge.port, "target": edge.target, "payload": type_name(edge.payload)}
            for edge in found.edges
        ],
    }


def _row(item: PlanNode) -> tuple[str, ...]:
    from afterbay.compile.port_types import type_name

    gives = ", ".join(
        type_name(payload) if port == "out" else f"{port}: {type_name(payload)}" for port, payload in item.gives
    )
    instances = plural(item.shards, "shard") if item.kind == "sink" else str(item.parallelism)
    facts = ", ".join(f"{key} {value}" for key, value in item.node.facts().items())
    return (
        item.name,
        item.type_name,
        ", ".join(str(source) for source in item.inputs) or "-",
        "-" if item.takes is None else type_name(item.takes),
        gives or "-",
        instances,
        facts,
    )
