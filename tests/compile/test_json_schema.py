"""The schema that editors check pipeline files with: it takes what the compiler takes."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from afterbay.compile.json_schema import DIALECT, pipeline_schema
from afterbay.compile.registry import Registry
from tests.support.nodes import REGISTRY

SCHEMA = pipeline_schema(REGISTRY)


def refused(declared: dict[str, Any], schema: dict[str, Any] = SCHEMA) -> bool:
    """True if an editor would underline something."""
    return bool(list(jsonschema.Draft202012Validator(schema).iter_errors(declared)))


def test_every_type_has_its_keys_and_those_of_every_node() -> None:
    assert SCHEMA["$schema"] == DIALECT
    types = SCHEMA["$defs"]["node"]["properties"]["type"]["enum"]
    assert types == sorted(types) == [item.name for item in REGISTRY]
    store = SCHEMA["$defs"]["node.store"]
    assert store["required"] == ["type", "inputs", "uri"]
    assert list(store["properties"])[:3] == ["type", "inputs", "uri"]
    assert store["properties"]["uri"]["description"] == "where to store"
    assert "inputs" not in SCHEMA["$defs"]["node.numbers"]["properties"]
    assert "parallelism" in SCHEMA["$defs"]["node.encode"]["properties"]


@pytest.mark.parametrize(
    "nodes",
    [
        {"a": {"type": "numbers"}},
        {"a": {"type": "numbers", "rows": "${ROWS:-5}"}},
        {"csv": {"type": "encode", "inputs": ["a", "b.east"], "parallelism": "${N}", "style": "short"}},
        {"lake": {"type": "store", "inputs": "a", "uri": "./x", "file_size": "64MiB", "flush_interval": "1h30m"}},
        {"lake": {"type": "store", "inputs": "a", "uri": "./x", "file_size": 4096, "flush_interval": 5}},
    ],
)
def test_what_the_compiler_takes_is_taken(nodes: dict[str, Any]) -> None:
    assert not refused({"name": "orders", "state": "./state", "nodes": nodes})


@pytest.mark.parametrize(
    "declared",
    [
        {},
        {"nodes": {}},
        {"nodes": {"a": {}}},
        {"nodes": {"a": {"type": "nmbers"}}},
        {"nodes": {"a.b": {"type": "numbers"}}},
        {"nodes": {"a": {"type": "numbers"}}, "stat": "x"},
        {"nodes": {"a": {"type": "numbers"}}, "name": "../x"},
        {"nodes": {"a": {"type": "numbers", "inputs": "b"}}},
        {"nodes": {"a": {"type": "numbers", "rows": -1}}},
        {"nodes": {"csv": {"type": "encode", "inputs": "a", "style": "wide"}}},
        {"nodes": {"csv": {"type": "encode", "inputs": "a", "parallelism": 0}}},
        {"nodes": {"keep": {"type": "keep", "inputs": "a", "parallelism": 2}}},
        {"nodes": {"lake": {"type": "store", "inputs": "a"}}},
        {"nodes": {"lake": {"type": "store", "inputs": "a", "uri": "x", "file_size": "much"}}},
    ],
)
def test_what_the_compiler_refuses_is_refused(declared: dict[str, Any]) -> None:
    assert refused(declared)


def test_the_schema_of_all_built_in_types_is_sound_and_always_the_same() -> None:
    schema = pipeline_schema()
    assert json.dumps(schema) == json.dumps(pipeline_schema(Registry.installed()))
    jsonschema.Draft202012Validator.check_schema(schema)
    orders = {
        "changes": {"type": "demo"},
        "csv": {"type": "encode_csv", "inputs": "changes", "include_commit_ts": True, "parallelism": 4},
        "spool": {"type": "spool", "inputs": "csv", "disk_quota": "10GiB", "memory": "256MiB"},
        "lake": {"type": "cloud_storage", "inputs": "spool", "uri": "s3://bucket/orders", "flush_interval": "5s"},
    }
    assert not refused({"nodes": orders}, schema)
    orders["csv"]["delimitr"] = ";"
    assert refused({"nodes": orders}, schema)


def test_every_reference_in_the_schema_leads_somewhere() -> None:
    schema = pipeline_schema()
    found = {part.split('"')[0] for part in json.dumps(schema).split('"$ref": "#/$defs/')[1:]}
    assert found <= set(schema["$defs"])
