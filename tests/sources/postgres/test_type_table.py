"""What becomes of types and keys, where no server is needed to see it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from afterbay_nodes.sources.postgres.session import SESSION, startup_options
from afterbay_nodes.sources.postgres.type_facts import TypeFacts
from afterbay_nodes.sources.postgres.type_table import mapped, mapped_columns, table_schema, unknown_types
from tests.support.pgoutput_bytes import relation_of

INT4, TEXT, DATE, MONEY_DOMAIN, DOMAIN, LOOP = 23, 25, 1082, 20_001, 20_002, 20_003
TYPES = {
    DOMAIN: TypeFacts(DOMAIN, "shop", "cheap", "d", MONEY_DOMAIN),
    MONEY_DOMAIN: TypeFacts(MONEY_DOMAIN, "shop", "price", "d", 1700, (7 << 16 | 2) + 4),
    LOOP: TypeFacts(LOOP, "shop", "loop", "d", LOOP),
}


def test_a_domain_of_a_domain_is_what_both_are_made_of() -> None:
    column = mapped(DOMAIN, -1, TYPES).column
    assert (column.type, column.length, column.scale) == ("decimal", 7, 2)


def test_a_domain_that_a_damaged_catalog_makes_of_itself_is_text() -> None:
    assert mapped(LOOP, -1, TYPES).column.type == "longtext"


def test_the_server_is_asked_once_about_each_type_that_is_not_known() -> None:
    assert unknown_types(relation_of(INT4, 20_009, DOMAIN, 20_009, 1007), TYPES) == (20_009, 1007)


@pytest.mark.parametrize(
    ("identity", "keys", "key"),
    [
        ("d", ["c2"], ["c0", "c1"]),  # what the stream says holds, whatever the catalog says by now
        ("i", ["c2"], ["c0", "c1"]),
        ("f", ["c2"], ["c2"]),
        ("f", [], []),
        ("n", ["c2"], ["c2"]),
    ],
)
def test_the_key_is_what_identifies_rows_in_the_stream(identity: str, keys: list[str], key: list[str]) -> None:
    relation = relation_of(INT4, TEXT, INT4, keys=2, identity=identity)
    schema = table_schema(relation, keys, {}, version=7, not_null=["c1"])
    assert [column.name for column in schema.key_columns] == key
    assert [column.nullable for column in schema.columns] == [
        column.name not in (*key, "c1") for column in schema.columns
    ]
    assert (schema.version, schema.table_id) == (7, relation.oid)


def test_no_identity_is_no_key() -> None:
    assert not table_schema(relation_of(INT4, keys=0), ["c0"], {}, version=1).key_columns


def test_a_column_can_be_text_whatever_its_type() -> None:
    relation = relation_of(INT4, DATE)
    found = mapped_columns(relation, {}, as_text=["c1"])
    assert [(item.column.type, item.source) for item in found] == [("int", "int4"), ("longtext", "date")]
    assert table_schema(relation, (), {}, version=1, as_text=["c1"]).columns[1].type == "longtext"


def test_a_tables_name_and_columns_are_the_relations() -> None:
    relation = replace(relation_of(INT4, TEXT), schema="a.b", name='c"d')
    schema = table_schema(relation, (), {}, version=1)
    assert (schema.name, [column.name for column in schema.columns]) == (("a.b", 'c"d'), ["c0", "c1"])


def test_all_settings_are_startup_options() -> None:
    options = re.split(r"(?<!\\) ", startup_options())
    assert options[::2] == ["-c"] * len(SESSION)
    assert {item.replace("\\ ", " ") for item in options[1::2]} == {f"{name}={to}" for name, to in SESSION.items()}
