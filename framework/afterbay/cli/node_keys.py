"""A node's YAML keys as a person reads them, from its pydantic model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from afterbay.compile.option_faults import models_in

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    from afterbay.node import Node
    from afterbay.schema import Json

Schema = Mapping[str, "Json"]


@dataclass(frozen=True, slots=True)
class NodeKey:
    """One key: what it takes, what it is without one (None: it must be given), and what it means.

    `example` is a value as the file has it. `keys` are those of the mappings inside, where there are any.
    """

    name: str
    type: str
    default: str | None
    description: str
    example: str | None = None
    keys: tuple[NodeKey, ...] = ()

    @property
    def said(self) -> str:
        """The description, with the example."""
        if self.example is None or self.example == self.default or self.example.strip('"') in self.type:
            return self.description
        return f"{self.description.removesuffix('.')}; such as {self.example}"

    def to_dict(self) -> dict[str, object]:
        """Plain data; `required` says that there is no default."""
        return {
            "name": self.name,
            "type": self.type,
            "required": self.default is None,
            "default": self.default,
            "description": self.description,
            "example": self.example,
            "keys": [key.to_dict() for key in self.keys],
        }


def frame_keys(node: type[Node]) -> tuple[NodeKey, ...]:
    """The keys that every node of its kind has, beside `type`."""
    from afterbay.compile.envelope import MOST_PARALLEL
    from afterbay.node import Source

    keys = []
    if not issubclass(node, Source):
        read = "the node that it reads, or several, merged in order; `node.port` for one output of several"
        keys.append(NodeKey("inputs", "text or list of text", None, read))
    if node.capabilities.parallel:
        threads = f"threads side by side, 1 to {MOST_PARALLEL}; the order stays"
        keys.append(NodeKey("parallelism", "integer", "1", threads))
    return tuple(keys)


def keys_of(node: type[BaseModel]) -> tuple[NodeKey, ...]:
    """The node's own keys, in the order of declaration."""
    whole = node.model_json_schema()
    shared, properties = whole.get("$defs", {}), whole.get("properties", {})
    return tuple(
        NodeKey(
            field.alias or name,
            type_text(properties[field.alias or name], shared),
            None if field.is_required() else _default(field),
            field.description or "",
            _flow(field.examples[0]) if field.examples else None,
            tuple(key for model in models_in(field.annotation) for key in keys_of(model)),
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


def _flow(value: object) -> str:
    """A value in YAML's flow style, which for plain words needs no quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if isinstance(value, str):
        return value if re.fullmatch(r"[A-Za-z0-9_./:+-]+", value) else json.dumps(value)
    return json.dumps(value)


def _default(field: FieldInfo) -> str:
    from pydantic import TypeAdapter

    # As the field prints itself in JSON: a size of 67108864 is `64MiB` to whoever writes one.
    value = TypeAdapter(field.rebuild_annotation()).dump_python(field.get_default(), mode="json")
    if isinstance(value, str):
        # Quoted where it could not be seen otherwise: "", " ", "\r\n".
        return value if value.strip() and value.isprintable() else json.dumps(value)
    return "-" if value is None else json.dumps(value)
