"""How far it came is kept in the target: nothing is applied twice, nothing is left out, and nothing too early."""

from __future__ import annotations

from dataclasses import replace

import pytest

from afterbay.errors import RunFailed
from afterbay.schema import Column
from afterbay_nodes.apply.engine import Apply, ApplyOptions
from afterbay_nodes.apply.targets.open import open_target
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.transforms.table_rules import TableRules
from tests.apply.conftest import Applies
from tests.support.landed import Landed
from tests.support.made_store import MadeStore

ID = Column("id", "bigint", nullable=False, primary_key=True)
V = Column("v", "varchar", length=20)
T = (ID, V)


def begun(encoder: EncodeCsv | None = None) -> MadeStore:
    store = MadeStore(encoder or EncodeCsv(include_commit_ts=True))
    store.ddl("s.t", 10, "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(20))", 3, T)
    store.rows("s.t", ("I", 11, (1, "a")), ("I", 12, (2, "b")), ("I", 20, (3, "c")))
    store.rows("s.t", ("I", 21, (4, "d")), ("U", 30, (1, "z")))
    return store


def ids(landed: Landed, table: str = "s.t") -> list[int]:
    return [row[0] for row in landed.rows(table, "id")]


def test_it_ends_at_the_checkpoint_and_goes_on_there(apply: Applies, landed: Landed) -> None:
    store = begun()
    for checkpoint, wanted, cut in [
        (5, [], 0),
        (10, [], 1),
        (12, [1, 2], 1),
        (19, [1, 2], 1),
        (20, [1, 2, 3], 1),
        (29, [1, 2, 3, 4], 1),
    ]:
        store.checkpoint(checkpoint)
        report = apply(store)
        assert (report.limit, report.cut_files) == (checkpoint, cut)
        assert (ids(landed) if checkpoint >= 10 else []) == wanted
    assert landed.rows("s.t", "v", "id = 1") == [("a",)]
    store.checkpoint(30)
    report = apply(store)
    assert (report.rows, report.files, report.cut_files) == (1, 1, 0)
    assert landed.rows("s.t", "v", "id = 1") == [("z",)]


def test_applied_twice_it_changes_nothing(apply: Applies, landed: Landed) -> None:
    store = begun()
    store.ddl("s.t", 40, "ALTER TABLE t ADD COLUMN n INT NOT NULL DEFAULT 1", 5, (*T, Column("n", "int", default="1")))
    store.rows("s.t", ("D", 41, (2, "b", 1)))
    store.checkpoint(41)
    first = apply(store)
    before = landed.everything()
    again = apply(store)
    assert (first.rows, first.files, first.ddls) == (6, 3, 2)
    assert (again.rows, again.files, again.ddls, again.cut_files) == (0, 0, 0, 0)
    assert landed.everything() == before


def test_in_small_steps_it_is_the_same_as_at_once(apply: Applies, landed: Landed) -> None:
    store = begun()
    store.ddl("s.u", 31, "RENAME TABLE t TO u", 14, T)
    store.rows("s.u", ("I", 32, (9, "u")))
    for checkpoint in range(9, 34):
        store.checkpoint(checkpoint)
        apply(store)
    assert landed.rows("s.u") == [(1, "z"), (2, "b"), (3, "c"), (4, "d"), (9, "u")]


@pytest.mark.parametrize("first", ["aaaa", "zzzz"])
def test_a_key_that_one_dispatcher_hands_over_to_another(first: str, apply: Applies, landed: Landed) -> None:
    """Names of dispatchers say nothing about who came first."""
    second = "mmmm"
    store = MadeStore()
    store.ddl("s.t", 10, "", 0, T)
    store.rows("s.t", ("I", 11, (1, "a")), ("U", 12, (1, "b")), dispatcher=first)
    store.rows("s.t", ("U", 15, (1, "c")), dispatcher=first)
    store.rows("s.t", ("U", 20, (1, "d")), dispatcher=second)
    for checkpoint, wanted in ((12, "b"), (17, "c"), (99, "d")):
        store.checkpoint(checkpoint)
        apply(store)
        assert landed.rows("s.t") == [(1, wanted)]
    other = replace_source(store)
    apply(other, source="at once", rules=TableRules.parse(["r.*"]))
    assert landed.rows("r.t") == [(1, "d")]


