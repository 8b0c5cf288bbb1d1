"""Ids that a change log may tell: of tables, partitions and columns, by its rows and its DDLs."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from afterbay.errors import RunFailed
from afterbay.messages import SchemaChange
from afterbay_nodes.sources.change_log import ChangeLog
from tests.support.canal import ddl, ids, row, watermark, write
from tests.support.outlet import RecordingOutlet, record, schemas_at

CREATE = "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(10))"
COLUMNS = ("id", "v")


def play(tmp_path: Path, *lines: bytes) -> RecordingOutlet:
    return record(ChangeLog(path=str(write(tmp_path / "log", *lines))))


def one(commit_ts: int, number: int = 1, partition: int | None = None, table_id: int | None = None) -> bytes:
    return row("t", commit_ts, {"id": str(number), "v": "x"}, partition=partition, table_id=table_id)


def steps(change: SchemaChange) -> list[tuple[str | None, str | None]]:
    return [(table.dispatcher_before, table.dispatcher_after) for table in change.tables]


def rows(outlet: RecordingOutlet) -> list[tuple[str, int, int]]:
    return sorted((r.dispatcher, r.stamp.commit_ts, r.stamp.ordinal) for r in outlet.rows)


# -- rows


def test_each_partition_is_a_dispatcher_with_ordinals_and_repeats_of_its_own(tmp_path: Path) -> None:
    outlet = play(
        tmp_path,
        ddl(5, CREATE, tables=[ids("t", 80, 81, 82)]),
        one(10, 1, 81),
        one(10, 2, 82),
        one(10, 3, 81),
        one(20, 4, 82),
        one(12, 5, 81),  # behind the other partition: no repeat
        one(11, 6, 81),  # behind its own: a repeat
        watermark(30),
    )
    assert rows(outlet) == [
        ("shop.t.81", 10, 0),
        ("shop.t.81", 10, 1),
        ("shop.t.81", 12, 0),
        ("shop.t.82", 10, 0),
        ("shop.t.82", 20, 0),
    ]
    assert outlet.repeats == 1
    assert {b.dispatcher: (b.schema.table_id, b.schema.partition_id) for b in outlet.batches} == {
        "shop.t.81": (80, 81),
        "shop.t.82": (80, 82),
    }


def test_a_table_known_from_rows_alone_has_one_version_for_all_its_partitions(tmp_path: Path) -> None:
    """It is below the first row of each of them, however far they are out of step."""
    outlet = play(tmp_path, watermark(5), one(12, 1, 81, 80), one(6, 2, 82, 80), one(14, 3, 81, 80), watermark(20))

    told = [(a.dispatcher, a.schema.version, a.schema.table_id, a.schema.partition_id) for a in outlet.announced]
    assert told == [("shop.t.81", 6, 80, 81), ("shop.t.82", 6, 80, 82)]
    assert {b.schema.version for b in outlet.batches} == {6}


@pytest.mark.parametrize(
    ("before", "odd", "says"),
    [
        ([ddl(5, CREATE, tables=[ids("t", 80, 81, 82)])], one(10, 1, 83), "partition 83, but .* 81, 82"),
        ([ddl(5, CREATE, tables=[ids("t", 80, 81, 82)])], one(10, 1), "does not tell its partition, but .* 81, 82"),
        ([ddl(5, CREATE)], one(10, 1, 81), "partition 81, but the table has no partitions"),
        ([one(9, 1)], one(10, 1, 81), "partition 81, but the table has no partitions"),
        ([one(9, 1, 81)], one(10, 1), "does not tell its partition, but .* 81"),
        ([one(9, 1, 81), ddl(9, "ALTER TABLE t ADD INDEX (v)")], one(10, 1, 82), "partition 82, but .* 81"),
        ([ddl(5, "CREATE TABLE t SELECT 1")], one(10, 1, 81), "partition 81, but the table has no partitions"),
    ],
)
def test_a_row_of_a_partition_that_its_table_does_not_have_is_a_bad_line(
    tmp_path: Path, before: list[bytes], odd: bytes, says: str
) -> None:
    """A DDL may have gone in band to the partitions that were known: rows of another one could pass it (I3)."""
    with pytest.raises(RunFailed, match=says) as caught:
        play(tmp_path, *before, odd, watermark(20))
    assert caught.value.code == "change_log.partition"


def test_where_a_row_has_another_table_id_the_row_is_right(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        outlet = play(
            tmp_path,
            ddl(5, CREATE, tables=[ids("t", 71)]),
            one(10, table_id=71),
            one(20, table_id=72),
            one(30),
            watermark(40),
        )
    assert [(b.schema.version, b.schema.table_id) for b in outlet.batches] == [(5, 71), (20, 72)]
    assert "contradicts" in caplog.text


def test_an_id_that_was_not_known_yet_contradicts_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        outlet = play(tmp_path, ddl(5, CREATE), one(10, table_id=71), watermark(40))
    assert [(b.schema.version, b.schema.table_id) for b in outlet.batches] == [(10, 71)]
    assert caplog.text == ""


@pytest.mark.parametrize("told", [b'"tableId": 0', b'"tableId": "71"', b'"partitionId": -1', b'"partitionId": 1.5'])
def test_what_is_no_id_is_a_bad_line(tmp_path: Path, told: bytes) -> None:
    with pytest.raises(RunFailed, match=r"change_log\.line"):
        play(tmp_path, one(10).replace(b'"commitTs"', told + b', "commitTs"'))


# -- DDLs


def test_a_ddl_of_a_table_in_partitions_is_one_change_with_all_of_them(tmp_path: Path) -> None:
    outlet = play(
        tmp_path,
        ddl(5, CREATE, tables=[ids("t", 80, 81, 82)]),
        one(10, 1, 81),
        one(10, 2, 82),
        ddl(20, "ALTER TABLE t ADD INDEX (v)"),
        one(30, 3, 82),
        watermark(40),
    )
    create, index = outlet.ddls
    assert steps(create) == [(None, "shop.t.81"), (None, "shop.t.82")]
    assert steps(index) == [("shop.t.81", "shop.t.81"), ("shop.t.82", "shop.t.82")]
    assert index.in_band_dispatcher is None
    assert [(b.dispatcher, b.schema.version) for b in outlet.batches] == [
        ("shop.t.81", 5),
        ("shop.t.82", 5),
        ("shop.t.82", 20),
    ]


@pytest.mark.parametrize(
    ("sql", "told", "expected"),
    [
        (
            "ALTER TABLE t ADD PARTITION (PARTITION p VALUES IN (3))",
            ids("t", 80, 81, 82, 83),
            [("shop.t.81", "shop.t.81"), ("shop.t.82", "shop.t.82"), (None, "shop.t.83")],
        ),
        (
            "ALTER TABLE t DROP PARTITION p",
            ids("t", 80, 81),
            [("shop.t.81", "shop.t.81"), ("shop.t.82", None)],
        ),
        (
            "TRUNCATE TABLE t",
            ids("t", 90, 91, 92),
            [(None, "shop.t.91"), (None, "shop.t.92"), ("shop.t.81", None), ("shop.t.82", None)],
        ),
        (
            "TRUNCATE TABLE t",
            None,
            [(None, "shop.t"), ("shop.t.81", None), ("shop.t.82", None)],
        ),
        (
            "ALTER TABLE t REMOVE PARTITIONING",
            ids("t", 90),
            [(None, "shop.t"), ("shop.t.81", None), ("shop.t.82", None)],
        ),
        (
            "RENAME TABLE t TO other.t",
            None,
            [("shop.t.81", "other.t.81"), ("shop.t.82", "other.t.82")],
        ),
        ("DROP TABLE t", None, [("shop.t.81", None), ("shop.t.82", None)]),
    ],
)
def test_partitions_come_and_go_as_the_line_tells(
    tmp_path: Path, sql: str, told: dict[str, object] | None, expected: list[tuple[str | None, str | None]]
) -> None:
    create = ddl(5, CREATE, tables=[ids("t", 80, 81, 82)])
    change = play(tmp_path, create, ddl(20, sql, tables=[told] if told else []), watermark(30)).ddls[1]
    assert steps(change) == expected


def test_a_table_in_partitions_that_is_made_again_without_a_drop_leaves_none_behind(tmp_path: Path) -> None:
    again = ddl(20, CREATE, tables=[ids("t", 90, 82, 91)])
    outlet = play(tmp_path, ddl(5, CREATE, tables=[ids("t", 80, 81, 82)]), again, one(30, 1, 91), watermark(40))
    assert steps(outlet.ddls[1]) == [("shop.t.82", "shop.t.82"), ("shop.t.91", "shop.t.91"), ("shop.t.81", None)]
    assert outlet.ddls[1].in_band_dispatcher is None


def test_a_truncate_that_does_not_tell_the_new_id_leaves_it_open(tmp_path: Path) -> None:
    outlet = play(
        tmp_path,
        ddl(5, CREATE, tables=[ids("t", 71, columns=COLUMNS)]),
        ddl(20, "TRUNCATE t"),
        one(30, table_id=72),
        watermark(40),
    )
    after = outlet.ddls[1].tables[0].after
    assert after is not None
    assert after.table_id is None
    assert [(b.schema.table_id, [c.id for c in b.schema.columns]) for b in outlet.batches] == [(72, [1, 2])]


def test_columns_keep_their_ids_and_new_ones_have_those_that_are_told(tmp_path: Path) -> None:
    told = ids("t", 71, columns=("id", "v")) | {"columnIds": {"id": 1, "v": 2, "w": 7}}
    outlet = play(
        tmp_path,
        ddl(5, CREATE, tables=[ids("t", 71, columns=COLUMNS)]),
        ddl(10, "ALTER TABLE t RENAME COLUMN v TO u"),
        ddl(20, "ALTER TABLE t ADD COLUMN w INT FIRST", tables=[told]),
        ddl(30, "ALTER TABLE t ADD COLUMN x INT"),
        ddl(40, "CREATE TABLE n LIKE t"),
    )
    afters = [change.tables[0].after for change in outlet.ddls]
    assert [[(c.name, c.id) for c in after.columns] for after in afters if after is not None] == [
        [("id", 1), ("v", 2)],
        [("id", 1), ("u", 2)],
        [("w", 7), ("id", 1), ("u", 2)],
        [("w", 7), ("id", 1), ("u", 2), ("x", None)],
        [("w", 7), ("id", 1), ("u", 2), ("x", None)],
    ]


def test_in_an_exchange_the_two_tables_change_columns_and_take_the_ids_that_are_told(tmp_path: Path) -> None:
    outlet = play(
        tmp_path,
        ddl(5, "CREATE TABLE u (id BIGINT PRIMARY KEY, v VARCHAR(10) DEFAULT 'u')", tables=[ids("u", 72)]),
        ddl(6, "CREATE TABLE p (id BIGINT PRIMARY KEY, v VARCHAR(10) DEFAULT 'p')", tables=[ids("p", 80, 81, 82)]),
        ddl(20, "ALTER TABLE p EXCHANGE PARTITION one WITH TABLE u", tables=[ids("u", 82), ids("p", 80, 81, 72)]),
    )
    (change,) = outlet.ddls[2:]
    assert steps(change) == [
        ("shop.u", "shop.u"),
        (None, "shop.p.72"),
        ("shop.p.81", "shop.p.81"),
        ("shop.p.82", None),
    ]
    afters = [table.after for table in change.tables if table.after is not None]
    assert [(a.name.table, a.table_id, a.partition_id, a.columns[1].default) for a in afters] == [
        ("u", 82, None, "p"),
        ("p", 80, 72, "u"),
        ("p", 80, 81, "u"),
    ]


# -- restart


def test_a_resumed_run_knows_every_partition_and_id(tmp_path: Path) -> None:
    lines = (
        ddl(5, CREATE, tables=[ids("t", 80, 81, 82, columns=COLUMNS)]),
        one(10, 1, 81),
        one(11, 2, 82),
        watermark(12),
    )
    first = play(tmp_path, *lines)
    point = first.promises[-1]
    write(tmp_path / "log", *lines, ddl(20, "ALTER TABLE t ADD INDEX (v)"), one(30, 3, 82), watermark(40))

    rest = record(ChangeLog(path=str(tmp_path / "log")), resume=point, schemas=schemas_at(first, point))

    assert steps(rest.ddls[0]) == [("shop.t.81", "shop.t.81"), ("shop.t.82", "shop.t.82")]
    after = rest.ddls[0].tables[1].after
    assert after is not None
    assert (after.table_id, after.partition_id, [c.id for c in after.columns]) == (80, 82, [1, 2])
    assert rows(rest) == [("shop.t.82", 30, 0)]


def test_a_resumed_run_knows_whether_more_partitions_may_be_met(tmp_path: Path) -> None:
    lines = (one(10, 1, 81), watermark(12))
    first = play(tmp_path, *lines)
    point = first.promises[-1]
    write(tmp_path / "log", *lines, one(20, 1, 82), watermark(30))

    rest = record(ChangeLog(path=str(tmp_path / "log")), resume=point, schemas=schemas_at(first, point))

    assert rows(rest) == [("shop.t.82", 20, 0)]


def test_partitions_that_went_with_their_database_are_gone_also_after_a_restart(tmp_path: Path) -> None:
    lines = (
        ddl(5, CREATE, tables=[ids("t", 80, 81, 82)]),
        one(10, 1, 81),
        ddl(20, "DROP DATABASE shop"),
        watermark(21),
    )
    first = play(tmp_path, *lines)
    point = first.promises[-1]
    again = ddl(30, CREATE, tables=[ids("t", 90, 91)])
    write(tmp_path / "log", *lines, again, one(31, 1, 91), ddl(40, "DROP TABLE t"), watermark(50))

    rest = record(ChangeLog(path=str(tmp_path / "log")), resume=point, schemas=schemas_at(first, point))

    assert [[after for _, after in steps(change)] for change in rest.ddls] == [["shop.t.91"], [None]]
