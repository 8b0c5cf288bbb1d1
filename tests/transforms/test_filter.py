"""The filter passes the rows and DDLs of included tables, and nothing that would leave a table half stored."""

from __future__ import annotations

import pytest

from afterbay.errors import RunFailed
from afterbay.messages import DdlKind, SchemaChange
from afterbay.schema import Column, TableSchema
from afterbay_nodes.transforms.filter import Filter
from tests.support.batches import batch, operator, table
from tests.support.ddl import change, ddl

BANK = Filter(rules=("bank.*", "!bank.tmp_*"))


def named(name: str) -> TableSchema:
    return table(Column("id", "int"), name=name)


def passed(change: SchemaChange, node: Filter = BANK) -> SchemaChange | None:
    return operator(node).schema_change(change)


def test_rows_of_included_tables_pass_untouched_and_others_end() -> None:
    at_work = operator(BANK)
    kept = batch(named("bank.accounts"), [(1,)])
    assert at_work.process(kept) is kept
    assert at_work.process(batch(named("bank.tmp_1"), [(1,)])) is None
    assert at_work.process(batch(named("shop.orders"), [(1,)])) is None


def test_it_says_that_it_filters() -> None:
    assert BANK.capabilities.filters


def test_a_ddl_follows_its_table() -> None:
    included = ddl(DdlKind.CREATE_TABLE, change(None, named("bank.accounts")))
    assert passed(included) is included
    assert passed(ddl(DdlKind.CREATE_TABLE, change(None, named("bank.tmp_1")))) is None
    assert passed(ddl(DdlKind.DROP_TABLE, change(named("bank.tmp_1"), None))) is None
    dropped = ddl(DdlKind.DROP_TABLE, change(named("bank.accounts"), None))
    assert passed(dropped) is dropped


def test_a_ddl_of_several_tables_keeps_those_that_are_included() -> None:
    stays = change(None, named("bank.a"), "create table a")
    both = ddl(DdlKind.CREATE_TABLES, stays, change(None, named("bank.tmp_b"), "create table tmp_b"))
    kept = passed(both)
    assert kept is not None
    assert (kept.tables, kept.query, kept.commit_ts) == ((stays,), both.query, both.commit_ts)
    none = ddl(DdlKind.CREATE_TABLES, change(None, named("bank.tmp_a")), change(None, named("bank.tmp_b")))
    assert passed(none) is None


def test_a_database_ddl_passes_if_a_table_of_it_could() -> None:
    create = ddl(DdlKind.CREATE_SCHEMA, database="bank")
    assert passed(create) is create
    assert passed(ddl(DdlKind.CREATE_SCHEMA, database="shop")) is None
    assert passed(create, Filter(rules=("bank.*", "!bank.*", "shop.*"))) is None


def test_a_ddl_that_names_nothing_is_for_everybody() -> None:
    unknown = ddl(DdlKind.NONE)
    assert passed(unknown) is unknown


def test_a_rename_out_of_the_rules_is_the_last_that_is_stored() -> None:
    rename = ddl(DdlKind.RENAME_TABLE, change(named("bank.accounts"), named("bank.tmp_accounts")))
    assert passed(rename) is rename


def test_a_rename_into_the_rules_fails_with_both_names() -> None:
    rename = ddl(DdlKind.RENAME_TABLE, change(named("bank.tmp_a"), named("bank.a")))
    with pytest.raises(RunFailed, match=r"table bank.a, at 500: \[filter.unseen\].*bank.tmp_a"):
        passed(rename)


def test_a_rename_between_excluded_names_is_no_business_of_ours() -> None:
    assert passed(ddl(DdlKind.RENAME_TABLE, change(named("bank.tmp_a"), named("bank.tmp_b")))) is None


def test_a_partition_exchange_with_an_excluded_table_is_refused() -> None:
    inside, outside = named("bank.a"), named("bank.tmp_a")
    exchange = ddl(DdlKind.EXCHANGE_PARTITION, change(inside, inside), change(outside, outside))
    with pytest.raises(RunFailed, match=r"\[filter.unseen\].*exchanges a partition"):
        passed(exchange)


def test_the_state_remembers_the_rules() -> None:
    assert BANK.identity() == {"rules": ["bank.*", "!bank.tmp_*"]}
    assert BANK.facts() == {"rules": "bank.*, !bank.tmp_*"}