def replace_source(store: MadeStore) -> MadeStore:
    """The same store, of table `r.t`."""
    again = MadeStore()
    again.ddl("r.t", 10, "", 0, T)
    for key, data in store.objects.items():
        if "/10/" in key or key == "metadata":
            again.objects[key.replace("s/", "r/", 1)] = data.replace(b'"t","s"', b'"t","r"')
    return again


def test_without_a_checkpoint_nothing_is_applied_yet(apply: Applies, landed: Landed) -> None:
    report = apply(begun())
    assert (report.rows, report.ddls, report.checkpoint) == (0, 0, None)
    assert landed.tables() == set()


@pytest.mark.parametrize("mark", [b'{"checkpoint-ts":0}', b'{"checkpoint-ts":0,"owner":"%s"}' % (b"5a" * 16)])
def test_at_the_checkpoint_of_a_root_that_was_only_taken_nothing_is_applied(
    mark: bytes, apply: Applies, landed: Landed
) -> None:
    store = begun()
    store.objects["metadata"] = mark
    report = apply(store)
    assert (report.rows, report.ddls, report.checkpoint) == (0, 0, 0)
    store.checkpoint(99)
    assert apply(store).rows == 5


def test_without_commit_ts_whole_files_are_applied_and_it_is_said(apply: Applies, landed: Landed) -> None:
    store = begun(EncodeCsv())
    store.checkpoint(12)
    report = apply(store)
    assert (report.limit, report.checkpoint, report.rows) == (None, 12, 5)
    assert len(ids(landed)) == 4
    with pytest.raises(RunFailed) as caught:
        apply(store, until_ts=5)
    assert caught.value.code == "apply.no_commit_ts"


def test_up_to_a_commit_ts_that_was_asked_for(apply: Applies, landed: Landed) -> None:
    store = begun()
    store.checkpoint(25)
    assert apply(store, until_ts=11).limit == 11
    assert ids(landed) == [1]
    assert apply(store, until_ts=9999).limit == 25
    assert ids(landed) == [1, 2, 3, 4]


def test_the_watermark_names_the_store(apply: Applies, landed: Landed) -> None:
    store = begun()
    store.checkpoint(99)
    apply(store)
    found = landed.query("SELECT source, series, number, cut_rows FROM _afterbay_applied")
    assert found == [("memory://", "s/t/10/CDC", 2, 0)]
    assert landed.query("SELECT source, owner, version FROM _afterbay_ddls") == [("memory://", "s/t", "10")]


def test_another_store_may_not_bring_the_same_table(apply: Applies, landed: Landed) -> None:
    one, other = begun(), begun()
    other.ddl("s.mine", 10, "", 0, T)
    other.rows("s.mine", ("I", 11, (7, "x")))
    one.checkpoint(99)
    other.checkpoint(99)
    apply(one, source="one")
    with pytest.raises(RunFailed) as caught:
        apply(other, source="other")
    assert caught.value.code == "apply.other_source"
    assert "one" in str(caught.value)
    # Other tables of it are welcome.
    apply(other, source="other", rules=TableRules.parse(["s.mine"]))
    assert ids(landed, "s.mine") == [7]
    assert len(ids(landed)) == 4


def test_tables_that_are_wanted_later_get_their_whole_history(apply: Applies, landed: Landed) -> None:
    store = begun()
    store.ddl("s.u", 13, "CREATE TABLE u (id BIGINT PRIMARY KEY, v VARCHAR(20))", 3, T)
    store.rows("s.u", ("I", 14, (5, "u")))
    store.checkpoint(99)
    apply(store, rules=TableRules.parse(["s.*", "!s.u"]))
    assert landed.tables() == {"s.t"}
    report = apply(store)
    assert (report.rows, ids(landed, "s.u"), len(ids(landed))) == (1, [5], 4)


def test_a_dropped_database_takes_tables_along_that_are_wanted_later(apply: Applies, landed: Landed) -> None:
    store = begun()
    store.ddl("s.u", 13, "CREATE TABLE u (id BIGINT PRIMARY KEY, v VARCHAR(20))", 3, T)
    store.rows("s.u", ("I", 14, (5, "u")))
    store.ddl("s.never_used", 14, "CREATE TABLE never_used (id BIGINT PRIMARY KEY, v VARCHAR(20))", 3, T)
    store.ddl("s", 50, "DROP DATABASE s", 2)
    store.checkpoint(99)
    apply(store, rules=TableRules.parse(["s.t"]))
    assert landed.tables() == set()
    assert apply(store).rows == 1
    assert landed.tables() == set()
    assert (apply(store).ddls, landed.tables()) == (0, set())


