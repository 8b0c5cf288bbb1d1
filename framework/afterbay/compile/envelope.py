"""The envelope: the keys that every pipeline file and every node have, whatever the node's type.

name: orders            # optional: the file's name without its ending
state: ./state/orders   # optional: ./.afterbay/<name>; relative to the current directory
sensitive: [email]      # optional: columns whose values `afterbay tap` does not show
nodes:
  csv: {type: encode_csv, inputs: changes, parallelism: 4, …the options of encode_csv}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from afterbay.compile.document import Document, Value
from afterbay.compile.findings import Findings
from afterbay.compile.source_text import Spot
from afterbay.compile.suggest import closest, did_you_mean
from afterbay.printable import visible

ROOT_KEYS = ("name", "state", "sensitive", "nodes")
NODE_KEYS = ("type", "inputs", "parallelism")
MOST_PARALLEL = 256
PIPELINE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
NODE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
NAME_RULE = "letters, digits, '_', '-' and '.', not starting with '.' or '-'"
NODE_NAME_RULE = "a letter or '_', then letters, digits, '_' and '-', at most 63"


@dataclass(frozen=True, slots=True)
class NodeSection:
    """One node of the file: its envelope, and its options still unread."""

    name: str
    type_name: str
    inputs: tuple[str, ...]
    parallelism: int
    options: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Envelope:
    """The file's frame."""

    name: str
    state_dir: Path
    sections: tuple[NodeSection, ...]
    sensitive: tuple[str, ...] = ()


def default_state_dir(name: str) -> Path:
    """Where a pipeline keeps its state unless told otherwise."""
    return Path(".afterbay") / name


