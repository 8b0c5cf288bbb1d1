"""A route renames tables and lets no two of them have one name (I10)."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from afterbay.errors import RunFailed
from afterbay.messages import DdlKind
from afterbay.schema import Column, TableName, TableSchema
from afterbay_nodes.transforms.route import Route
from tests.support.batches import batch, operator, table
from tests.support.ddl import change, ddl


def route(*rules: dict[str, Any]) -> Route:
    return Route.model_validate({"rules": rules})


LAKE = route({"match": "bank.*", "schema": "lake_{schema}", "table": "{schema}_{table}"})


def named(name: str, version: int = 1) -> TableSchema:
    return table(Column("id", "int"), name=name, version=version)


def target(node: Route, name: str) -> str:
    return str(operator(node).process(batch(named(name), [(1,)])).schema.name)


def test_rows_go_under_the_new_name_and_stay_otherwise_the_same() -> None:
    changes = batch(named("bank.accounts"), [(1,)], dispatcher="d7")
    routed = operator(LAKE).process(changes)
    assert routed.schema.name == TableName("lake_bank", "bank_accounts")
    assert (routed.dispatcher, routed.rows, routed.first) == ("d7", changes.rows, changes.first)
    assert routed.schema.columns == changes.schema.columns
    assert routed.schema.version == changes.schema.version


def test_a_table_without_a_rule_keeps_its_name_and_its_batch() -> None:
    changes = batch(named("shop.orders"), [(1,)])
    assert operator(LAKE).process(changes) is changes


def test_batches_of_one_schema_object_get_one_schema_object() -> None:
    schema, at_work = named("bank.accounts"), operator(LAKE)
    first, second = (at_work.process(batch(schema, [(row,)])) for row in (1, 2))
    assert first.schema is second.schema


def test_the_first_rule_that_matches_names_the_table() -> None:
    node = route({"match": "bank.accounts", "table": "first"}, {"match": ["bank.*", "!bank.x"], "schema": "second"})
    assert [target(node, name) for name in ("bank.accounts", "bank.other", "bank.x")] == [
        "bank.first",
        "second.other",
        "bank.x",
    ]


@pytest.mark.parametrize("name", ["{table}", "a{b}", "%s", "x{schema.__class__}"])
def test_names_from_the_database_are_no_templates(name: str) -> None:
    node = route({"match": "*.*", "schema": "{{{schema}}}", "table": "t_{table}"})
    assert target(node, f"s.{name}") == f"{{s}}.t_{name}"


@pytest.mark.parametrize(
    "template", ["", "{database}", "{schema.__class__}", "{table!r}", "{table:>9}", "{}", "{0}", "{", "a}b"]
)
def test_templates_may_use_two_placeholders_only(template: str) -> None:
    with pytest.raises(ValidationError):
        route({"match": "*.*", "schema": template})
    with pytest.raises(ValidationError):
        route({"match": "*.*", "table": template})


def test_two_tables_under_one_name_are_refused_naming_both() -> None:
    at_work = operator(route({"match": "shard_*.orders", "schema": "all"}))
    at_work.process(batch(named("shard_1.orders"), [(1,)]))
    at_work.process(batch(named("shard_1.orders", version=2), [(1,)]))
    with pytest.raises(RunFailed) as refusal:
        at_work.process(batch(named("shard_2.orders"), [(1,)]))
    assert "[route.collision] tables shard_1.orders and shard_2.orders are both routed to all.orders" in str(
        refusal.value
    )


def test_a_routed_table_cannot_take_the_name_of_one_that_is_not_routed() -> None:
    at_work = operator(route({"match": "bank.*", "schema": "shop"}))
    at_work.process(batch(named("shop.orders"), [(1,)]))
    with pytest.raises(RunFailed, match=r"\[route.collision\]"):
        at_work.process(batch(named("bank.orders"), [(1,)]))


def test_a_collision_in_a_ddl_is_refused_too() -> None:
    at_work = operator(route({"match": "shard_*.orders", "schema": "all"}))
    at_work.schema_change(ddl(DdlKind.CREATE_TABLE, change(None, named("shard_1.orders"))))
    with pytest.raises(RunFailed, match=r"\[route.collision\]"):
        at_work.schema_change(ddl(DdlKind.CREATE_TABLE, change(None, named("shard_2.orders"))))


def test_a_dropped_table_gives_its_name_back() -> None:
    at_work = operator(route({"match": "shard_*.orders", "schema": "all"}))
    at_work.process(batch(named("shard_1.orders"), [(1,)]))
    at_work.schema_change(ddl(DdlKind.DROP_TABLE, change(named("shard_1.orders"), None)))
    routed = at_work.process(batch(named("shard_2.orders"), [(1,)]))
    assert str(routed.schema.name) == "all.orders"


def test_one_statement_can_swap_two_names() -> None:
    at_work = operator(LAKE)
    for name in ("bank.a", "bank.b"):
        at_work.process(batch(named(name), [(1,)]))
    swap = ddl(
        DdlKind.RENAME_TABLES,
        change(named("bank.a"), named("bank.b", version=2)),
        change(named("bank.b"), named("bank.a", version=2)),
    )
    routed = at_work.schema_change(swap)
    assert routed is not None
    assert [(str(item.before.name), str(item.after.name)) for item in routed.tables if item.before and item.after] == [
        ("lake_bank.bank_a", "lake_bank.bank_b"),
        ("lake_bank.bank_b", "lake_bank.bank_a"),
    ]


def test_a_name_that_a_statement_only_passes_through_is_free_again() -> None:
    at_work = operator(route({"match": "shard_*.*", "schema": "all"}))
    for name in ("shard_1.a", "shard_1.b"):
        at_work.process(batch(named(name), [(1,)]))
    steps = [("shard_1.a", "shard_1.x"), ("shard_1.b", "shard_1.a"), ("shard_1.x", "shard_1.b")]
    swap = [change(named(old, version=2 if old == "shard_1.x" else 1), named(new, version=2)) for old, new in steps]
    at_work.schema_change(ddl(DdlKind.RENAME_TABLE, *swap))

    assert str(at_work.process(batch(named("shard_2.x"), [(1,)])).schema.name) == "all.x"
    for held in ("a", "b"):
        with pytest.raises(RunFailed, match=f"shard_1.{held} and shard_2.{held}"):
            at_work.process(batch(named(f"shard_2.{held}"), [(1,)]))


def test_a_ddl_is_renamed_on_both_sides_and_keeps_its_dispatchers() -> None:
    alter = ddl(DdlKind.ADD_COLUMN, change(named("bank.a"), named("bank.a", version=2)))
    routed = operator(LAKE).schema_change(alter)
    assert routed is not None
    (item,) = routed.tables
    assert (item.dispatcher_before, item.dispatcher_after) == ("bank.a", "bank.a")
    assert routed.in_band_dispatcher == alter.in_band_dispatcher == "bank.a"
    assert item.after is not None
    assert (str(item.after.name), item.after.version) == ("lake_bank.bank_a", 2)


def test_a_database_is_renamed_where_all_of_its_tables_are() -> None:
    create = ddl(DdlKind.CREATE_SCHEMA, database="bank")

    def database(node: Route) -> str | None:
        routed = operator(node).schema_change(create)
        assert routed is not None
        return routed.database

    assert database(LAKE) == "lake_bank"
    assert database(route({"match": "bank.accounts", "schema": "other"})) == "bank"
    assert database(route({"match": "bank.*", "schema": "{table}"})) == "bank"


def test_the_state_remembers_the_rules_by_their_yaml_keys() -> None:
    assert LAKE.identity() == {"rules": [{"match": "bank.*", "schema": "lake_{schema}", "table": "{schema}_{table}"}]}
    assert LAKE.facts() == {"bank.*": "lake_{schema}.{schema}_{table}"}
