"""Every class of DDL, on every target: what is there afterwards is what the source has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from afterbay.errors import RunFailed
from afterbay.schema import Column
from tests.apply.conftest import Applies
from tests.support.landed import Landed
from tests.support.made_store import MadeStore

ID = Column("id", "bigint", nullable=False, primary_key=True)
V = Column("v", "varchar", length=20)
W = Column("w", "varchar", length=20)
N = Column("n", "int")
T = (ID, V)
CREATE = "CREATE TABLE `{}` (`id` BIGINT NOT NULL PRIMARY KEY, `v` VARCHAR(20))"
KEYS = {"id": 9, "no": 9, "v": "z"}
Rows = list[tuple[Any, ...]]


def begun() -> MadeStore:
    """A store with `s.t` of two rows at version 10."""
    store = MadeStore()
    store.ddl("s.t", 10, CREATE.format("t"), 3, T)
    store.rows("s.t", ("I", 11, (1, "one")), ("I", 12, (2, "two")))
    return store


def altered(spec: str, *columns: Column, query: str = "ALTER TABLE `t` {}", type: int = 12) -> MadeStore:
    """The same, and a DDL at 20."""
    store = begun()
    store.ddl("s.t", 20, query.format(spec), type, columns or T)
    return store


def both_ways(store: MadeStore, apply: Applies, before: int = 15) -> None:
    """Applied up to before the DDL, then the rest: a DDL meets rows that were there before this call."""
    store.checkpoint(before)
    apply(store)
    store.checkpoint(99)
    apply(store)


NEVER = Column("n", "int", nullable=False, default="7")
# (what the ALTER says, the columns after it, of which columns, what rows are wanted)
ALTERS: dict[str, tuple[str, tuple[Column, ...], str, Rows]] = {
    "added": ("ADD COLUMN w VARCHAR(20)", (ID, V, W), "id, v, w", [(1, "one", None), (2, "two", None)]),
    "added with a default": (
        "ADD n INT NOT NULL DEFAULT 7",
        (ID, V, NEVER),
        "id, v, n",
        [(1, "one", 7), (2, "two", 7)],
    ),
    "added not null without one": (
        "ADD COLUMN w VARCHAR(20) NOT NULL",
        (ID, V, replace(W, nullable=False)),
        "id, w",
        [(1, ""), (2, "")],
    ),
    "added first": ("ADD COLUMN n INT FIRST", (N, ID, V), "id, v, n", [(1, "one", None), (2, "two", None)]),
    "two at once": ("ADD (n INT, w VARCHAR(20))", (ID, V, N, W), "id, n, w", [(1, None, None), (2, None, None)]),
    "dropped": ("DROP COLUMN v", (ID,), "id", [(1,), (2,)]),
    "dropped and another added": ("DROP v, ADD w VARCHAR(20)", (ID, W), "id, w", [(1, None), (2, None)]),
    "dropped and added again": ("DROP v, ADD v VARCHAR(20)", (ID, V), "id, v", [(1, None), (2, None)]),
    "renamed": ("RENAME COLUMN v TO w", (ID, W), "id, w", [(1, "one"), (2, "two")]),
    "renamed by change": ("CHANGE COLUMN v w VARCHAR(20)", (ID, W), "id, w", [(1, "one"), (2, "two")]),
    "renamed in case alone": ("RENAME COLUMN v TO V", (ID, replace(V, name="V")), 'id, "V"', [(1, "one"), (2, "two")]),
    "the key renamed": ("RENAME COLUMN id TO no", (replace(ID, name="no"), V), "no, v", [(1, "one"), (2, "two")]),
    "its name used again": (
        "RENAME COLUMN v TO w, ADD COLUMN v VARCHAR(20) DEFAULT 'x'",
        (ID, W, replace(V, default="x")),
        "id, w, v",
        [(1, "one", "x"), (2, "two", "x")],
    ),
    "moved": ("MODIFY COLUMN v VARCHAR(20) FIRST", (V, ID), "id, v", [(1, "one"), (2, "two")]),
    "wider": ("MODIFY v VARCHAR(200)", (ID, replace(V, length=200)), "id, v", [(1, "one"), (2, "two")]),
    "made text": ("MODIFY COLUMN v TEXT", (ID, Column("v", "text")), "id, v", [(1, "one"), (2, "two")]),
    "made bytes": ("MODIFY COLUMN v BLOB", (ID, Column("v", "blob")), "id, v", [(1, b"one"), (2, b"two")]),
    "a default set": ("ALTER v SET DEFAULT 'q'", (ID, replace(V, default="q")), "id, v", [(1, "one"), (2, "two")]),
    "an index": ("ADD INDEX by_v (v)", T, "id, v", [(1, "one"), (2, "two")]),
    "a wider key": (
        "DROP PRIMARY KEY, ADD PRIMARY KEY (id, v)",
        (ID, replace(V, nullable=False, primary_key=True)),
        "id, v",
        [(1, "one"), (2, "two")],
    ),
    "another key": (
        "DROP PRIMARY KEY, ADD PRIMARY KEY (v)",
        (replace(ID, primary_key=False), replace(V, nullable=False, primary_key=True)),
        "id, v",
        [(1, "one"), (2, "two")],
    ),
    "not understood": ("FROBNICATE, ADD w", (ID, V, W), "id, v, w", [(1, "one", None), (2, "two", None)]),
}


@pytest.mark.parametrize("case", ALTERS)
def test_altered_columns(case: str, apply: Applies, landed: Landed) -> None:
    spec, columns, of, wanted = ALTERS[case]
    store = altered(spec, *columns)
    key = {column.name for column in columns if column.primary_key}
    store.rows("s.t", ("I", 21, tuple(KEYS[column.name] if column.name in key else None for column in columns)))
    both_ways(store, apply)
    rows = landed.rows("s.t", of)
    assert [row for row in rows if row in wanted] == wanted
    assert len(rows) == 3  # rows of the new version find their columns, and their key
    assert sorted(landed.columns("s.t")) == sorted(column.name for column in columns)


def test_rows_go_on_behind_an_alter(apply: Applies, landed: Landed) -> None:
    store = altered("ADD COLUMN n INT FIRST, DROP COLUMN v", N, ID)
    store.rows("s.t", ("U", 21, (5, 1)), ("I", 22, (6, 3)), ("D", 23, (None, 2)))
    both_ways(store, apply)
    assert landed.rows("s.t", "id, n") == [(1, 5), (3, 6)]


def test_two_columns_swap_their_names(apply: Applies, landed: Landed) -> None:
    store = MadeStore()
    store.ddl("s.t", 10, "", 0, (ID, V, W))
    store.rows("s.t", ("I", 11, (1, "v", "w")))
    store.ddl("s.t", 20, "ALTER TABLE t RENAME COLUMN v TO w, RENAME COLUMN w TO v", 12, (ID, W, V))
    both_ways(store, apply)
    assert landed.rows("s.t", "id, v, w") == [(1, "w", "v")]


def test_ids_tell_a_rename_where_the_statement_does_not(apply: Applies, landed: Landed) -> None:
    store = MadeStore()
    ident = Column("id", "bigint", nullable=False, primary_key=True, id=1)
    store.ddl("s.t", 10, "", 0, (ident, Column("v", "varchar", length=20, id=2)))
    store.rows("s.t", ("I", 11, (1, "kept")))
    store.ddl("s.t", 20, "ALTER TABLE t FROBNICATE", 12, (ident, Column("x", "varchar", length=20, id=2)))
    both_ways(store, apply)
    assert landed.rows("s.t", "id, x") == [(1, "kept")]


def test_a_rename_that_nothing_tells_is_refused(apply: Applies, landed: Landed) -> None:
    store = altered("FROBNICATE", ID, W)
    store.checkpoint(99)
    with pytest.raises(RunFailed) as caught:
        apply(store)
    assert caught.value.code == "apply.lineage"
    assert "s/t/meta/schema_20" in str(caught.value)
    assert landed.rows("s.t") == [(1, "one"), (2, "two")]  # the DDL was undone, what was before it stays


def test_a_default_that_only_the_source_knows_is_told(apply: Applies, landed: Landed) -> None:
    made = Column("made", "datetime", nullable=False, default="CURRENT_TIMESTAMP")
    store = altered("ADD made DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP", ID, V, made)
    store.checkpoint(99)
    (note,) = apply(store).notes
    assert "'made'" in note
    assert "CURRENT_TIMESTAMP" in note
    assert landed.rows("s.t", "id, made") == [(1, None), (2, None)]


# -- whole tables


def test_create_like(apply: Applies, landed: Landed) -> None:
    store = begun()
    store.ddl("s.u", 20, "CREATE TABLE u LIKE t", 3, T)
    store.rows("s.u", ("I", 21, (1, "u")))
    both_ways(store, apply)
    assert landed.rows("s.u") == [(1, "u")]


def test_create_if_not_exists_leaves_the_rows(apply: Applies, landed: Landed) -> None:
    store = begun()
    store.ddl("s.t", 20, CREATE.format("t").replace("TABLE", "TABLE IF NOT EXISTS"), 3, T)
    both_ways(store, apply)
    assert len(landed.rows("s.t")) == 2


def test_truncate(apply: Applies, landed: Landed) -> None:
    store = altered("", query="TRUNCATE TABLE `s`.`t`", type=11)
    store.rows("s.t", ("I", 21, (2, "again")))
    both_ways(store, apply)
    assert landed.rows("s.t") == [(2, "again")]


def test_a_truncate_in_words_that_are_not_understood_is_told_by_its_number(apply: Applies, landed: Landed) -> None:
    both_ways(altered("", query="truncate everything in t, please", type=11), apply)
    assert landed.rows("s.t") == []


def test_drop_and_create_again(apply: Applies, landed: Landed) -> None:
    store = altered("", query="DROP TABLE t", type=4)
    both_ways(store, apply)
    assert landed.tables() == set()
    store.ddl("s.t", 30, "CREATE TABLE t (id BIGINT PRIMARY KEY, n INT)", 3, (ID, N))
    store.rows("s.t", ("I", 31, (1, 5)))
    apply(store)
    assert landed.rows("s.t") == [(1, 5)]


def test_a_table_that_was_never_met_is_dropped_without_a_word(apply: Applies, landed: Landed) -> None:
    store = MadeStore()
    store.ddl("s.t", 20, "DROP TABLE t", 4, T)
    store.checkpoint(99)
    assert apply(store).ddls == 1
    assert landed.tables() == set()


def test_rename(apply: Applies, landed: Landed) -> None:
    store = begun()
    store.ddl("s.u", 20, "RENAME TABLE t TO u", 14, T)
    store.rows("s.u", ("D", 21, (1, "one")))
    both_ways(store, apply)
    assert landed.rows("s.u") == [(2, "two")]
    assert landed.tables() == {"s.u"}


def test_rename_into_another_schema_and_new_columns_at_once(apply: Applies, landed: Landed) -> None:
    store = begun()
    store.ddl(
        "r.u",
        20,
        "ALTER TABLE s.t RENAME TO r.u, ADD n INT NOT NULL DEFAULT 7",
        14,
        (*T, NEVER),
    )
    both_ways(store, apply)
    assert landed.rows("r.u") == [(1, "one", 7), (2, "two", 7)]
    assert landed.tables() == {"r.u"}


def test_the_old_name_is_used_again(apply: Applies, landed: Landed) -> None:
    store = begun()
    store.ddl("s.u", 20, "RENAME TABLE t TO u", 14, T)
    store.ddl("s.t", 30, CREATE.format("t"), 3, T)
    store.rows("s.t", ("I", 31, (9, "new")))
    store.rows("s.u", ("I", 32, (3, "u")))
    both_ways(store, apply)
    assert landed.rows("s.t") == [(9, "new")]
    assert len(landed.rows("s.u")) == 3


@pytest.mark.parametrize("by_way_of", ["tmp", None])
def test_two_tables_swap_their_names(by_way_of: str | None, apply: Applies, landed: Landed) -> None:
    store = begun()
    store.ddl("s.u", 13, CREATE.format("u"), 3, T)
    store.rows("s.u", ("I", 14, (7, "u")))
    if by_way_of:
        store.ddl("s.tmp", 20, "RENAME TABLE t TO tmp", 14, T)
        store.ddl("s.t", 20, "RENAME TABLE u TO t", 14, T)
        store.ddl("s.u", 20, "RENAME TABLE tmp TO u", 14, T)
    else:
        store.ddl("s.t", 20, "RENAME TABLE u TO t", 14, T)
        store.ddl("s.u", 20, "RENAME TABLE t TO u", 14, T)
    store.rows("s.t", ("U", 21, (7, "was u")))
    store.rows("s.u", ("D", 22, (1, "one")))
    both_ways(store, apply)
    assert landed.rows("s.t") == [(7, "was u")]
    assert landed.rows("s.u") == [(2, "two")]
    assert landed.tables() == {"s.t", "s.u"}


def test_three_tables_move_on_by_one(apply: Applies, landed: Landed) -> None:
    store = MadeStore()
    for number, name in enumerate("abc"):
        store.ddl(f"s.{name}", 10 + number, CREATE.format(name), 3, T)
        store.rows(f"s.{name}", ("I", 15, (number, name)))
    store.ddl("s.d", 20, "RENAME TABLE c TO d", 14, T)
    store.ddl("s.c", 20, "RENAME TABLE b TO c", 14, T)
    store.ddl("s.b", 20, "RENAME TABLE a TO b", 14, T)
    both_ways(store, apply, before=16)
    assert {name: landed.rows(f"s.{name}") for name in "bcd"} == {"b": [(0, "a")], "c": [(1, "b")], "d": [(2, "c")]}
    assert landed.tables() == {"s.b", "s.c", "s.d"}


def test_databases(apply: Applies, landed: Landed) -> None:
    store = MadeStore()
    store.ddl("s", 5, "CREATE DATABASE s", 1)
    store.ddl("s.t", 10, CREATE.format("t"), 3, T)
    store.ddl("other.t", 11, CREATE.format("t"), 3, T)
    store.rows("s.t", ("I", 12, (1, "x")))
    store.ddl("s", 20, "DROP DATABASE s", 2)
    store.ddl("s", 25, "ALTER DATABASE s CHARACTER SET utf8mb4", 26)
    both_ways(store, apply)
    assert landed.tables() == {"other.t"}
    store.ddl("s", 30, "CREATE DATABASE s", 1)
    store.ddl("s.t", 31, CREATE.format("t"), 3, T)
    store.rows("s.t", ("I", 32, (2, "y")))
    apply(store)
    assert landed.rows("s.t") == [(2, "y")]


def test_a_dropped_database_that_was_routed_beside_another_is_refused(apply: Applies, landed: Landed) -> None:
    store = MadeStore()
    for number, name in enumerate(("a", "b")):
        store.ddl(f"lake.{name}_t", 10 + number, f"CREATE TABLE {name}.t (id BIGINT PRIMARY KEY)", 3, (ID,))
    store.ddl("lake", 20, "DROP DATABASE a", 2)
    store.checkpoint(99)
    with pytest.raises(RunFailed) as caught:
        apply(store)
    assert caught.value.code == "apply.routed_drop"
    assert landed.tables() == {"lake.a_t", "lake.b_t"}


def test_a_dropped_database_that_was_routed_alone(apply: Applies, landed: Landed) -> None:
    store = MadeStore()
    store.ddl("lake.t", 10, "CREATE TABLE a.t (id BIGINT PRIMARY KEY)", 3, (ID,))
    store.ddl("lake", 20, "DROP DATABASE a", 2)
    both_ways(store, apply)
    assert landed.tables() == set()


def test_a_routed_rename(apply: Applies, landed: Landed) -> None:
    store = MadeStore()
    store.ddl("lake.a_t", 10, "CREATE TABLE a.t (id BIGINT PRIMARY KEY)", 3, (ID,))
    store.rows("lake.a_t", ("I", 11, (1,)))
    store.ddl("lake.a_u", 20, "RENAME TABLE a.t TO a.u", 14, (ID,))
    both_ways(store, apply)
    assert landed.rows("lake.a_u") == [(1,)]
    assert landed.tables() == {"lake.a_u"}


@pytest.mark.parametrize("query", ["RECOVER TABLE t", "FLASHBACK TABLE old TO t"])
def test_a_table_brought_back_from_the_bin_is_refused(query: str, apply: Applies) -> None:
    store = altered("", query="DROP TABLE t", type=4)
    store.ddl("s.t", 30, query, 25, T)
    store.checkpoint(99)
    with pytest.raises(RunFailed) as caught:
        apply(store)
    assert caught.value.code == "apply.statement"


def test_a_table_brought_back_that_never_was_here(apply: Applies, landed: Landed) -> None:
    store = MadeStore()
    store.ddl("s.t", 30, "RECOVER TABLE t", 25, T)
    store.rows("s.t", ("I", 31, (1, "x")))
    store.checkpoint(99)
    (note,) = apply(store).notes
    assert "s.t came back from the bin" in note
    assert landed.rows("s.t") == [(1, "x")]


def test_a_database_statement_that_is_not_understood_is_told(apply: Applies) -> None:
    store = begun()
    store.ddl("s", 20, "FROBNICATE THE DATABASE", 0)
    store.checkpoint(99)
    (note,) = apply(store).notes
    assert "FROBNICATE" in note


# -- what is no DDL, or was run before


def test_a_schema_file_without_a_statement_brings_new_columns(apply: Applies, landed: Landed) -> None:
    """A writer corrects a type that rows contradicted."""
    store = altered("", ID, V, N, query="", type=0)
    both_ways(store, apply)
    assert landed.rows("s.t", "id, v, n") == [(1, "one", None), (2, "two", None)]
    assert apply(store).ddls == 0


def test_a_ddl_is_run_once(apply: Applies, landed: Landed) -> None:
    store = altered("", query="TRUNCATE TABLE t", type=11)
    store.rows("s.t", ("I", 21, (5, "five")))
    both_ways(store, apply)
    for _ in range(2):
        report = apply(store)
        assert (report.ddls, report.rows, report.files) == (0, 0, 0)
    assert landed.rows("s.t") == [(5, "five")]
