"""Tables without a primary key: their changes are appended at their places, or refused when asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from afterbay.errors import RunFailed
from afterbay.schema import Column
from afterbay_nodes.apply.tables import KeyRule
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from tests.apply.conftest import Applies
from tests.support.landed import Landed
from tests.support.made_store import CSV, MadeStore

A = Column("a", "bigint", nullable=False)
B = Column("b", "varchar", length=20)
PLACE = "_afterbay_op, _afterbay_commit_ts, _afterbay_series, _afterbay_number, _afterbay_row"
SERIES = "s/t/10/CDC"


def begun(encoder: EncodeCsv = CSV) -> MadeStore:
    store = MadeStore(encoder)
    store.ddl("s.t", 10, "CREATE TABLE t (a BIGINT NOT NULL, b VARCHAR(20))", 3, (A, B))
    store.rows("s.t", ("I", 11, (1, "x")), ("I", 11, (1, "x")), ("D", 12, (1, "x")))
    store.rows("s.t", ("U", 13, (2, "y")))
    store.checkpoint(99)
    return store


def test_every_change_is_a_row_at_its_place(apply: Applies, landed: Landed) -> None:
    apply(begun())
    assert landed.rows("s.t", f"a, b, {PLACE}") == [
        (1, "x", "D", 12, SERIES, 1, 3),
        (1, "x", "I", 11, SERIES, 1, 1),
        (1, "x", "I", 11, SERIES, 1, 2),
        (2, "y", "U", 13, SERIES, 2, 1),
    ]


def test_applied_again_they_are_there_once(apply: Applies, landed: Landed) -> None:
    store = begun()
    apply(store)
    before = landed.everything()
    apply(store)
    assert landed.everything() == before


def test_a_file_that_is_cut_goes_on_at_its_row(apply: Applies, landed: Landed) -> None:
    store = begun()
    store.checkpoint(11)
    apply(store)
    assert landed.rows("s.t", "_afterbay_row") == [(1,), (2,)]
    store.checkpoint(12)
    apply(store)
    assert landed.rows("s.t", "_afterbay_number, _afterbay_row") == [(1, 1), (1, 2), (1, 3)]


def test_without_commit_ts_the_place_alone_says_where(apply: Applies, landed: Landed) -> None:
    apply(begun(EncodeCsv()))
    assert landed.rows("s.t", "_afterbay_commit_ts, _afterbay_row") == [(None, 1), (None, 1), (None, 2), (None, 3)]


def test_refused_when_asked(apply: Applies, landed: Landed) -> None:
    with pytest.raises(RunFailed) as caught:
        apply(begun(), keyless=KeyRule(refuse=True))
    assert caught.value.code == "apply.keyless"
    assert "s/t/meta/schema_10" in str(caught.value)
    assert landed.tables() == set()


def test_a_torn_file_is_appended_not_even_in_part(apply: Applies, landed: Landed) -> None:
    store = begun()
    torn = store.rows("s.t", ("I", 14, (3, "z")), ("I", 15, (4, "z")))
    good = store.objects[torn]
    store.objects[torn] = good[:-3]
    with pytest.raises(RunFailed) as caught:
        apply(store)
    assert caught.value.code == "csv.torn"
    assert torn in str(caught.value)
    assert "row 2" in str(caught.value)
    assert landed.rows("s.t", "a") == [(1,), (1,), (1,), (2,)]
    store.objects[torn] = good
    apply(store)
    assert landed.rows("s.t", "a") == [(1,), (1,), (1,), (2,), (3,), (4,)]


def test_new_columns_a_truncate_and_a_rename(apply: Applies, landed: Landed) -> None:
    store = begun()
    store.ddl(
        "s.t", 20, "ALTER TABLE t ADD COLUMN c INT NOT NULL DEFAULT 4", 5, (A, B, Column("c", "int", default="4"))
    )
    store.checkpoint(20)
    apply(store)
    assert landed.rows("s.t", "c") == [(4,)] * 4
    store.ddl("s.t", 30, "TRUNCATE TABLE t", 11)
    store.rows("s.t", ("I", 31, (5, "z", 6)))
    store.ddl("r.u", 40, "RENAME TABLE s.t TO r.u", 14, (A, B, Column("c", "int", default="4")))
    store.rows("r.u", ("I", 41, (7, "z", 8)))
    store.checkpoint(99)
    apply(store)
    assert landed.rows("r.u", "a, c, _afterbay_series") == [(5, 6, "s/t/30/CDC"), (7, 8, "r/u/40/CDC")]


def with_key(store: MadeStore) -> MadeStore:
    """`a` becomes the key at 20, and a row is changed by it."""
    store.ddl("s.t", 20, "ALTER TABLE t ADD PRIMARY KEY (a)", 32, (replace(A, primary_key=True), B))
    store.rows("s.t", ("U", 21, (3, "changed"), (3, "z")))
    return store


def test_a_key_that_comes_later_takes_over_what_the_changes_left(apply: Applies, landed: Landed) -> None:
    store = MadeStore(EncodeCsv(include_commit_ts=True, output_old_value=True))
    store.ddl("s.t", 10, "CREATE TABLE t (a BIGINT NOT NULL, b VARCHAR(20))", 3, (A, B))
    store.rows("s.t", ("I", 11, (1, "x")), ("I", 12, (2, "y")), ("I", 12, (3, "z")))
    store.rows("s.t", ("D", 13, (1, "x")), ("U", 14, (2, "new"), (2, "y")))
    store.checkpoint(15)
    apply(store)
    assert len(landed.rows("s.t")) == 6
    with_key(store).checkpoint(99)
    apply(store)
    assert landed.rows("s.t") == [(2, "new"), (3, "changed")]


def test_a_key_that_comes_later_is_refused_where_updates_say_not_what_they_changed(
    apply: Applies, landed: Landed
) -> None:
    with pytest.raises(RunFailed) as caught:
        apply(with_key(begun()))
    assert caught.value.code == "apply.late_key"
    assert len(landed.rows("s.t")) == 4  # up to there all is applied


def test_a_key_over_a_new_column_is_refused_unless_the_table_is_empty(apply: Applies, landed: Landed) -> None:
    ident = Column("id", "bigint", nullable=False, primary_key=True)
    query = "ALTER TABLE t ADD COLUMN id BIGINT AUTO_INCREMENT PRIMARY KEY"
    empty = MadeStore()
    empty.ddl("s.e", 10, "CREATE TABLE e (a BIGINT NOT NULL, b VARCHAR(20))", 3, (A, B))
    empty.ddl("s.e", 20, query.replace(" t ", " e "), 5, (A, B, ident))
    empty.rows("s.e", ("I", 21, (1, "x", 7)))
    empty.checkpoint(99)
    apply(empty, source="empty")
    assert landed.rows("s.e") == [(1, "x", 7)]
    full = begun()
    full.ddl("s.t", 20, query, 5, (A, B, ident))
    with pytest.raises(RunFailed) as caught:
        apply(full)
    assert caught.value.code == "apply.late_key"


def test_a_key_that_goes_makes_a_log_of_the_table(apply: Applies, landed: Landed) -> None:
    store = MadeStore()
    store.ddl("s.t", 10, "CREATE TABLE t (a BIGINT PRIMARY KEY, b VARCHAR(20))", 3, (replace(A, primary_key=True), B))
    store.rows("s.t", ("I", 11, (1, "x")), ("I", 12, (2, "y")))
    store.ddl("s.t", 20, "ALTER TABLE t DROP PRIMARY KEY", 33, (A, B))
    store.rows("s.t", ("D", 21, (1, "x")))
    store.checkpoint(99)
    apply(store)
    assert landed.rows("s.t", "a, b, _afterbay_op, _afterbay_series") == [
        (1, "x", "D", "s/t/20/CDC"),
        (1, "x", "I", "before 20"),
        (2, "y", "I", "before 20"),
    ]
