"""Column selection: rows and schema lose the same columns, and never the key."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from afterbay.errors import RunFailed
from afterbay.messages import DdlKind, Op
from afterbay.schema import Column
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.transforms.select_columns import SelectColumns
from tests.support.batches import batch, encode, operator, table
from tests.support.ddl import change, ddl

ID = Column("id", "int", nullable=False, primary_key=True)
ACCOUNTS = table(
    ID,
    Column("virtual", "int", virtual=True),
    Column("secret_a", "varchar"),
    Column("name", "varchar"),
    Column("secret_b", "int"),
    name="bank.accounts",
)
ROW = (1, "s", "Ann", 2)


def select(*columns: str, match: str = "bank.*") -> SelectColumns:
    return SelectColumns.model_validate({"rules": [{"match": match, "columns": columns}]})


def test_rows_before_images_and_schema_lose_the_same_columns() -> None:
    changes = batch(ACCOUNTS, [ROW], ops=[Op.UPDATE], before=[(1, "S", "Bob", 3)])
    selected = operator(select("*", "!secret_*")).process(changes)
    assert [column.name for column in selected.schema.columns] == ["id", "virtual", "name"]
    assert selected.rows.to_pylist() == [{"id": 1, "name": "Ann"}]
    assert selected.before is not None
    assert selected.before.to_pylist() == [{"id": 1, "name": "Bob"}]
    assert selected.schema.version == ACCOUNTS.version
    assert selected.rows.schema.equals(selected.schema.arrow_schema)


def test_an_encoder_takes_what_is_left() -> None:
    selected = operator(select("id", "name")).process(batch(ACCOUNTS, [ROW]))
    assert encode(EncodeCsv(), selected) == b'"I","accounts","bank",1,"Ann"\r\n'


def test_columns_are_not_copied() -> None:
    changes = batch(ACCOUNTS, [ROW])
    selected = operator(select("id", "name")).process(changes)
    assert selected.rows.column(1).buffers()[2].address == changes.rows.column(2).buffers()[2].address


def test_the_last_pattern_that_matches_decides() -> None:
    selected = operator(select("*", "!secret_*", "secret_b")).process(batch(ACCOUNTS, [ROW]))
    assert selected.rows.schema.names == ["id", "name", "secret_b"]


def test_the_first_rule_that_matches_a_table_selects() -> None:
    node = SelectColumns.model_validate(
        {"rules": [{"match": "bank.accounts", "columns": ["id"]}, {"match": "bank.*", "columns": ["id", "name"]}]}
    )
    assert operator(node).process(batch(ACCOUNTS, [ROW])).rows.schema.names == ["id"]


def test_tables_that_no_rule_matches_or_cuts_pass_untouched() -> None:
    changes = batch(ACCOUNTS, [ROW])
    assert operator(select("id", match="shop.*")).process(changes) is changes
    assert operator(select("*")).process(changes) is changes


def test_batches_of_one_schema_object_get_one_schema_object() -> None:
    at_work = operator(select("id"))
    first, second = (at_work.process(batch(ACCOUNTS, [ROW])) for _ in range(2))
    assert first.schema is second.schema


def test_a_key_column_cannot_be_left_out() -> None:
    with pytest.raises(RunFailed, match=r"table bank.accounts, at 1: \[select_columns.key\].*key column\(s\) id"):
        operator(select("name")).process(batch(ACCOUNTS, [ROW]))


def test_a_not_null_unique_key_stands_in_for_a_primary_one() -> None:
    heap = table(Column("code", "int", nullable=False, unique_key=True), Column("name", "char"), name="bank.heap")
    with pytest.raises(RunFailed, match=r"key column\(s\) code"):
        operator(select("name")).process(batch(heap, [(1, "x")]))


def test_a_table_must_keep_a_column_that_is_stored() -> None:
    keyless = table(Column("a", "int"), Column("v", "int", virtual=True), name="bank.keyless")
    with pytest.raises(RunFailed, match=r"\[select_columns.empty\]"):
        operator(select("v")).process(batch(keyless, [(1,)]))


def test_a_ddl_lists_the_selected_columns_only() -> None:
    wider = table(*ACCOUNTS.columns, Column("secret_c", "int"), name="bank.accounts", version=2)
    alter = ddl(DdlKind.ADD_COLUMN, change(ACCOUNTS, wider))
    selected = operator(select("*", "!secret_*")).schema_change(alter)
    assert selected is not None
    (item,) = selected.tables
    assert item.before is not None
    assert item.after is not None
    assert item.before.columns == item.after.columns
    assert (item.before.version, item.after.version) == (1, 2)


def test_created_and_dropped_tables_have_one_side() -> None:
    at_work = operator(select("id"))
    created = at_work.schema_change(ddl(DdlKind.CREATE_TABLE, change(None, ACCOUNTS)))
    dropped = at_work.schema_change(ddl(DdlKind.DROP_TABLE, change(ACCOUNTS, None)))
    assert created is not None
    assert dropped is not None
    assert (created.tables[0].before, dropped.tables[0].after) == (None, None)
    assert created.tables[0].after == dropped.tables[0].before


@pytest.mark.parametrize(
    "rule",
    [
        {"match": "bank.*", "columns": []},
        {"match": "bank.*", "columns": ["!a"]},
        {"match": "bank.*", "columns": [""]},
        {"match": "bank", "columns": ["*"]},
        {"match": "bank.*"},
        {"columns": ["*"]},
        {"match": "bank.*", "columns": ["*"], "colums": []},
    ],
)
def test_rules_that_select_nothing_are_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SelectColumns.model_validate({"rules": [rule]})


def test_the_state_remembers_the_rules() -> None:
    assert select("*", "!x").identity() == {"rules": [{"match": "bank.*", "columns": ["*", "!x"]}]}
    assert select("*", "!x").facts() == {"bank.*": "*, !x"}
