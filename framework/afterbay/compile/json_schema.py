"""The JSON Schema of pipeline files, for editors: the frame, and the options of every node type by its `type`.

Wherever a value is no text, a reference to a variable (`"${SHARDS}"`) is allowed in its place, as the compiler does.
"""

from __future__ import annotations

import inspect
from typing import Any

from afterbay.compile.envelope import MOST_PARALLEL, NODE_NAME, PIPELINE_NAME
from afterbay.compile.registry import Registry
from afterbay.node import Node, Source

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_VARIABLE = {"$ref": "#/$defs/variable"}

JsonSchema = dict[str, Any]


def pipeline_schema(registry: Registry | None = None) -> JsonSchema:
    """The schema for the types of `registry` (default: all that are installed). Deterministic: sorted by type.

    Raises PipelineInvalid if a type cannot be loaded.
    """
    whole = registry if registry is not None else Registry.installed()
    found = [item for item in whole if item.clash is None]
    definitions: JsonSchema = {
        "variable": {
            "type": "string",
            "pattern": r"\$\{",
            "description": "a reference to an environment variable: ${VAR}, ${VAR:-default}, ${VAR:?why}",
        }
    }
    branches: list[JsonSchema] = []
    for item in found:
        definitions.update(_definitions(item.load(), f"node.{item.name}"))
        branches.append(
            {
                "if": {"properties": {"type": {"const": item.name}}, "required": ["type"]},
                "then": {"$ref": f"#/$defs/node.{item.name}"},
            }
        )
    definitions["node"] = {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": [item.name for item in found], "description": "what the node is"}},
        "allOf": branches,
    }
    return {
        "$schema": DIALECT,
        "title": "Afterbay pipeline",
        "type": "object",
        "required": ["nodes"],
        "additionalProperties": False,
        "properties": {
            "name": {
                "type": "string",
                "pattern": f"^{PIPELINE_NAME.pattern}$",
                "description": "the pipeline's name; default: the file's name without its ending",
            },
            "state": {
                "type": "string",
                "minLength": 1,
                "description": "the state's folder, relative to the current directory; default: ./.afterbay/<name>",
            },
            "sensitive": {
                "anyOf": [
                    {"type": "string", "minLength": 1},
                    {"type": "array", "items": {"type": "string", "minLength": 1}},
                ],
                "description": "columns whose values `afterbay tap` leaves out: column, table.column or "
                "schema.table.column, with * and ?",
            },
            "nodes": {
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": f"^{NODE_NAME.pattern}$"},
                "additionalProperties": {"$ref": "#/$defs/node"},
                "description": "the nodes of the graph, by name",
            },
        },
        "$defs": definitions,
    }


def _definitions(node: type[Node], name: str) -> JsonSchema:
    """The schema of one type's options, frame included, and the definitions that it refers to."""
    own = node.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
    inner = {f"{name}.{key}": value for key, value in own.pop("$defs", {}).items()}
    options = {key: _or_variable(value) for key, value in own.get("properties", {}).items()}
    schema: JsonSchema = {
        "type": "object",
        "description": inspect.getdoc(node) or node.summary,
        "required": ["type", *([] if issubclass(node, Source) else ["inputs"]), *own.get("required", [])],
        "additionalProperties": False,
        "properties": {**_frame(node), **options},
    }
    return {name: schema, **inner}


def _frame(node: type[Node]) -> JsonSchema:
    frame: JsonSchema = {"type": {"const": node.type_name, "description": node.summary}}
    if not issubclass(node, Source):
        frame["inputs"] = {
            "description": "the nodes it reads from: `node` or `node.port`; several are merged in order",
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
            ],
        }
    if node.capabilities.parallel:
        frame["parallelism"] = _or_variable(
            {
                "type": "integer",
                "minimum": 1,
                "maximum": MOST_PARALLEL,
                "default": 1,
                "description": "threads side by side; the order stays",
            }
        )
    return frame


def _or_variable(schema: JsonSchema) -> JsonSchema:
    """`schema`, or a reference; what describes the key stays where editors look for it."""
    told: JsonSchema = {
        key: schema[key] for key in ("title", "description", "default", "examples", "deprecated") if key in schema
    }
    rest = {key: value for key, value in schema.items() if key not in told}
    return {**told, "anyOf": [rest, _VARIABLE]}
