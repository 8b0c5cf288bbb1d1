"""DDLs of a change log: when they go, to whom, and with which columns."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from afterbay.errors import RunFailed
from afterbay.messages import ChangeBatch, DdlKind, SchemaChange
from afterbay.schema import Column
from afterbay_nodes.sources.change_log import ChangeLog
from tests.support.canal import ddl, row, watermark, write
from tests.support.outlet import Announced, RecordingOutlet, record, schemas_at

CREATE = "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(10))"


def play(tmp_path: Path, *lines: bytes) -> RecordingOutlet:
    return record(ChangeLog(path=str(write(tmp_path / "log", *lines))))


def one(commit_ts: int, number: int = 1, table: str = "t") -> bytes:
    return row(table, commit_ts, {"id": str(number), "v": "x"})


def order(outlet: RecordingOutlet) -> list[str]:
    """What was sent, in short: rows and schema changes by their commit-ts."""
    out = []
    for item in outlet.sent:
        if isinstance(item, ChangeBatch):
            out.append(f"rows {item.first.commit_ts}")
        elif isinstance(item, SchemaChange):
            out.append(f"ddl {item.commit_ts}")
        elif isinstance(item, Announced):
            out.append(f"announce {item.schema.version}")
    return out


def test_a_ddl_of_one_table_is_in_band_and_stands_between_its_rows(tmp_path: Path) -> None:
    outlet = play(tmp_path, ddl(5, CREATE), one(10), ddl(20, "ALTER TABLE t ADD INDEX (v)"), one(30), watermark(30))
    assert order(outlet) == ["ddl 5", "rows 10", "ddl 20", "rows 30"]
    create, alter = outlet.ddls
    assert create.in_band_dispatcher == alter.in_band_dispatcher == "shop.t"
    assert (create.kind, alter.kind) == (DdlKind.CREATE_TABLE, DdlKind.ADD_INDEX)
    assert [batch.schema.version for batch in outlet.batches] == [5, 20]


def test_truncate_rename_drop_and_making_again_are_graph_wide(tmp_path: Path) -> None:
    outlet = play(
        tmp_path,
        ddl(5, CREATE),
        ddl(10, "TRUNCATE TABLE t"),
        ddl(20, "RENAME TABLE t TO u"),
        ddl(30, "DROP TABLE u"),
        ddl(40, "CREATE TABLE u (id BIGINT)"),
    )
    assert [change.in_band_dispatcher for change in outlet.ddls] == ["shop.t", None, None, None, None]
    rename, drop = outlet.ddls[2], outlet.ddls[3]
    assert (rename.tables[0].dispatcher_before, rename.tables[0].dispatcher_after) == ("shop.t", "shop.u")
    assert drop.tables[0].after is None


def test_a_statement_of_several_tables_is_split(tmp_path: Path) -> None:
    outlet = play(
        tmp_path,
        *(one(9, table=name) for name in "ab"),
        ddl(10, "RENAME TABLE a TO tmp, b TO a, tmp TO b"),
        ddl(20, "DROP TABLE a, b"),
    )
    rename, drop = outlet.ddls
    assert rename.kind == DdlKind.RENAME_TABLE
    assert [table.query for table in rename.tables] == [
        "RENAME TABLE `shop`.`a` TO `shop`.`tmp`",
        "RENAME TABLE `shop`.`b` TO `shop`.`a`",
        "RENAME TABLE `shop`.`tmp` TO `shop`.`b`",
    ]
    assert [table.query for table in drop.tables] == ["DROP TABLE `shop`.`a`", "DROP TABLE `shop`.`b`"]


def test_create_like_takes_the_columns_of_its_model(tmp_path: Path) -> None:
    outlet = play(tmp_path, ddl(5, CREATE), ddl(6, "CREATE TABLE u LIKE t"))
    first, second = (change.tables[0].after for change in outlet.ddls)
    assert first is not None
    assert second is not None
    assert second.columns == first.columns


def test_an_exchange_of_partitions_names_the_plain_table_first(tmp_path: Path) -> None:
    outlet = play(tmp_path, one(9), one(9, table="u"), ddl(10, "ALTER TABLE t EXCHANGE PARTITION p WITH TABLE u"))
    (change,) = outlet.ddls
    assert [table.dispatcher_after for table in change.tables] == ["shop.u", "shop.t"]
    assert change.in_band_dispatcher is None


def test_a_ddl_whose_columns_are_unknown_waits_for_the_tables_next_row(tmp_path: Path) -> None:
    wider = row("t", 30, {"id": "1", "v": "x", "w": "7"}, types={"id": "bigint", "v": "varchar", "w": "int"})
    outlet = play(
        tmp_path, ddl(5, CREATE), one(10), ddl(20, "ALTER TABLE t DO SOMETHING NEW"), one(25, table="u"), wider
    )
    assert order(outlet) == ["ddl 5", "rows 10", "announce 24", "ddl 20", "rows 30", "rows 25"]
    change = outlet.ddls[1]
    after = change.tables[0].after
    assert after is not None
    assert (after.version, change.query) == (20, "ALTER TABLE t DO SOMETHING NEW")
    assert after.columns == (
        Column("id", "bigint", nullable=False, primary_key=True),
        Column("v", "varchar", length=10),
        Column("w", "int"),
    )


def test_or_for_the_next_watermark_and_then_the_row_is_right(tmp_path: Path) -> None:
    wider = row("t", 30, {"id": "1", "w": "7"}, types={"id": "bigint", "w": "int"})
    outlet = play(tmp_path, ddl(5, CREATE), ddl(20, "ALTER TABLE t DO SOMETHING NEW"), watermark(21), wider)
    assert order(outlet) == ["ddl 5", "ddl 20", "announce 30", "rows 30"]
    assert [column.name for column in outlet.schemas["shop.t"].columns] == ["id", "w"]


def test_a_guess_is_remembered_by_the_checkpoint(tmp_path: Path) -> None:
    wider = row("t", 30, {"id": "1", "w": "7"}, types={"id": "bigint", "w": "int"})
    lines = (ddl(5, CREATE), ddl(20, "ALTER TABLE t DO SOMETHING NEW"), watermark(21))
    first = play(tmp_path, *lines)
    point = first.promises[-1]
    write(tmp_path / "log", *lines, wider)
    rest = record(ChangeLog(path=str(tmp_path / "log")), resume=point, schemas=schemas_at(first, point))
    assert order(rest) == ["announce 30", "rows 30"]


def test_a_created_table_nobody_tells_of_is_a_barrier_for_its_schema(tmp_path: Path) -> None:
    outlet = play(tmp_path, ddl(5, "CREATE TABLE t SELECT 1"), watermark(6), one(7))
    (change,) = outlet.ddls
    assert (change.tables, change.database, change.query) == ((), "shop", "CREATE TABLE t SELECT 1")
    assert order(outlet) == ["ddl 5", "announce 6", "rows 7"]


def test_an_unknown_statement_is_a_barrier_for_its_schema_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        outlet = play(tmp_path, one(9), one(10, table="u"), ddl(20, "INVENT something"), one(30))
    assert order(outlet) == ["announce 8", "announce 9", "rows 9", "rows 10", "ddl 20", "rows 30"]
    assert outlet.ddls[0].in_band_dispatcher is None
    assert outlet.ddls[0].database == "shop"
    assert "not understood" in caplog.text


def test_where_a_row_contradicts_the_ddl_about_a_type_the_row_is_right(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = row("t", 10, {"id": "1", "v": "x"}, types={"id": "int unsigned", "v": "varchar"})
    with caplog.at_level(logging.WARNING):
        outlet = play(tmp_path, ddl(5, CREATE), odd)
    assert order(outlet) == ["ddl 5", "announce 10", "rows 10"]
    assert outlet.schemas["shop.t"].columns[0] == Column("id", "int", unsigned=True, nullable=False, primary_key=True)
    assert "contradicts" in caplog.text


ODD = {"id": "int unsigned", "v": "varchar"}
ODDER = {"id": "int unsigned", "v": "text"}


def schemas_of(outlet: RecordingOutlet) -> set[tuple[int, tuple[Column, ...]]]:
    """(version, columns) of all that was announced or made by DDLs."""
    made = [table.after for change in outlet.ddls for table in change.tables if table.after is not None]
    return {(schema.version, schema.columns) for schema in [*made, *(item.schema for item in outlet.announced)]}


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ((ddl(5, CREATE), row("t", 5, {"id": "1", "v": "x"}, types=ODD)), "change_log.column"),
        ((ddl(5, CREATE), row("t", 5, {"id": "1", "v": "x"}, key=["v"])), "change_log.column"),
        (
            (
                ddl(5, CREATE),
                row("t", 10, {"id": "1", "v": "x"}, types=ODD),
                row("t", 10, {"id": "2", "v": "x"}, types=ODDER),
            ),
            "change_log.column",
        ),
        (
            (
                watermark(9),
                row("t", 10, {"id": "1", "v": "x"}, partition=7),
                row("t", 10, {"id": "2", "v": "x"}, types=ODD, partition=8),
            ),
            "change_log.column",
        ),
        (
            (
                ddl(5, CREATE),
                row("t", 10, {"id": "1", "v": "x"}, types=ODD),
                ddl(10, "ALTER TABLE t ADD COLUMN w INT", table="t"),
            ),
            "change_log.order",
        ),
    ],
)
def test_no_version_is_of_two_schemas(tmp_path: Path, lines: tuple[bytes, ...], code: str) -> None:
    """Neither a row nor a DDL changes a table at the commit-ts that is its schema's version already (I3)."""
    with pytest.raises(RunFailed) as caught:
        play(tmp_path, *lines)
    assert caught.value.code == code
    assert "version of one schema only" in str(caught.value)
    log = write(tmp_path / "log", *lines, watermark(20))
    outlet = record(ChangeLog(path=str(log), on_bad_line="reject", rejects=str(tmp_path / "rejects")))
    found = schemas_of(outlet)
    assert len({version for version, _ in found}) == len(found)
    assert len((tmp_path / "rejects").read_bytes().splitlines()) == 1


