"""Where node types come from: packs by entry points, classes by hand; what is wrong with a pack names the pack."""

from __future__ import annotations

import re
import sys
from importlib.metadata import EntryPoint, EntryPoints
from typing import ClassVar

import pytest

from afterbay.compile import registry as registry_module
from afterbay.compile.registry import GROUP, NodeType, Registry
from afterbay.errors import PipelineInvalid
from afterbay.node import Node, Source
from tests.support.nodes import REGISTRY, Numbers, Store
from tests.support.pipelines import compiled, findings

HERE = "tests.support.nodes"


class Unfinished(Source[int]):  # type: ignore[misc] # it has no `open`: that is what the test is about
    """No source."""

    type_name: ClassVar[str] = "unfinished"


class Greedy(Numbers):
    """Takes a key that every node has."""

    type_name: ClassVar[str] = "greedy"

    inputs: str = ""


def pack() -> dict[str, str]:
    """A good pack."""
    return {"numbers": f"{HERE}:Numbers", "store": f"{HERE}:Store"}


MAPPING = {"hole": f"{HERE}:Hole"}
NOT_A_MAPPING = ["numbers"]
NO_TARGET = {"numbers": "tests.support.nodes.Numbers"}


def broken() -> dict[str, str]:
    """A pack that fails."""
    raise RuntimeError("out of order")


def installed(monkeypatch: pytest.MonkeyPatch, **packs: str) -> Registry:
    """The registry of a machine with these packs: entry-point name -> its object's name in this module."""
    entries = EntryPoints(EntryPoint(name, f"fake_packs:{attribute}", GROUP) for name, attribute in packs.items())
    monkeypatch.setitem(sys.modules, "fake_packs", sys.modules[__name__])
    monkeypatch.setattr(registry_module, "entry_points", lambda *, group: entries)
    return Registry.installed()


def test_packs_are_functions_or_mappings(monkeypatch: pytest.MonkeyPatch) -> None:
    found = installed(monkeypatch, one="pack", two="MAPPING")
    assert [(item.name, item.pack) for item in found] == [("hole", "two"), ("numbers", "one"), ("store", "one")]
    assert found.load("store") is Store


@pytest.mark.parametrize(
    ("attribute", "told"),
    [
        ("broken", "RuntimeError: out of order"),
        ("nowhere", "AttributeError"),
        ("NOT_A_MAPPING", "it gives list, not a mapping"),
        ("NO_TARGET", "is no 'module:Class'"),
    ],
)
def test_a_broken_pack_is_named(monkeypatch: pytest.MonkeyPatch, attribute: str, told: str) -> None:
    found = installed(monkeypatch, bad=attribute, good="pack")
    (fault,) = found.faults
    assert re.search(rf"\[pack\.broken\] the pack 'bad' .*{re.escape(told)}", str(fault))
    assert found.load("numbers").type_name == "numbers"  # the others work
    with pytest.raises(PipelineInvalid, match=r"did you mean 'numbers'\?; or one of a pack that cannot be read"):
        found.load("number")


def test_a_broken_pack_is_a_warning_for_who_does_not_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = installed(monkeypatch, bad="broken", good="pack", other="MAPPING")
    plan = compiled("nodes:\n  a: {type: numbers}\n  b: {type: hole, inputs: a}\n", registry=registry)
    assert [item.code for item in plan.warnings] == ["pack.broken"]


def test_two_packs_with_one_type_are_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = installed(monkeypatch, one="pack", two="pack", three="MAPPING")
    told = r"\[pack\.clash\] the packs 'one' and 'two' both bring .* 'numbers'"
    assert any(re.search(told, str(fault)) for fault in found.faults)
    with pytest.raises(PipelineInvalid, match=told):
        found.load("numbers")
    assert found.load("hole").type_name == "hole"
    clash = findings("nodes:\n  a: {type: numbers}\n  b: {type: hole, inputs: a}\n", registry=found)
    assert [(str(item.place), item.code) for item in clash] == [("orders.yaml:2:13", "pack.clash")]


@pytest.mark.parametrize(
    ("name", "target", "told"),
    [
        ("x", "no.such.module:X", r"\[pack\.import\] .*'x' of pack 'p' .* ModuleNotFoundError"),
        ("x", f"{HERE}:Nothing", r"\[pack\.import\] .* AttributeError"),
        ("x", f"{HERE}:REGISTRY", r"\[pack\.node\] .* it is no Source, Transform or Sink"),
        ("x", f"{HERE}:Numbers", r"\[pack\.node\] .* its class says type_name = 'numbers'"),
        ("unfinished", Unfinished, r"\[pack\.node\] .* it does not define open"),
        ("greedy", Greedy, r"\[pack\.node\] .* its option 'inputs' is a key of every node"),
    ],
)
def test_a_type_that_cannot_be_used_names_its_pack(name: str, target: str | type[Node], told: str) -> None:
    with pytest.raises(PipelineInvalid, match=told):
        NodeType(name, target, "p").load()


def test_a_broken_type_is_told_where_the_file_names_it() -> None:
    registry = Registry([*REGISTRY, NodeType("x", "no.such.module:X", "p")])
    found = findings("nodes:\n  a: {type: x}\n  b: {type: hole, inputs: a}\n", registry=registry)
    assert [(str(item.place), item.code) for item in found] == [("orders.yaml:2:13", "pack.import")]


def test_a_module_is_not_imported_before_its_type_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, HERE)
    registry = Registry([NodeType("numbers", f"{HERE}:Numbers", "p")])
    assert "numbers" in registry
    assert HERE not in sys.modules
    assert registry.load("numbers").type_name == "numbers"
    assert HERE in sys.modules


def test_a_registry_is_a_value() -> None:
    small = REGISTRY.only(["numbers"])
    more = small.with_nodes(Store)
    assert ([item.name for item in small], [item.name for item in more]) == (["numbers"], ["numbers", "store"])
    with pytest.raises(PipelineInvalid, match=r"pack\.clash"):
        more.with_nodes(Store)
    with pytest.raises(KeyError):
        small.only(["store"])


def test_a_type_that_is_not_there_says_what_is_close() -> None:
    with pytest.raises(PipelineInvalid, match=r"did you mean 'numbers'"):
        REGISTRY.load("number")


def test_every_built_in_type_can_be_loaded() -> None:
    registry = Registry.installed()
    assert {item.name for item in registry} >= {
        "demo",
        "change_log",
        "filter",
        "route",
        "select_columns",
        "python",
        "encode_csv",
        "encode_canal_json",
        "spool",
        "cloud_storage",
        "blackhole",
    }
    for item in registry:
        assert item.load().summary
