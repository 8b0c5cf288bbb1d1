"""The compiler reads the same type parameters as mypy."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, Optional, TypeVar, Union

import pytest

from afterbay.compile.port_types import accepts, port_types_of, port_types_of_class, type_name
from afterbay.messages import ChangeBatch, EncodedBatch, SpoolEntry
from afterbay.node import Node, PortTypes, Sink, Source, Transform

T = TypeVar("T")
Bound = TypeVar("Bound", bound=ChangeBatch)
Either = TypeVar("Either", ChangeBatch, EncodedBatch)


class Base(Transform[T, EncodedBatch], Generic[T]):
    """Half open."""


class Middle(Base[T], Generic[T]):
    """Still open."""


class Closed(Middle[ChangeBatch]):
    """Filled in two steps below."""


class Deep(Closed):
    """Inherits everything."""


class Swapped(Transform[EncodedBatch, T], Generic[T]):
    """Open on the other side."""


class Bounded(Sink[Bound], Generic[Bound]):
    """A parameter with a bound."""


class Constrained(Sink[Either], Generic[Either]):
    """A parameter with constraints."""


class Mixed(Sink[ChangeBatch | T], Generic[T]):
    """A parameter inside a union."""


class Ports(Transform[ChangeBatch, ChangeBatch]):
    """Named outputs."""

    out_ports: ClassVar[tuple[str, ...]] = ("a", "b")


class Mixin:
    """No node."""


class Sourced(Mixin, Source[ChangeBatch]):
    """A base that is no node comes first."""


class Own(Transform[Any, Any]):
    """Says itself."""

    gives: str = "bytes"

    def port_types(self) -> PortTypes:
        return PortTypes(ChangeBatch, (("out", bytes if self.gives == "bytes" else str),))

    def open(self, context: Any) -> Any:
        raise AssertionError


class Payload(ChangeBatch):
    """A kind of change batch."""


class Entry(SpoolEntry):
    """A kind of spool entry."""


@pytest.mark.parametrize(
    ("node", "takes", "gives"),
    [
        (Base, Any, {"out": EncodedBatch}),
        (Base[ChangeBatch], ChangeBatch, {"out": EncodedBatch}),
        (Closed, ChangeBatch, {"out": EncodedBatch}),
        (Deep, ChangeBatch, {"out": EncodedBatch}),
        (Swapped[SpoolEntry], EncodedBatch, {"out": SpoolEntry}),
        (Bounded, ChangeBatch, {}),
        (Constrained, ChangeBatch | EncodedBatch, {}),
        (Mixed[SpoolEntry], ChangeBatch | SpoolEntry, {}),
        (Ports, ChangeBatch, {"a": ChangeBatch, "b": ChangeBatch}),
        (Sourced, None, {"out": ChangeBatch}),
    ],
)
def test_type_parameters_are_found_through_generic_bases(node: type[Node], takes: Any, gives: dict[str, Any]) -> None:
    found = port_types_of_class(node)
    assert (found.takes, dict(found.gives)) == (takes, gives)


def test_a_node_may_say_its_types_by_its_options() -> None:
    assert port_types_of(Own(gives="text")).gives == (("out", str),)


@pytest.mark.parametrize(
    ("wanted", "given", "fits"),
    [
        (ChangeBatch, ChangeBatch, True),
        (ChangeBatch, Payload, True),
        (Payload, ChangeBatch, False),
        (SpoolEntry, SpoolEntry, True),
        (SpoolEntry, Entry, True),
        (SpoolEntry, EncodedBatch, False),
        (Any, EncodedBatch, True),
        (ChangeBatch, Any, True),
        (object, EncodedBatch, True),
        (ChangeBatch | EncodedBatch, EncodedBatch, True),
        (Union[ChangeBatch, EncodedBatch], Payload, True),  # noqa: UP007 - as typing spells it
        (ChangeBatch, ChangeBatch | EncodedBatch, False),
        (ChangeBatch | EncodedBatch | SpoolEntry, EncodedBatch | ChangeBatch, True),
        (None, ChangeBatch, False),
    ],
)
def test_a_port_takes_what_is_identical_a_subclass_or_any(wanted: Any, given: Any, fits: bool) -> None:
    assert accepts(wanted, given) is fits


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (ChangeBatch, "ChangeBatch"),
        (ChangeBatch | EncodedBatch, "ChangeBatch | EncodedBatch"),
        (Optional[ChangeBatch], "ChangeBatch | NoneType"),  # noqa: UP045 - as typing spells it
        (Any, "Any"),
        (None, "nothing"),
    ],
)
def test_a_type_is_named_as_people_write_it(payload: Any, name: str) -> None:
    assert type_name(payload) == name
