"""A real server's stream as files: what the store holds in the end is what the database holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from afterbay.errors import RunFailed
from afterbay_nodes.sources.postgres import transactions
from tests.support.cli import dies
from tests.support.copied import Copied, copied
from tests.support.played import played
from tests.support.postgres_server import PostgresServer
from tests.support.replication import Replication


@pytest.fixture
def copy(tmp_path: Path, logical_postgres: PostgresServer) -> Iterator[Copied]:
    with copied(tmp_path, logical_postgres.database()) as found:
        found.db.execute("CREATE TABLE t (id int PRIMARY KEY, n bigint, name text)")
        found.catches_up()
        yield found


def test_rows_in_several_runs(copy: Copied) -> None:
    db = copy.db
    db.execute("INSERT INTO t SELECT i, i, 'name ' || i FROM generate_series(1, 1000) i")
    db.execute("UPDATE t SET n = n + 1 WHERE id % 2 = 0")
    assert copy.catches_up().rows_in == 1500
    db.execute("DELETE FROM t WHERE id % 7 = 0")
    copy.catches_up()
    assert copy.catches_up().rows_in == 0
    copy.is_equal()


def test_a_key_that_changes_twice_in_one_transaction(copy: Copied) -> None:
    db = copy.db
    db.execute("INSERT INTO t SELECT i, i, 'x' FROM generate_series(1, 20) i")
    with db.transaction():
        db.execute("UPDATE t SET id = 100 WHERE id = 1")
        db.execute("UPDATE t SET id = 101, n = 5 WHERE id = 100")
        db.execute("UPDATE t SET id = 1 WHERE id = 2")
        db.execute("DELETE FROM t WHERE id = 3")
        db.execute("UPDATE t SET id = 3 WHERE id = 101")
    copy.catches_up()
    copy.is_equal()


def test_schema_changes_in_the_middle_of_a_transaction(copy: Copied) -> None:
    db = copy.db
    db.execute("INSERT INTO t SELECT i, i, 'x' FROM generate_series(1, 20) i")
    with db.transaction():
        db.execute("UPDATE t SET n = 0 WHERE id < 5")
        db.execute("ALTER TABLE t ADD COLUMN more text")
        db.execute("UPDATE t SET more = 'm' WHERE id < 10")
        db.execute("ALTER TABLE t DROP COLUMN name")
        db.execute("UPDATE t SET more = 'o' WHERE id < 3")
        db.execute("ALTER TABLE t RENAME COLUMN more TO other")
        db.execute("ALTER TABLE t ALTER COLUMN n TYPE numeric(20,2)")
        db.execute("INSERT INTO t VALUES (50, 1.5, 'p')")
        db.execute("TRUNCATE t")
        db.execute("INSERT INTO t VALUES (51, 2.5, 'q')")
    copy.catches_up()
    assert copy.statements("t") == [
        "",
        "ALTER TABLE `public`.`t` ADD COLUMN `more` LONGTEXT",
        "ALTER TABLE `public`.`t` DROP COLUMN `name`",
        "ALTER TABLE `public`.`t` MODIFY COLUMN `n` DECIMAL(20,2), RENAME COLUMN `more` TO `other`",
        "TRUNCATE TABLE `public`.`t`",
    ]
    copy.is_equal()


def test_a_renamed_table(copy: Copied) -> None:
    db = copy.db
    db.execute("INSERT INTO t VALUES (1, 1, 'x')")
    db.execute("ALTER TABLE t RENAME TO u")
    db.execute("INSERT INTO u VALUES (2, 2, 'y')")
    copy.catches_up()
    assert copy.statements("u") == ["RENAME TABLE `public`.`t` TO `public`.`u`"]
    copy.is_equal()


def test_a_schema_change_between_two_runs(copy: Copied) -> None:
    db = copy.db
    db.execute("INSERT INTO t VALUES (1, 1, 'x')")
    copy.catches_up()
    db.execute("ALTER TABLE t ADD COLUMN more int, ADD COLUMN less text")
    db.execute("INSERT INTO t VALUES (2, 2, 'y', 3, 'z')")
    copy.catches_up()
    assert len(copy.statements("t")) == 2
    copy.is_equal()


def test_a_transaction_larger_than_what_is_held(copy: Copied, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits in the scratch file, of which nothing is left."""
    monkeypatch.setattr(transactions, "HELD_BYTES", 1 << 20)
    db = copy.db
    db.execute("CREATE TABLE u (id int PRIMARY KEY, name text)")
    db.execute("ALTER PUBLICATION " + copy.slot + " ADD TABLE u")
    with db.transaction():
        db.execute("INSERT INTO t SELECT i, i, repeat('x', 100) FROM generate_series(1, 60000) i")
        db.execute("INSERT INTO u SELECT i, 'u' FROM generate_series(1, 10) i")
        db.execute("UPDATE t SET id = id + 100000 WHERE id % 3 = 0")
        db.execute("ALTER TABLE t ADD COLUMN more int")
        db.execute("UPDATE t SET more = 1 WHERE id % 2 = 0")
    copy.catches_up()
    copy.is_equal()
    assert [path.name for path in (copy.state / "nodes" / "pg").iterdir()] == ["catalog-answers.jsonl"]