def test_a_table_that_is_renamed_out_of_the_rules_goes(apply: Applies, landed: Landed) -> None:
    store = begun()
    store.ddl("s.hidden", 40, "RENAME TABLE t TO hidden", 14, T)
    store.rows("s.hidden", ("I", 41, (6, "x")))
    store.checkpoint(99)
    rules = TableRules.parse(["s.t"])
    apply(store, rules=rules)
    assert landed.tables() == set()
    store.ddl("s.t", 50, "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(20))", 3, T)
    store.rows("s.t", ("I", 51, (8, "again")))
    for _ in range(2):
        apply(store, rules=rules)
        assert ids(landed) == [8]


def test_a_table_that_is_renamed_into_the_rules_is_refused(apply: Applies, landed: Landed) -> None:
    store = begun()
    store.ddl("s.seen", 40, "RENAME TABLE t TO seen", 14, T)
    store.checkpoint(99)
    with pytest.raises(RunFailed) as caught:
        apply(store, rules=TableRules.parse(["s.seen"]))
    assert caught.value.code == "apply.unseen"
    assert landed.tables() == set()


def test_two_at_work_on_one_target(landed: Landed) -> None:
    """The second finds that the watermark has moved, and undoes its file."""
    store = begun()
    store.checkpoint(10)
    target = open_target(landed.uri)
    try:
        Apply(store.bucket(), target, ApplyOptions()).round()
        slow = Apply(store.bucket(), target, ApplyOptions())
        store.checkpoint(20)
        Apply(store.bucket(), target, ApplyOptions()).round()
        with pytest.raises(RunFailed) as caught:
            slow.round()
    finally:
        target.close()
    assert caught.value.code == "apply.concurrent"
    assert landed.query("SELECT number, cut_rows FROM _afterbay_applied") == [(1, 0)]


def test_rows_of_an_old_version_that_come_late_are_refused(apply: Applies, landed: Landed) -> None:
    store = begun()
    store.ddl("s.t", 40, "ALTER TABLE t ADD COLUMN n INT", 5, (*T, Column("n", "int")))
    store.checkpoint(99)
    apply(store)
    store.ddl("s.t", 10, "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(20))", 3, T)
    store.rows("s.t", ("I", 31, (5, "late")))
    with pytest.raises(RunFailed) as caught:
        apply(store)
    assert caught.value.code == "bucket.late"
    assert 5 not in ids(landed)


def test_a_new_version_of_the_same_columns_moves_no_row(apply: Applies, landed: Landed) -> None:
    store = begun()
    store.ddl("s.t", 40, "ALTER TABLE t COMMENT 'x'", 17, (ID, replace(V, nullable=False, default="d")))
    store.rows("s.t", ("I", 41, (5, "e")))
    store.checkpoint(99)
    apply(store)
    assert len(ids(landed)) == 5


def test_a_store_that_was_set_back_is_refused(apply: Applies, landed: Landed) -> None:
    """Its next file would have a number that was applied, and be passed over for ever."""
    store = begun()
    store.checkpoint(99)
    apply(store)
    before = landed.everything()
    shorter = MadeStore(EncodeCsv(include_commit_ts=True))
    shorter.ddl("s.t", 10, "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(20))", 3, T)
    shorter.rows("s.t", ("I", 11, (1, "a")), ("I", 12, (2, "b")), ("I", 20, (3, "c")))
    shorter.checkpoint(99)
    with pytest.raises(RunFailed) as caught:
        apply(shorter)
    assert caught.value.code == "apply.rewound"
    assert "CDC00000000000000000001.csv" in str(caught.value)
    assert landed.everything() == before


def test_two_at_work_on_one_ddl(landed: Landed) -> None:
    """The second would empty the table once more, behind the rows that the first has applied since."""
    store = begun()
    store.checkpoint(30)
    target = open_target(landed.uri)
    try:
        Apply(store.bucket(), target, ApplyOptions()).round()
        slow = Apply(store.bucket(), target, ApplyOptions())
        store.ddl("s.t", 40, "TRUNCATE TABLE t", 11, T)
        store.rows("s.t", ("I", 41, (7, "seven")))
        store.checkpoint(50)
        Apply(store.bucket(), target, ApplyOptions()).round()
        with pytest.raises(RunFailed) as caught:
            slow.round()
    finally:
        target.close()
    assert caught.value.code == "apply.concurrent"
    assert landed.rows("s.t") == [(7, "seven")]
