"""`afterbay nodes list` and `afterbay nodes show`: what a pipeline can be made of."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from afterbay.cli import console
from afterbay.cli.failure import Failure
from afterbay.cli.options import AsJson
from afterbay.errors import PipelineInvalid

if TYPE_CHECKING:
    from afterbay.cli.node_keys import NodeKey
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
    facts = [facts_of(node) for node in sorted(found, key=_order)]
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
    from afterbay.cli.node_keys import frame_keys, keys_of
    from afterbay.compile.registry import Registry

    node = Registry.installed().load(type_name)
    facts, text, frame, keys = facts_of(node), inspect.getdoc(node) or "", frame_keys(node), keys_of(node)
    if as_json:
        told = {"frame": [key.to_dict() for key in frame], "keys": [key.to_dict() for key in keys]}
        console.data({**facts, "import": import_of(node), "description": text, **told})
        return 0
    console.result(f"{facts['type']}   {facts['kind']}, {facts['takes']} -> {facts['gives']}\n\n{text}\n")
    console.result(console.table(("KEY", "VALUE", "DEFAULT", ""), list(_rows((*frame, *keys)))))
    if not keys:
        console.result("\nIt takes no keys of its own.")
    console.result(f"\nIn Python: {import_of(node)}")
    return 0


def _rows(keys: Sequence[NodeKey], indent: str = "") -> Iterator[list[str]]:
    """One line a key; those of a mapping inside are indented below it."""
    for key in keys:
        yield [indent + key.name, key.type, "required" if key.default is None else key.default, key.said]
        yield from _rows(key.keys, indent + "  ")


def import_of(node: type[Node]) -> str:
    """The line that brings the class into a Python program."""
    return f"from {node.__module__} import {node.__qualname__}"


_KINDS = ("source", "transform", "sink")


def _order(node: type[Node]) -> tuple[int, str]:
    return _KINDS.index(_kind(node)), node.type_name


def _kind(node: type[Node]) -> str:
    from afterbay.node import Sink, Source

    return "source" if issubclass(node, Source) else "sink" if issubclass(node, Sink) else "transform"


def facts_of(node: type[Node]) -> dict[str, str]:
    """What a type is, in a line: `type`, `kind`, `takes`, `gives`, `summary`."""
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
