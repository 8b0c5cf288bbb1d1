"""Whatever is in a file, reading it ends in a plan or in PipelineInvalid: no other error, no hang."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from afterbay.compile.registry import Registry
from afterbay.errors import PipelineInvalid
from afterbay.pipeline import Pipeline
from afterbay.printable import visible_lines
from tests.support.nodes import REGISTRY

SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

WORDS = ["name", "state", "nodes", "type", "inputs", "parallelism", "a", "csv", "lake", "numbers", "encode", "store"]
SIGNS = [
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\n    ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "&x ",
    "*x",
    "!t ",
    "? ",
    "| ",
    "> ",
    '"',
    "'",
    "#",
]
LINES = ["%YAML 1.2\n", "---\n", "...", "<<", "${A}", "${A:-1}", "${", "$${", "~", "1", "-1e9", ".nan", "1" * 60]
STRANGE = ["\t", "\r", "\0", "\\u0000", "\\x", "\ud7ff", "\u2028", "\x85", "\ufeff", "💧", "@", "`", "="]
TOKENS = st.sampled_from([*WORDS, *SIGNS, *LINES, *STRANGE])
NODE_KEYS = ["type", "inputs", "parallelism", "rows", "uri", "shards", "delimiter", "rules", "disk_quota", "x y"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=6,
)
NODES = st.dictionaries(
    st.sampled_from(["a", "csv", "spool", "lake", "_", "x.y"]),
    VALUES
    | st.fixed_dictionaries(
        {"type": st.sampled_from(["numbers", "encode", "rest", "store", "hole", "keep", "split"])},
        optional=dict.fromkeys(NODE_KEYS[1:], VALUES),
    ),
    max_size=4,
)


def outcome(data: bytes, registry: Registry = REGISTRY) -> None:
    """Compiles `data`. Any error but PipelineInvalid fails the test; what is refused has place, hint and form."""
    Path("any.yaml").write_bytes(data)
    pipeline = None
    with suppress(PipelineInvalid):
        pipeline = Pipeline.from_yaml("any.yaml", env={"A": "x"}, registry=registry).compile()
    if pipeline is None:
        with pytest.raises(PipelineInvalid) as caught:
            Pipeline.from_yaml("any.yaml", env={"A": "x"}, registry=registry).compile()
        assert all(item.place is not None and item.hint for item in caught.value.diagnostics)
        assert visible_lines(str(caught.value)) == str(caught.value)
        json.dumps(caught.value.to_dict())


@SETTINGS
@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbfnodes: {}")
@example(b'a: "\\ud800"')
@example(b"? ")
@example(b"%YAML 1.99999999999999999999999\n---\n")
@example(b"%TAG ! x\n--- !a b")
def test_random_bytes(data: bytes) -> None:
    outcome(data)


@SETTINGS
@given(st.lists(TOKENS, max_size=30).map("".join))
def test_random_yaml_tokens(text: str) -> None:
    outcome(text.encode("utf-8", "surrogatepass"))


@SETTINGS
@given(st.fixed_dictionaries({"nodes": NODES}, optional={"name": VALUES, "state": VALUES}))
def test_random_declarations(declared: dict[str, Any]) -> None:
    outcome(as_yaml(declared))


@pytest.mark.parametrize("type_name", [item.name for item in Registry.installed()])
def test_random_options_of_every_built_in_type(type_name: str) -> None:
    registry = Registry.installed()
    node = registry.load(type_name)

    @settings(max_examples=25, deadline=None)
    @given(st.fixed_dictionaries({}, optional=dict.fromkeys(node.model_fields, VALUES)))
    def refused_or_taken(options: dict[str, Any]) -> None:
        outcome(as_yaml({"nodes": {"a": {"type": type_name, **options}}}), registry)

    refused_or_taken()


def as_yaml(value: Any) -> bytes:
    """JSON is YAML; what JSON cannot say (NaN, surrogates) comes as YAML escapes."""
    text = json.dumps(value).replace("NaN", ".nan").replace("-Infinity", "-.inf").replace("Infinity", ".inf")
    return text.encode()
