"""`docs/nodes.md` from the node types themselves. `python -m tests.docs` writes it anew."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from afterbay.cli.node_keys import NodeKey, frame_keys, keys_of
from afterbay.cli.nodes import facts_of, import_of
from afterbay.compile.registry import Registry
from afterbay.node import Node

PAGE = Path(__file__).parents[2] / "docs" / "nodes.md"
KINDS = {"source": "Sources", "transform": "Transforms", "sink": "Sinks"}
HEAD = """\
# Nodes

What a pipeline can be made of: the ready node types, and every key that they take. `afterbay nodes show TYPE` tells the
same for all that are installed, `afterbay nodes list` lists them. Made from the types themselves by
`python -m tests.docs`.

Sizes are `64MiB`, `1GB` or bytes; durations `5s`, `100ms`, `1h30m` or seconds. The frame of a file, `inputs`, and
`parallelism`: [pipeline-file.md](pipeline-file.md).
"""


def page() -> str:
    """The whole page."""
    types = [node for item in Registry.installed() if item.pack.startswith("afterbay") for node in [item.load()]]
    parts = [HEAD]
    for kind, title in KINDS.items():
        parts.append(f"## {title}\n")
        parts.extend(_section(node) for node in types if facts_of(node)["kind"] == kind)
    return "\n".join(parts)


def _section(node: type[Node]) -> str:
    facts = facts_of(node)
    lines = [
        f"### `{node.type_name}`\n",
        f"{facts['takes']} → {facts['gives']}. In Python: `{import_of(node)}`\n",
        (inspect.getdoc(node) or "") + "\n",
        "| key | value | default | |",
        "|---|---|---|---|",
        *_rows((*frame_keys(node), *keys_of(node))),
    ]
    return "\n".join(lines) + "\n"


def _rows(keys: tuple[NodeKey, ...], above: str = "") -> Iterator[str]:
    for key in keys:
        default = "required" if key.default is None else _code(key.default)
        yield f"| `{above}{key.name}` | {_cell(key.type)} | {default} | {_cell(key.said)} |"
        yield from _rows(key.keys, f"{above}{key.name}[].")


def _code(text: str) -> str:
    return f"`` {_cell(text)} ``" if "`" in text else f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
