"""Compiles pipeline texts for tests, as a user would: a file in the current directory."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from afterbay.compile.plan import Plan
from afterbay.compile.registry import Registry
from afterbay.errors import Diagnostic, PipelineInvalid
from afterbay.pipeline import Pipeline
from tests.support.nodes import REGISTRY

FILE = "orders.yaml"


def compiled(text: str | bytes, *, env: Mapping[str, str] | None = None, registry: Registry = REGISTRY) -> Plan:
    """The plan of `text`, which becomes the file `orders.yaml` in the current directory."""
    data = text if isinstance(text, bytes) else textwrap.dedent(text).lstrip("\n").encode()
    Path(FILE).write_bytes(data)
    return Pipeline.from_yaml(FILE, env={} if env is None else env, registry=registry).compile()


def findings(
    text: str | bytes, *, env: Mapping[str, str] | None = None, registry: Registry = REGISTRY
) -> tuple[Diagnostic, ...]:
    """What is wrong with `text`."""
    with pytest.raises(PipelineInvalid) as caught:
        compiled(text, env=env, registry=registry)
    return caught.value.diagnostics


def heads(found: tuple[Diagnostic, ...]) -> list[str]:
    """`orders.yaml:3:5 [code]` of each finding."""
    return [f"{item.place} [{item.code}]" for item in found]
