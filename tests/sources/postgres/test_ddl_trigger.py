"""Schema changes at their own place in the stream, told by event triggers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.copied import Copied, copied
from tests.support.postgres_server import PostgresServer


@pytest.fixture
def copy(tmp_path: Path, logical_postgres: PostgresServer) -> Iterator[Copied]:
    options = {"snapshot": "initial", "ddl_trigger": True, "publish": "all"}
    with copied(tmp_path, logical_postgres.database(), **options) as found:
        found.db.execute("CREATE TABLE t (id int PRIMARY KEY, n bigint, name text)")
        found.db.execute("INSERT INTO t SELECT i, i, 'x' FROM generate_series(1, 20) i")
        found.catches_up()
        yield found


def test_what_no_row_follows(copy: Copied) -> None:
    """Each change is there although no row tells of it."""
    db = copy.db
    db.execute("ALTER TABLE t ADD COLUMN more int")
    db.execute("ALTER TABLE t RENAME COLUMN name TO called")
    db.execute("ALTER TABLE t RENAME TO u")
    db.execute("CREATE TABLE made (id int PRIMARY KEY)")
    db.execute("CREATE TABLE short (id int PRIMARY KEY)")
    db.execute("DROP TABLE short")
    db.execute("CREATE TEMPORARY TABLE passing (id int PRIMARY KEY)")
    copy.catches_up()
    assert copy.statements("t")[1:] == [
        "ALTER TABLE `public`.`t` ADD COLUMN `more` INT",
        "ALTER TABLE `public`.`t` RENAME COLUMN `name` TO `called`",
    ]
    assert copy.statements("u") == ["RENAME TABLE `public`.`t` TO `public`.`u`"]
    assert copy.statements("made") == ["CREATE TABLE `public`.`made` (`id` INT NOT NULL, PRIMARY KEY (`id`))"]
    assert copy.statements("short")[1:] == ["DROP TABLE `public`.`short`"]
    assert not (copy.lake / "public" / "passing").exists()
    copy.is_equal()


def test_many_in_one_transaction(copy: Copied) -> None:
    db = copy.db
    with db.transaction():
        db.execute("UPDATE t SET n = 0 WHERE id < 5")
        db.execute("ALTER TABLE t DROP COLUMN name")
        db.execute("ALTER TABLE t ADD COLUMN name int DEFAULT 7")
        db.execute("CREATE TABLE u AS SELECT * FROM t")
        db.execute("ALTER TABLE u ADD PRIMARY KEY (id)")
        db.execute("UPDATE t SET name = 8 WHERE id < 3")
        db.execute("DROP TABLE u")
        db.execute("CREATE TABLE u (id int PRIMARY KEY, what text)")
        db.execute("INSERT INTO u VALUES (1, 'second')")
    db.execute("UPDATE t SET name = 7")
    copy.catches_up()
    copy.is_equal()


def test_a_drop_is_not_believed_of_a_table_that_is_there(copy: Copied) -> None:
    oid = copy.one("SELECT 't'::regclass::oid::int8")
    copy.db.execute(
        "SELECT pg_logical_emit_message(true, 'afterbay.ddl', %s)", [f'{{"tag":"DROP TABLE","dropped":[{oid}]}}']
    )
    copy.db.execute("UPDATE t SET n = 5 WHERE id = 1")
    copy.catches_up()
    copy.is_equal()