def test_a_new_column_with_a_default_fills_the_rows_that_are_there(copy: Copied) -> None:
    db = copy.db
    db.execute("INSERT INTO t SELECT i, i, 'x' FROM generate_series(1, 20) i")
    db.execute("ALTER TABLE t ADD COLUMN a int NOT NULL DEFAULT 7, ADD COLUMN b text DEFAULT 'it''s \\ {so}, \"yes\"'")
    db.execute("ALTER TABLE t ADD COLUMN c boolean DEFAULT true, ADD COLUMN d timestamptz(2) DEFAULT '2026-01-01 +02'")
    db.execute("ALTER TABLE t ADD COLUMN e numeric(8,3) DEFAULT 1.5, ADD COLUMN f time DEFAULT '01:02'")
    db.execute("INSERT INTO t (id) VALUES (21)")
    copy.catches_up()
    copy.is_equal()


def test_what_the_catalog_said_before_a_kill_is_what_it_says_after_it(copy: Copied) -> None:
    """A column's default is asked of the catalog, which has another answer by the time the stream is read again."""
    db = copy.db
    db.execute("INSERT INTO t SELECT i, i, 'x' FROM generate_series(1, 20) i")
    copy.catches_up()
    db.execute("ALTER TABLE t ADD COLUMN more int NOT NULL DEFAULT 7")
    db.execute("INSERT INTO t VALUES (21, 21, 'y', 8)")
    dies("link:1:after", "run", copy.file, "--until", "forever", cwd=copy.folder)
    said = copy.statements("t")
    assert said[1:] == ["ALTER TABLE `public`.`t` ADD COLUMN `more` INT DEFAULT '7'"]
    db.execute("ALTER TABLE t RENAME COLUMN more TO less")
    db.execute("UPDATE t SET name = 'z' WHERE id = 21")
    copy.catches_up()
    assert copy.statements("t") == [*said, "ALTER TABLE `public`.`t` RENAME COLUMN `more` TO `less`"]
    copy.is_equal()


def test_columns_as_text_hold_what_their_type_here_cannot(tmp_path: Path, logical_postgres: PostgresServer) -> None:
    as_text = [{"match": "public.*", "columns": ["day", "no_*"]}]
    with copied(tmp_path, logical_postgres.database(), snapshot="initial", as_text=as_text) as copy:
        copy.db.execute("CREATE TABLE t (id int PRIMARY KEY, day date, no_price numeric(8,2), price numeric(8,2))")
        copy.db.execute("INSERT INTO t VALUES (1, 'infinity', 'NaN', 1.5)")
        copy.catches_up()
        copy.db.execute("INSERT INTO t VALUES (2, '2000-01-01 BC', 'NaN', 2.5)")
        copy.catches_up()
        assert "`day` LONGTEXT, `no_price` LONGTEXT, `price` DECIMAL(8,2)" in copy.statements("t")[0]
        copy.is_equal()


