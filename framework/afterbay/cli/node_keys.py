"""A node's YAML keys as a person reads them, from its pydantic model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

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
    shared, properties = whole.get("$defs", {}), whole.get("properties", {})
    return tuple(
        NodeKey(
            field.alias or name,
            type_text(properties[field.alias or name], shared),
            None if field.is_required() else _default(field),
            field.description or "",
        )
        for name, field in node.model_fields.items()
    )


def type_text(schema: Schema, shared: Mapping[str, Schema]) -> str:
    """A JSON Schema in words: `integer`, `list of text`, `none | year`, `integer or text, such as 64MiB`."""
    match schema:
        case {"$ref": str(reference)}:
            return type_text(shared[reference.rpartition("/")[2]], shared)
        case {"enum": list(values)}:
            return " | ".join(map(str, values))
        case {"const": value}:
            return str(value)
        case {"anyOf": list(choices)} | {"oneOf": list(choices)}:
            texts = list(dict.fromkeys(type_text(cast("Schema", choice), shared) for choice in choices))
            examples = schema.get("examples")
            if isinstance(examples, list) and "nothing" not in texts:
                texts[-1] += f", such as {examples[0]}"  # a size or a duration: its text has a form
            return (", or " if any("," in text for text in texts[:-1]) else " or ").join(texts)
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


def _default(field: FieldInfo) -> str:
    from pydantic import TypeAdapter

    # As the field prints itself in JSON: a size of 67108864 is `64MiB` to whoever writes one.
    value = TypeAdapter(field.rebuild_annotation()).dump_python(field.get_default(), mode="json")
    if isinstance(value, str):
        # Quoted where it could not be seen otherwise: "", " ", "\r\n".
        return value if value.strip() and value.isprintable() else json.dumps(value)
    return "-" if value is None else json.dumps(value)
