"""A key that an object has twice is found without parsing the line, as it is by parsing it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterbay_nodes.decoders.json_keys import find_double_key, key_told_twice

NAMES = st.sampled_from(["a", "b", "data", '"', "\\", 'a"', '":', "\\\\", "ü"])
TEXTS = st.sampled_from(["", "x", '":', '\\":', '"a":1', "\\", '{"a":"b"}'])
LINES = st.recursive(
    st.integers() | TEXTS | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(NAMES, inner), max_size=4).map(tuple),
    max_leaves=12,
)


def text(value: Any) -> str:
    """JSON; a tuple of pairs is an object, whose keys may be there twice."""
    if isinstance(value, tuple):
        return "{" + ",".join(f"{json.dumps(key)}:{text(item)}" for key, item in value) + "}"
    return "[" + ",".join(map(text, value)) + "]" if isinstance(value, list) else json.dumps(value)


def keys(value: Any) -> int:
    """How many keys a parser that takes the last of two gives."""
    if isinstance(value, dict):
        return len(value) + sum(map(keys, value.values()))
    return sum(map(keys, value)) if isinstance(value, list) else 0


def is_double(value: Any) -> bool:
    if isinstance(value, tuple):
        names = [name for name, _ in value]
        return len(set(names)) < len(names) or any(is_double(item) for _, item in value)
    return isinstance(value, list) and any(map(is_double, value))


@given(value=LINES)
def test_a_line_with_a_double_key_is_known(value: Any) -> None:
    line = text(value).encode()
    assert (find_double_key(line) is not None) == is_double(value)
    if not isinstance(value, tuple):
        return
    # Of an object within the lost one of two keys, fewer keys are read than there are different ones.
    assert (key_told_twice(line, keys(json.loads(line))) is not None) == is_double(value)


@pytest.mark.parametrize("line", [b"{", b"\xff", b"[" * 100_000, b'{"a":1}'])
def test_what_is_no_json_has_no_double_key(line: bytes) -> None:
    assert find_double_key(line) is None