def test_the_handle_key_is_the_rows(tmp_path: Path) -> None:
    outlet = play(tmp_path, ddl(5, "CREATE TABLE t (id BIGINT, v VARCHAR(10))"), one(10))
    assert [column.name for column in outlet.schemas["shop.t"].key_columns] == ["id"]


def test_virtual_columns_are_not_expected_in_rows(tmp_path: Path) -> None:
    sql = "CREATE TABLE t (id BIGINT PRIMARY KEY, w INT AS (id + 1) VIRTUAL, v VARCHAR(10))"
    outlet = play(tmp_path, ddl(5, sql), one(10))
    assert outlet.announced == []
    assert [column.name for column in outlet.batches[0].schema.stored_columns] == ["id", "v"]


def test_tables_of_a_dropped_database_are_gone_also_after_a_restart(tmp_path: Path) -> None:
    lines = (one(9), ddl(20, "DROP DATABASE shop"), watermark(21))
    first = play(tmp_path, *lines)
    assert (first.ddls[0].database, first.ddls[0].tables) == ("shop", ())
    point = first.promises[-1]
    write(tmp_path / "log", *lines, row("t", 30, {"x": "1"}, key=["x"]))
    rest = record(ChangeLog(path=str(tmp_path / "log")), resume=point, schemas=schemas_at(first, point))
    assert order(rest) == ["announce 29", "rows 30"]


