"""`afterbay nodes list` and `afterbay nodes show`: what a pipeline can be made of."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated

import typer

from afterbay.cli import console
from afterbay.cli.failure import Failure
from afterbay.cli.options import AsJson
from afterbay.errors import PipelineInvalid

if TYPE_CHECKING:
    from afterbay.node import Node

EXAMPLES = """\b
Examples:
  afterbay nodes list
  afterbay nodes show cloud_storage
"""


def list_types(as_json: AsJson = False) -> int:
    """List the installed node types: source, transform or sink, what they take and give."""
    from afterbay.compile.registry import Registry

    found: list[type[Node]] = []
    registry = Registry.installed()
    for fault in registry.faults:
        console.note(str(fault))
    for item in registry:
        if item.clash is not None:
            continue  # told above
        try:
            found.append(item.load())
        except PipelineInvalid as broken:
            Failure.of(broken).tell(as_json=False)  # one broken type does not hide the others
    facts = [_facts(node) for node in sorted(found, key=_order)]
    if as_json:
        console.data(facts)
    else:
        rows = [[fact[key] for key in ("type", "kind", "takes", "gives", "summary")] for fact in facts]
        console.result(console.table(("TYPE", "KIND", "TAKES", "GIVES", ""), rows))
    return 0


def show(
    type_name: Annotated[str, typer.Argument(metavar="TYPE", help="The node type.", show_default=False)],
    as_json: AsJson = False,
) -> int:
    """Show what a node type does and every key it takes."""
    from afterbay.cli.node_keys import keys_of
    from afterbay.compile.registry import Registry

    node = Registry.installed().load(type_name)
    facts, keys, text = _facts(node), keys_of(node), inspect.getdoc(node) or ""
    if as_json:
        console.data({**facts, "description": text, "keys": [key.to_dict() for key in keys]})
        return 0
    console.result(f"{facts['type']}   {facts['kind']}, {facts['takes']} -> {facts['gives']}\n\n{text}\n")
    if keys:
        rows = [
            [key.name, key.type, "required" if key.default is None else key.default, key.description] for key in keys
        ]
        console.result(console.table(("KEY", "VALUE", "DEFAULT", ""), rows))
    else:
        console.result("It takes no keys of its own.")
    return 0


_KINDS = ("source", "transform", "sink")


def _order(node: type[Node]) -> tuple[int, str]:
    return _KINDS.index(_kind(node)), node.type_name


def _kind(node: type[Node]) -> str:
    from afterbay.node import Sink, Source

    return "source" if issubclass(node, Source) else "sink" if issubclass(node, Sink) else "transform"


def _facts(node: type[Node]) -> dict[str, str]:
    from afterbay.compile.port_types import port_types_of_class, type_name

    ports = port_types_of_class(node)
    gives = [type_name(payload) if port == "out" else f"{port}: {type_name(payload)}" for port, payload in ports.gives]
    return {
        "type": node.type_name,
        "kind": _kind(node),
        "takes": type_name(ports.takes),
        "gives": ", ".join(gives) or "nothing",
        "summary": node.summary,
    }
