"""A node's keys in words."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import BaseModel, Field

from afterbay.cli.node_keys import NodeKey, frame_keys, keys_of
from afterbay.units import ByteSize, Duration
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.sources.demo import Demo
from afterbay_nodes.transforms.route import Route
from tests.support.plans import Changes


class Rule(BaseModel):
    match: str
    table: str


class Rich(Changes):
    """A node with a key of every kind."""

    type_name: ClassVar[str] = "rich"

    path: Annotated[str, Field(description="where it is")]
    size: ByteSize = 64 << 20
    limit: ByteSize | None = None
    wait: Duration = 0.1
    level: Literal["none", "day"] = "day"
    terminator: str = "\r\n"
    empty: str = ""
    count: int = 3
    on: bool = True
    names: tuple[str, ...] = ("a",)
    rules: tuple[Rule, ...] = ()
    any_of: int | str = 1


KEYS = {key.name: key for key in keys_of(Rich)}


def test_keys_of_mappings_inside_are_listed_with_their_examples() -> None:
    rules = {key.name: key for key in keys_of(Route)}["rules"]
    assert [key.name for key in rules.keys] == ["match", "schema", "table"]
    assert rules.said.endswith('such as [{match: "bank.*", schema: "lake_{schema}", table: "{table}"}]')
    assert "{schema} and {table} are the source's names" in rules.keys[1].said


def test_the_keys_of_every_node_are_those_that_fit_its_kind() -> None:
    assert [key.name for key in frame_keys(Demo)] == []
    assert [key.name for key in frame_keys(Route)] == ["inputs"]
    assert [key.name for key in frame_keys(EncodeCsv)] == ["inputs", "parallelism"]


def test_a_key_without_a_default_must_be_given() -> None:
    assert KEYS["path"] == NodeKey("path", "text", None, "where it is")
    assert KEYS["path"].to_dict()["required"] is True


@pytest.mark.parametrize(
    ("key", "type_text", "default"),
    [
        ("size", "integer or text, such as 64MiB", "64MiB"),
        ("limit", "integer or text, such as 64MiB, or nothing", "-"),
        ("wait", "number or text, such as 5s", "100ms"),
        ("level", "none | day", "day"),
        ("terminator", "text", '"\\r\\n"'),
        ("empty", "text", '""'),
        ("count", "integer", "3"),
        ("on", "boolean", "true"),
        ("names", "list of text", '["a"]'),
        ("rules", "list of {match, table}", "[]"),
        ("any_of", "integer or text", "1"),
    ],
)
def test_types_and_defaults_read_as_a_person_writes_them(key: str, type_text: str, default: str) -> None:
    assert (KEYS[key].type, KEYS[key].default) == (type_text, default)
