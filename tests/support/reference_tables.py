"""The plain reference of an apply: changes one by one into a dict, key -> row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tests.support.made_store import Change

Key = tuple[Any, ...]


def applied(changes: Iterable[Change], keys: Sequence[int]) -> dict[Key, tuple[Any, ...]]:
    """The rows after `changes`; `keys` are the places of the key columns."""
    rows: dict[Key, tuple[Any, ...]] = {}
    for operation, _, values, *before in changes:
        key = tuple(values[place] for place in keys)
        if operation == "D":
            rows.pop(key, None)
            continue
        if before:
            rows.pop(tuple(before[0][place] for place in keys), None)
        rows[key] = values
    return rows