def read_envelope(document: Document, *, default_name: str, state: Path | None) -> Envelope:
    """Checks the frame. `state` overrides the file's. Raises PipelineInvalid with every finding."""
    return _Reader(document).read(default_name, state)


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._findings = Findings()

    def read(self, default_name: str, state: Path | None) -> Envelope:
        root = self._document.root
        for key in root:
            if key not in ROOT_KEYS:
                self._add(
                    "key.unknown",
                    f"a pipeline has no key '{visible(key)}'",
                    self._document.key_spot(key),
                    did_you_mean(key, ROOT_KEYS, otherwise="its keys are"),
                )
        name = self._name(root.get("name"), default_name)
        own_state = self._state(root["state"]) if "state" in root else None
        sensitive = self._sensitive(root["sensitive"]) if "sensitive" in root else ()
        sections = self._nodes(root["nodes"]) if "nodes" in root else self._no_nodes()
        self._findings.stop()
        return Envelope(name, Path.cwd() / (state or own_state or default_state_dir(name)), sections, sensitive)

    def _name(self, value: Value, default_name: str) -> str:
        if "name" not in self._document.root:
            if not PIPELINE_NAME.fullmatch(default_name):
                self._add(
                    "name.missing",
                    f"the file's name makes no pipeline name: '{visible(default_name)}'",
                    self._document.value_spot(),
                    f"give the pipeline a `name:` of {NAME_RULE}",
                )
            return default_name
        spot = self._document.value_spot("name")
        if not isinstance(value, str):
            self._add("name.type", f"`name` is text, not {_kind(value)}", spot, "quote it to make it text")
            return default_name
        if not PIPELINE_NAME.fullmatch(value):
            self._add("name.invalid", f"'{visible(value)}' is no pipeline name", spot, f"a name is {NAME_RULE}")
        return value

    def _state(self, value: Value) -> Path | None:
        if isinstance(value, str) and value and value.isprintable():
            return Path(value)
        message = "`state` is a folder's path" + ("" if isinstance(value, str) else f", not {_kind(value)}")
        self._add("state.invalid", message, self._document.value_spot("state"), "such as ./state/orders")
        return None

    def _sensitive(self, value: Value) -> tuple[str, ...]:
        items = value if isinstance(value, list) else [value]
        for index, item in enumerate(items):
            if not isinstance(item, str) or not item:
                path = ("sensitive", index) if isinstance(value, list) else ("sensitive",)
                self._add(
                    "sensitive.invalid",
                    f"`sensitive` is a list of columns, not {_kind(item)}",
                    self._document.value_spot(*path),
                    'such as [email, customers.birthday, "shop.*.card"]',
                )
        return tuple(item for item in items if isinstance(item, str))

    def _no_nodes(self) -> tuple[NodeSection, ...]:
        self._add(
            "nodes.missing", "a pipeline has `nodes`", self._document.value_spot(), "list them under the key `nodes:`"
        )
        return ()

    def _nodes(self, value: Value) -> tuple[NodeSection, ...]:
        if not isinstance(value, dict) or not value:
            what = "a pipeline has at least one" if value in (None, {}) else f"not {_kind(value)}"
            self._add(
                "nodes.type",
                f"`nodes` is a mapping from a node's name to its options: {what}",
                self._document.key_spot("nodes"),
                "such as `changes: {type: demo}`",
            )
            return ()
        sections = (self._node(name, options) for name, options in value.items())
        return tuple(section for section in sections if section is not None)

    def _node(self, name: str, value: Value) -> NodeSection | None:
        key = self._document.key_spot("nodes", name)
        if not NODE_NAME.fullmatch(name):
            self._add("node.name", f"'{visible(name)}' is no name for a node", key, f"a name is {NODE_NAME_RULE}")
            name_shown = "a node"
        else:
            name_shown = f"node '{name}'"
        if not isinstance(value, dict):
            self._add(
                "node.type", f"{name_shown} is a mapping with a `type`, not {_kind(value)}", key, "write `type: …`"
            )
            return None
        type_name = value.get("type")
        if "type" not in value:
            guess = next((option for option in value if closest(option, ["type"])), None)
            hint = f"is '{visible(guess)}' meant to be `type`?" if guess else "`afterbay nodes list` shows the types"
            self._add("node.type", f"{name_shown} has no `type`", key, hint)
        elif not isinstance(type_name, str):
            spot = self._document.value_spot("nodes", name, "type")
            self._add(
                "node.type",
                f"the `type` of {name_shown} is text, not {_kind(type_name)}",
                spot,
                "quote it to make it text",
            )
        inputs = self._inputs(name, name_shown, value.get("inputs"))
        parallelism = self._parallelism(name, name_shown, value.get("parallelism", 1))
        options = {option: item for option, item in value.items() if option not in NODE_KEYS}
        return NodeSection(name, str(type_name), inputs, parallelism, options)

    def _inputs(self, name: str, shown: str, value: Value) -> tuple[str, ...]:
        if value is None:
            return ()
        items = value if isinstance(value, list) else [value]
        out: list[str] = []
        for index, item in enumerate(items):
            if isinstance(item, str):
                out.append(item)
                continue
            spot = self._document.value_spot("nodes", name, "inputs", index)
            self._add(
                "inputs.type",
                f"`inputs` of {shown} is a node's name or a list of them, not {_kind(item)}",
                spot,
                "such as `inputs: changes` or `inputs: [a, b]`",
            )
        return tuple(out)

    def _parallelism(self, name: str, shown: str, value: Value) -> int:
        # Text of digits too: inside { } a reference to a variable must be quoted.
        if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value):
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_PARALLEL:
            return value
        got = value if isinstance(value, int) and not isinstance(value, bool) else _kind(value)
        spot = self._document.value_spot("nodes", name, "parallelism")
        message = f"`parallelism` of {shown} is 1 to {MOST_PARALLEL}, not {got}"
        self._add("parallelism.invalid", message, spot, "such as `parallelism: 4`: threads side by side")
        return 1

    def _add(self, code: str, message: str, spot: Spot, hint: str) -> None:
        self._findings.add(code, message, spot, hint)


def _kind(value: Value) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float):
        return "a number"
    return "a list" if isinstance(value, list) else "a mapping"
