"""Schema changes at their own place in the stream, told by event triggers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.copied import Copied, copied
from tests.support.failed_run import failure
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
        "SELECT pg_logical_emit_message(true, 'afterbay.ddl.' || last_value, %s) FROM _afterbay.seal",
        [f'{{"tag":"DROP TABLE","dropped":[{oid}]}}'],
    )
    copy.db.execute("UPDATE t SET n = 5 WHERE id = 1")
    copy.catches_up()
    copy.is_equal()


def test_a_column_that_is_dropped_and_added_in_one_statement(copy: Copied) -> None:
    """Its name, type and place are the same; its number is another."""
    copy.db.execute("ALTER TABLE t DROP COLUMN name, ADD COLUMN name text")
    copy.db.execute("INSERT INTO t VALUES (21, 21, 'y')")
    copy.catches_up()
    assert copy.statements("t")[-1] == "ALTER TABLE `public`.`t` DROP COLUMN `name`, ADD COLUMN `name` LONGTEXT"
    copy.is_equal()


def test_a_key_that_goes_where_the_whole_row_identifies(copy: Copied) -> None:
    copy.db.execute("ALTER TABLE t REPLICA IDENTITY FULL")
    copy.db.execute("ALTER TABLE t DROP CONSTRAINT t_pkey")
    copy.db.execute("INSERT INTO t VALUES (1, 21, 'again')")
    copy.catches_up()
    assert copy.statements("t")[-1].endswith("DROP PRIMARY KEY")
    copy.is_equal()


@pytest.fixture
def stranger(copy: Copied) -> Iterator[psycopg.Connection[Any]]:
    """A role that may do nothing but connect, as anybody may who has some job in the database."""
    copy.db.execute("DROP ROLE IF EXISTS stranger")
    copy.db.execute("CREATE ROLE stranger LOGIN")
    with psycopg.connect(copy.uri.replace("afterbay@", "stranger@"), autocommit=True) as db:
        yield db
    copy.db.execute("DROP OWNED BY stranger")
    copy.db.execute("DROP ROLE stranger")


def test_what_a_stranger_says_is_not_heard(copy: Copied, stranger: psycopg.Connection[Any]) -> None:
    """It would drop columns of the copy, or end the run for good."""
    oid = copy.one("SELECT 't'::regclass::oid::int8")
    said = f"""{{"tag": "ALTER TABLE", "tables": [{{"oid": {oid}, "schema": "public", "name": "t", "identity": "d",
        "columns": [["id", 23, -1, 1, true, true, null]]}}]}}"""
    for prefix in ("afterbay.ddl", "afterbay.ddl.", "afterbay.ddl.1", "afterbay.ddl.0", "afterbay.ddl.None"):
        stranger.execute("SELECT pg_logical_emit_message(true, %s, %s)", [prefix, said])
        stranger.execute("SELECT pg_logical_emit_message(true, %s, 'no JSON')", [prefix])
    copy.db.execute("UPDATE t SET n = 5 WHERE id = 1")
    copy.catches_up()
    assert len(copy.statements("t")) == 1
    copy.is_equal()
    for question in (
        "SELECT last_value FROM _afterbay.seal",
        "SELECT nextval('_afterbay.seal')",
        "SELECT _afterbay.told_ddl()",
    ):
        with pytest.raises(psycopg.Error):
            stranger.execute(question)
    assert stranger.execute("SELECT last_value FROM pg_sequences WHERE sequencename = 'seal'").fetchone() == (None,)


def test_a_strangers_own_ddl_is_told(copy: Copied, stranger: psycopg.Connection[Any]) -> None:
    """The triggers speak for everybody who may alter a table."""
    copy.db.execute("ALTER TABLE t OWNER TO stranger")
    # What runs with its owner's rights takes nothing of theirs for the catalog's.
    stranger.execute("CREATE TEMPORARY TABLE pg_class AS SELECT * FROM pg_catalog.pg_class LIMIT 0")
    stranger.execute("CREATE TEMPORARY TABLE pg_attribute (LIKE pg_catalog.pg_class)")
    stranger.execute("ALTER TABLE t ADD COLUMN theirs int DEFAULT 4")
    copy.catches_up()
    assert copy.statements("t")[-1].startswith("ALTER TABLE `public`.`t` ADD COLUMN `theirs` INT")
    copy.is_equal()
    copy.db.execute("ALTER TABLE t OWNER TO afterbay")


def test_a_role_that_cannot_know_the_triggers_is_told(copy: Copied, stranger: psycopg.Connection[Any]) -> None:
    copy.db.execute("ALTER ROLE stranger REPLICATION")
    copy.db.execute("GRANT SELECT ON t TO stranger")
    copy.file.write_text(copy.file.read_text().replace("postgresql://afterbay@", "postgresql://stranger@"))
    error = failure(copy.catches_up)
    assert [item.code for item in error.diagnostics] == ["postgres.ddl_trigger"]
    copy.db.execute("GRANT USAGE ON SCHEMA _afterbay TO stranger")
    copy.db.execute("GRANT SELECT ON SEQUENCE _afterbay.seal TO stranger")
    copy.db.execute("ALTER TABLE t ADD COLUMN more int")
    copy.catches_up()
    assert len(copy.statements("t")) == 2
