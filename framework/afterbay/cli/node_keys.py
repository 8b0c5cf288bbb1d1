"""A node's YAML keys as a person reads them, from its pydantic model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from afterbay.node import Node
    from afterbay.schema import Json

Schema = Mapping[str, "Json"]


@dataclass(frozen=True, slots=True)
class NodeKey:
    """One key: what it takes, what it is without one (None: it must be given), and what it means."""

    name: str
    type: str
    default: str | None
    description: str

    def to_dict(self) -> dict[str, object]:
        """Plain data; `required` says that there is no default."""
        return {
            "name": self.name,
            "type": self.type,
            "required": self.default is None,
            "default": self.default,
            "description": self.description,
        }


def keys_of(node: type[Node]) -> tuple[NodeKey, ...]:
    """The node's own keys, in the order of declaration."""
    whole = node.model_json_schema()
    shared = whole.get("$defs", {})
    return tuple(
        NodeKey(
            name,
            type_text(schema, shared),
            None if name in whole.get("required", ()) else _default(schema),
            str(schema.get("description", "")),
        )
        for name, schema in whole.get("properties", {}).items()
    )


def type_text(schema: Schema, shared: Mapping[str, Schema]) -> str:
    """A JSON Schema in words: `integer`, `text or nothing`, `none | year | month`, `list of text`."""
    match schema:
        case {"$ref": str(reference)}:
            return type_text(shared[reference.rpartition("/")[2]], shared)
        case {"enum": list(values)}:
            return " | ".join(map(str, values))
        case {"const": value}:
            return str(value)
        case {"anyOf": list(choices)} | {"oneOf": list(choices)}:
            return " or ".join(dict.fromkeys(type_text(cast("Schema", choice), shared) for choice in choices))
        case {"allOf": [only]}:
            return type_text(cast("Schema", only), shared)
        case {"type": "array"}:
            inner = schema.get("items")
            return f"list of {type_text(inner, shared)}" if isinstance(inner, dict) and inner else "list"
        case {"type": "object", "properties": dict(keys)}:
            return "{" + ", ".join(keys) + "}"
        case {"type": str(name)}:
            return {"string": "text", "null": "nothing", "object": "mapping"}.get(name, name)
        case _:
            return "anything"


def _default(schema: Schema) -> str:
    value = schema.get("default")
    if value is None or isinstance(value, str):
        # Quoted where it could not be seen otherwise: "", " ", "\r\n".
        return "-" if value is None else value if value.strip() and value.isprintable() else json.dumps(value)
    return json.dumps(value)