def test_a_table_in_another_form_keeps_its_order(tmp_path: Path, logical_postgres: PostgresServer) -> None:
    """Many rows behind the change would leave at once, few in front of it wait for others."""
    with Replication(logical_postgres.database()) as slot:
        slot.db.execute("CREATE TABLE public.t (id int PRIMARY KEY, name text)")
        slot.db.execute("INSERT INTO public.t VALUES (0, 'x')")
        slot.db.execute("ALTER TABLE public.t REPLICA IDENTITY FULL")
        slot.db.execute("INSERT INTO public.t SELECT i, repeat('x', 1000) FROM generate_series(1, 3000) i")
        found = played(slot.messages(), slot.db, tmp_path, 10_000)["public.t"]
    assert [row.values["id"] for row in found] == list(range(3001))


def test_more_schema_changes_than_there_are_numbers_for(copy: Copied) -> None:
    with copy.db.transaction():
        for number in range(33):  # the first is how the table is met
            copy.db.execute(f"ALTER TABLE t ADD COLUMN c{number} int")
            copy.db.execute(f"INSERT INTO t (id) VALUES ({number})")
    with pytest.raises(RunFailed, match="32 schema changes") as caught:
        copy.catches_up()
    assert caught.value.code == "postgres.ddls"


def test_a_transaction_larger_than_it_may_be(copy: Copied, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "HELD_BYTES", 1 << 20)
    document = json.loads(copy.file.read_text())
    document["nodes"]["pg"]["transaction_limit"] = "2MiB"
    copy.file.write_text(json.dumps(document))
    copy.db.execute("INSERT INTO t SELECT i, i, repeat('x', 100) FROM generate_series(1, 60000) i")
    with pytest.raises(RunFailed, match="`transaction_limit` allows more"):
        copy.catches_up()
    assert list((copy.state / "nodes" / "pg").iterdir()) == []


HANDED_ON = {
    "replaced": "ALTER TABLE t RENAME TO old; ALTER TABLE u RENAME TO t; "
    "INSERT INTO t VALUES (9); INSERT INTO old (id) VALUES (9)",
    "exchanged": "ALTER TABLE t RENAME TO x; ALTER TABLE u RENAME TO t; ALTER TABLE x RENAME TO u; "
    "INSERT INTO u (id) VALUES (9); INSERT INTO t VALUES (9)",
}


@pytest.mark.parametrize("ddl", HANDED_ON.values(), ids=HANDED_ON)
def test_names_that_tables_hand_on_are_not_told_by_rows(
    tmp_path: Path, logical_postgres: PostgresServer, ddl: str
) -> None:
    with copied(tmp_path, logical_postgres.database(), snapshot="initial") as copy:
        copy.db.execute("CREATE TABLE t (id int PRIMARY KEY, n bigint)")
        copy.db.execute("CREATE TABLE u (id int PRIMARY KEY)")
        copy.db.execute("INSERT INTO t VALUES (1, 1); INSERT INTO u VALUES (2)")
        copy.catches_up()
        copy.db.execute(f"BEGIN; {ddl}; COMMIT")
        with pytest.raises(RunFailed, match="has not been told another") as caught:
            copy.catches_up()
        assert caught.value.code == "postgres.names"


def test_a_column_that_is_dropped_and_added_anew(copy: Copied) -> None:
    copy.db.execute("INSERT INTO t VALUES (1, 1, 'x')")
    copy.catches_up()
    copy.db.execute("ALTER TABLE t DROP COLUMN n, ADD COLUMN n bigint")
    copy.db.execute("INSERT INTO t VALUES (2, 'y', 2)")
    copy.catches_up()
    copy.is_equal()


def test_columns_that_come_in_another_order_are_not_told_by_rows(copy: Copied) -> None:
    """The catalog is asked when a column has gone and come again since."""
    copy.db.execute("INSERT INTO t VALUES (1, 1, 'x')")
    copy.catches_up()
    copy.db.execute("ALTER TABLE t ADD COLUMN c int")
    copy.db.execute("INSERT INTO t VALUES (2, 2, 'y', 2)")
    copy.db.execute("ALTER TABLE t DROP COLUMN n, ADD COLUMN n bigint")
    copy.db.execute("INSERT INTO t VALUES (3, 'z', 3, 3)")
    with pytest.raises(RunFailed, match="another order") as caught:
        copy.catches_up()
    assert caught.value.code == "postgres.columns"