def test_rows_of_a_dropped_table_that_are_sent_again_are_repeats(tmp_path: Path) -> None:
    outlet = play(tmp_path, one(9), one(10), ddl(20, "DROP TABLE t"), one(9), one(10), watermark(20))
    assert order(outlet) == ["announce 8", "rows 9", "ddl 20"]
    assert outlet.repeats == 2


# -- one version, one schema


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ALTER TABLE t ADD COLUMN w INT", "ALTER TABLE t ADD COLUMN x INT"),
        ("DROP TABLE t", "CREATE TABLE t (id BIGINT PRIMARY KEY, other INT)"),
        ("DROP TABLE t", "CREATE TABLE t SELECT 1"),
        ("TRUNCATE TABLE t", "ALTER TABLE t ADD COLUMN x INT"),
        ("RENAME TABLE t TO u", "ALTER TABLE u ADD COLUMN x INT"),
        ("ALTER TABLE t DO SOMETHING NEW", "DROP TABLE t"),
    ],
)
def test_a_second_ddl_of_a_table_at_one_commit_ts_is_refused_with_its_place(
    tmp_path: Path, first: str, second: str
) -> None:
    with pytest.raises(
        RunFailed, match=r"log:4, table shop\.[tu] \[change_log\.order\] a second DDL of the table at 20"
    ):
        play(tmp_path, ddl(5, CREATE), one(10), ddl(20, first), ddl(20, second), watermark(20))


def test_the_parts_of_one_statement_share_its_commit_ts(tmp_path: Path) -> None:
    """TiCDC splits it by table. A name that is used on the way has no version of its own."""
    outlet = play(
        tmp_path,
        ddl(5, CREATE),
        ddl(6, CREATE.replace("TABLE t", "TABLE u")),
        ddl(20, "RENAME TABLE t TO x"),
        ddl(20, "RENAME TABLE u TO t"),
        ddl(30, "RENAME TABLE t TO y, x TO t, y TO x"),
        ddl(40, "DROP TABLE t"),
        ddl(40, "DROP TABLE x"),
        watermark(40),
    )
    assert [change.commit_ts for change in outlet.ddls] == [5, 6, 20, 20, 30, 40, 40]
