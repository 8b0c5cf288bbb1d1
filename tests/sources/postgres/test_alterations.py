"""Statements of what changed: our own readers' understanding takes them from the one version to the other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterbay.messages import DdlKind
from afterbay.schema import Column, TableName, TableSchema
from afterbay_nodes.sources.ddl.altered import apply
from afterbay_nodes.sources.ddl.classify import classify
from afterbay_nodes.sources.ddl.statement import AlterTable, CreateTable
from afterbay_nodes.sources.postgres.alterations import altered, created

NAME = TableName("public", "t")
KINDS = [
    Column("", "int"),
    Column("", "bigint"),
    Column("", "varchar", length=20),
    Column("", "decimal", length=10, scale=2),
    Column("", "datetime", scale=6),
    Column("", "longtext"),
    Column("", "tinyint", length=1),
]


def schema(*columns: Column) -> TableSchema:
    return TableSchema(NAME, 1, columns)


def column(name: str, number: int | None = None, kind: int = 0, **facts: bool) -> Column:
    return replace(KINDS[kind], name=name, id=number, **facts)  # type: ignore[arg-type]


names = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", "`x", "y,", "z'"]), min_size=1, unique=True, max_size=6)


@st.composite
def versions(draw: st.DrawFn) -> tuple[TableSchema, TableSchema]:
    """A table, and what it may become: columns dropped, renamed, retyped, and others added at the end."""
    before = [
        column(name, number, draw(st.integers(0, len(KINDS) - 1))) for number, name in enumerate(draw(names), start=1)
    ]
    after = []
    for item in before:
        match draw(st.sampled_from(["keep", "keep", "drop", "retype", "rename"])):
            case "keep":
                after.append(item)
            case "retype":
                after.append(column(item.name, item.id, draw(st.integers(0, len(KINDS) - 1))))
            case "rename":
                after.append(replace(item, name=item.name + "_new"))
    for name in draw(names):
        if all(item.name != name for item in after):
            after.append(column(name, 100 + len(after), draw(st.integers(0, len(KINDS) - 1))))
    if not after:
        after = [column("last", 200)]
    return schema(*before), schema(*after)


@given(versions())
def test_the_statement_makes_the_new_version_of_the_old_one(pair: tuple[TableSchema, TableSchema]) -> None:
    before, after = pair
    found = altered(before, after)
    if found is None:
        assert [replace(item, id=None) for item in before.columns] == [replace(item, id=None) for item in after.columns]
        return
    statement = classify(found.query, "")
    assert isinstance(statement, AlterTable)
    assert statement.actions is not None
    made = apply(statement.actions, before.columns)
    assert [replace(item, id=None) for item in made] == [replace(item, id=None) for item in after.columns]


@given(versions())
def test_a_created_table_has_its_columns(pair: tuple[TableSchema, TableSchema]) -> None:
    keyed = [replace(item, primary_key=index == 0, nullable=index > 0) for index, item in enumerate(pair[0].columns)]
    statement = classify(created(schema(*keyed)).query, "")
    assert isinstance(statement, CreateTable)
    assert statement.columns == tuple(replace(item, id=None) for item in keyed)


@pytest.mark.parametrize(
    ("before", "after", "kind", "clauses"),
    [
        ([column("a", 1)], [column("b", 1)], DdlKind.MODIFY_COLUMN, "RENAME COLUMN `a` TO `b`"),
        ([column("a", 1), column("b", 2)], [column("a", 1), column("b", 3)], DdlKind.MULTI_SCHEMA_CHANGE,
         "DROP COLUMN `b`, ADD COLUMN `b` INT"),
        ([column("a"), column("b")], [column("a"), column("c")], DdlKind.MODIFY_COLUMN, "RENAME COLUMN `b` TO `c`"),
        ([column("a")], [column("a"), column("b", default="it's")], DdlKind.ADD_COLUMN,  # type: ignore[arg-type]
         "ADD COLUMN `b` INT DEFAULT 'it''s'"),
        ([column("a", nullable=False, primary_key=True)], [column("a")], DdlKind.MULTI_SCHEMA_CHANGE,
         "MODIFY COLUMN `a` INT, DROP PRIMARY KEY"),
    ],
)  # fmt: skip
def test_what_is_said(before: list[Column], after: list[Column], kind: DdlKind, clauses: str) -> None:
    found = altered(schema(*before), schema(*after))
    assert found is not None
    assert (found.kind, found.query) == (kind, f"ALTER TABLE `public`.`t` {clauses}")
