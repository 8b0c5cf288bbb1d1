"""Payload types of nodes: the type parameters that mypy reads, read from pydantic's generic metadata."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, TypeVar, Union, get_args, get_origin

from afterbay.node import Node, PortTypes, Sink, Source, Transform


def port_types_of(node: Node) -> PortTypes:
    """What this node takes and gives: as it says itself, else by its class."""
    own = node.port_types()
    return own if own is not None else port_types_of_class(type(node))


def port_types_of_class(node: type[Node]) -> PortTypes:
    """What nodes of this class take and give, by its type parameters; a parameter left open stands for its bound."""
    if issubclass(node, Source):
        (gives,) = _parameters(node, Source)
        return PortTypes(None, (("out", gives),))
    if issubclass(node, Transform):
        takes, gives = _parameters(node, Transform)
        return PortTypes(takes, tuple((port, gives) for port in node.out_ports))
    (takes,) = _parameters(node, Sink)
    return PortTypes(takes, ())


def accepts(wanted: Any, given: Any) -> bool:
    """True if a port of type `wanted` can take what a port of type `given` gives."""
    if Any in (wanted, given) or wanted is object or wanted == given:
        return True
    members = _members(given)
    if len(members) > 1:
        return all(accepts(wanted, member) for member in members)
    # By the MRO, not by issubclass: a payload may be a Protocol that cannot be asked.
    return any(member in getattr(given, "__mro__", ()) for member in _members(wanted))


def type_name(payload: Any) -> str:
    """A payload type as people write it: `EncodedBatch`, `ChangeBatch | EncodedBatch`, `Any`, `nothing`."""
    if payload is None:
        return "nothing"
    return " | ".join(str(getattr(member, "__name__", member)) for member in _members(payload))


def _members(payload: Any) -> tuple[Any, ...]:
    return get_args(payload) if get_origin(payload) in (Union, types.UnionType) else (payload,)


def _parameters(node: type, base: type) -> tuple[Any, ...]:
    """The arguments that `node` gives to the parameters of its generic ancestor `base`."""
    found = _arguments(node, base)
    assert found is not None, f"{node.__name__} is a {base.__name__}"
    return tuple(_closed(argument) for argument in found)


def _arguments(node: type, base: type) -> tuple[Any, ...] | None:
    metadata: Mapping[str, Any] = getattr(node, "__pydantic_generic_metadata__", {})
    origin = metadata.get("origin")
    if node is base:
        return tuple(metadata["parameters"])
    if origin is base:
        return tuple(metadata["args"])
    if origin is not None:
        # `Base[ChangeBatch]`: what Base gives, with its own parameters filled in.
        inner = _arguments(origin, base)
        filled = dict(zip(origin.__pydantic_generic_metadata__["parameters"], metadata["args"], strict=True))
        return None if inner is None else tuple(_filled(argument, filled) for argument in inner)
    for parent in node.__bases__:
        found = _arguments(parent, base) if issubclass(parent, base) else None
        if found is not None:
            return found
    return None


def _filled(argument: Any, values: Mapping[Any, Any]) -> Any:
    if isinstance(argument, TypeVar):
        return values.get(argument, argument)
    if getattr(argument, "__parameters__", ()):  # `T | EncodedBatch`
        return argument[tuple(values.get(item, item) for item in argument.__parameters__)]
    return argument


def _closed(argument: Any) -> Any:
    """A type without open parameters."""
    if isinstance(argument, TypeVar):
        if argument.__constraints__:
            return Union[argument.__constraints__]  # noqa: UP007 - made of a tuple
        return Any if argument.__bound__ is None else argument.__bound__
    return argument
