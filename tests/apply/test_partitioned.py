"""DDLs that take, or exchange, the rows of a partition: the statements say which rows those are."""

from __future__ import annotations

import pytest

from afterbay.errors import RunFailed
from afterbay.schema import Column
from afterbay_nodes.transforms.table_rules import TableRules
from tests.apply.conftest import Applies
from tests.support.landed import Landed
from tests.support.made_store import MadeStore

ID = Column("id", "bigint", nullable=False, primary_key=True)
V = Column("v", "varchar", length=20)
DAY = Column("day", "date", nullable=False, primary_key=True)
RANGE = "PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)"
CREATE = "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(20)) "


def parted(division: str = RANGE, ids: tuple[int, ...] = (1, 9, 10, 11)) -> MadeStore:
    store = MadeStore()
    store.ddl("s.t", 10, CREATE + division, 3, (ID, V))
    store.ddl("s.plain", 11, "CREATE TABLE plain LIKE t", 3, (ID, V))
    store.ddl("s.plain", 12, "ALTER TABLE plain REMOVE PARTITIONING", 0, (ID, V))
    store.rows("s.t", *(("I", 13, (number, f"t{number}")) for number in ids))
    store.rows("s.plain", ("I", 13, (2, "plain2")), ("I", 13, (3, "plain3")))
    store.checkpoint(99)
    return store


def exchanged(store: MadeStore, part: str = "p0") -> MadeStore:
    """The two files of an exchange: with the statement under the plain table, without under the other."""
    store.ddl("s.plain", 20, f"ALTER TABLE t EXCHANGE PARTITION {part} WITH TABLE plain", 42)
    store.ddl("s.t", 20)
    return store


def ids(landed: Landed, table: str) -> list[int]:
    return [row[0] for row in landed.rows(table, "id")]


def test_an_exchange(apply: Applies, landed: Landed) -> None:
    store = exchanged(parted())
    store.rows("s.t", ("U", 21, (2, "changed")))
    store.rows("s.plain", ("D", 22, (9, "t9")))
    apply(store)
    assert landed.rows("s.t") == [(2, "changed"), (3, "plain3"), (10, "t10"), (11, "t11")]
    assert landed.rows("s.plain") == [(1, "t1")]
    assert apply(store).ddls == 0


def test_an_exchange_of_routed_tables(apply: Applies, landed: Landed) -> None:
    store = MadeStore()
    store.ddl("lake.t", 10, CREATE.replace(" t ", " src.t ") + RANGE, 3, (ID, V))
    store.ddl("lake.p", 11, "CREATE TABLE src.p (id BIGINT PRIMARY KEY, v VARCHAR(20))", 3, (ID, V))
    store.rows("lake.t", ("I", 13, (1, "t")), ("I", 13, (50, "t")))
    store.ddl("lake.p", 20, "ALTER TABLE src.t EXCHANGE PARTITION p0 WITH TABLE src.p", 42)
    store.ddl("lake.t", 20)
    store.checkpoint(99)
    apply(store)
    assert (ids(landed, "lake.t"), ids(landed, "lake.p")) == ([50], [1])


@pytest.mark.parametrize(
    ("division", "gone", "left"),
    [
        (RANGE, "p0", [10, 11]),
        (RANGE, "P1", [1, 9]),
        ("PARTITION BY LIST (id) (PARTITION a VALUES IN (1, 10), PARTITION b VALUES IN (9, 11))", "a", [9, 11]),
        ("PARTITION BY HASH (id) PARTITIONS 2", "p1", [10]),
        (
            "PARTITION BY RANGE COLUMNS (id) (PARTITION x VALUES LESS THAN (11), PARTITION y VALUES LESS THAN (99))",
            "x",
            [11],
        ),
        (
            "PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (-5), PARTITION p1 VALUES LESS THAN (10))",
            "p0",
            [1, 9, 10, 11],
        ),
    ],
)
def test_truncate_partition(division: str, gone: str, left: list[int], apply: Applies, landed: Landed) -> None:
    store = parted(division)
    store.ddl("s.t", 20, f"ALTER TABLE t TRUNCATE PARTITION {gone}", 23)
    apply(store)
    assert ids(landed, "s.t") == left


def test_partitions_by_day(apply: Applies, landed: Landed) -> None:
    store = MadeStore()
    division = (
        "PARTITION BY RANGE (TO_DAYS(day)) (PARTITION a VALUES LESS THAN (TO_DAYS('2026-01-01')), "
        "PARTITION b VALUES LESS THAN (TO_DAYS('2026-02-01')), PARTITION c VALUES LESS THAN MAXVALUE)"
    )
    store.ddl("s.t", 10, f"CREATE TABLE t (day DATE PRIMARY KEY) {division}", 3, (DAY,))
    store.rows("s.t", *(("I", 11, (day,)) for day in ("2025-12-31", "2026-01-01", "2026-01-31", "2026-02-01")))
    store.ddl("s.t", 20, "ALTER TABLE t DROP PARTITION b", 20)
    store.checkpoint(99)
    apply(store)
    assert [str(row[0]) for row in landed.rows("s.t")] == ["2025-12-31", "2026-02-01"]


def test_partitions_come_go_and_are_made_of_others(apply: Applies, landed: Landed) -> None:
    store = parted(RANGE.replace("MAXVALUE", "(11)"))
    store.ddl("s.t", 20, "ALTER TABLE t ADD PARTITION (PARTITION p2 VALUES LESS THAN (100))", 19)
    store.ddl(
        "s.t",
        21,
        "ALTER TABLE t REORGANIZE PARTITION p0 INTO "
        "(PARTITION a VALUES LESS THAN (5), PARTITION b VALUES LESS THAN (10))",
        0,
    )
    store.ddl("s.t", 22, "ALTER TABLE t DROP PARTITION a", 20)
    store.ddl("s.t", 23, "ALTER TABLE t TRUNCATE PARTITION p2", 23)
    apply(store)
    assert ids(landed, "s.t") == [9, 10]
    store.ddl("s.t", 24, "ALTER TABLE t TRUNCATE PARTITION ALL", 23)
    apply(store)
    assert ids(landed, "s.t") == []


def test_created_like_it_is_divided_like_it(apply: Applies, landed: Landed) -> None:
    store = parted()
    store.ddl("s.u", 20, "CREATE TABLE u LIKE t", 3, (ID, V))
    store.rows("s.u", ("I", 21, (1, "x")), ("I", 21, (20, "y")))
    store.ddl("s.u", 30, "ALTER TABLE u DROP PARTITION p0", 20)
    apply(store)
    assert ids(landed, "s.u") == [20]


@pytest.mark.parametrize(
    "division",
    ["PARTITION BY KEY (id) PARTITIONS 2", "PARTITION BY RANGE (id * 2) (PARTITION p0 VALUES LESS THAN (9))"],
)
def test_what_is_not_known_is_refused(division: str, apply: Applies, landed: Landed) -> None:
    store = exchanged(parted(division))
    with pytest.raises(RunFailed) as caught:
        apply(store)
    assert caught.value.code == "apply.partition"
    assert ids(landed, "s.plain") == [2, 3]


def test_one_side_alone_cannot_be_applied(apply: Applies) -> None:
    with pytest.raises(RunFailed) as caught:
        apply(exchanged(parted()), rules=TableRules.parse(["s.plain"]))
    assert caught.value.code == "apply.exchange"
