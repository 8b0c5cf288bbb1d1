"""The rows that are there, as of one position, and then the stream: no gap and no overlap."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from afterbay.errors import EnvironmentRefused
from afterbay_nodes.sources.postgres.connection import Access
from afterbay_nodes.sources.postgres.snapshot import Snapshot
from tests.support.cli import dies
from tests.support.copied import Copied, copied
from tests.support.postgres_server import PostgresServer


@pytest.fixture
def copy(tmp_path: Path, logical_postgres: PostgresServer) -> Iterator[Copied]:
    with copied(tmp_path, logical_postgres.database(), snapshot="initial") as found:
        for table in ("a", "b", "c"):
            found.db.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, n bigint, name text)")
            found.db.execute(f"INSERT INTO {table} SELECT i, i, 'name ' || i FROM generate_series(1, 1000) i")
        found.db.execute("TRUNCATE c")
        yield found


def test_what_is_there_and_what_comes(copy: Copied) -> None:
    report = copy.catches_up()
    assert report.rows_in == 2000
    copy.is_equal()
    assert copy.statements("c") == [
        "CREATE TABLE `public`.`c` (`id` INT NOT NULL, `n` BIGINT, `name` LONGTEXT, PRIMARY KEY (`id`))"
    ]
    copy.db.execute("UPDATE a SET n = n + 1 WHERE id % 2 = 0")
    copy.db.execute("INSERT INTO c VALUES (1, 2, NULL)")
    copy.db.execute("ALTER TABLE b ADD COLUMN more int")
    copy.db.execute("DELETE FROM b WHERE id < 10")
    assert copy.catches_up().rows_in == 500 + 1 + 9
    copy.is_equal()


def test_tables_that_come_later_are_read_and_then_followed(copy: Copied) -> None:
    """With what was committed before them in the log still to be sent."""
    db = copy.db
    copy.catches_up()
    db.execute("INSERT INTO c VALUES (1, 2, NULL)")
    db.execute("CREATE TABLE d (id int PRIMARY KEY, name text)")
    db.execute("INSERT INTO d SELECT i, 'before' FROM generate_series(1, 1000) i")
    db.execute("INSERT INTO c VALUES (2, 2, NULL)")
    assert copy.catches_up().rows_in == 1002
    db.execute("UPDATE d SET name = 'behind' WHERE id < 4")
    db.execute("CREATE TABLE e (id int PRIMARY KEY, name text)")
    db.execute("INSERT INTO e VALUES (1, 'e')")
    assert copy.catches_up().rows_in == 4
    copy.is_equal()


def test_only_the_snapshot(copy: Copied) -> None:
    """It ends by itself, and leaves nothing on the server."""
    copy.file.write_text(copy.file.read_text().replace('"initial"', '"only"'))
    assert copy.pipeline().run().rows_in == 2000
    assert copy.pipeline().run().rows_in == 0
    copy.is_equal()
    assert copy.one("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()") == 0
    assert copy.one("SELECT count(*) FROM pg_publication") == 0


@pytest.mark.parametrize("step", ["link:2:after", "link:4:before", "commit:4:after", "link:9:after"])
def test_dies_inside_the_snapshot(tmp_path: Path, logical_postgres: PostgresServer, step: str) -> None:
    """Then again, with other rows: what was not whole is taken back."""
    sink = {"file_size": "16KiB", "flush_interval": "50ms"}
    with copied(tmp_path, logical_postgres.database(), sink, snapshot="initial") as copy:
        for table in ("a", "b", "c", "d"):
            copy.db.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, n bigint, name text)")
            copy.db.execute(f"INSERT INTO {table} SELECT i, i, repeat('x', 50) FROM generate_series(1, 2000) i")
        dies(step, "run", copy.file, cwd=tmp_path)
        for table in ("a", "b", "c", "d"):
            copy.db.execute(f"DELETE FROM {table} WHERE id % 3 = 0")
            copy.db.execute(f"UPDATE {table} SET id = -id WHERE id % 3 = 1")
        copy.db.execute("ALTER TABLE d ADD COLUMN more int DEFAULT 3")
        dies("commit:3:before", "run", copy.file, cwd=tmp_path)
        copy.db.execute("INSERT INTO b VALUES (0, 0, 'last')")
        copy.catches_up()
        copy.is_equal()
        assert copy.catches_up().rows_in == 0


def test_row_security_hides_nothing(copy: Copied) -> None:
    """The server refuses the reading, where it would have left rows out."""
    copy.db.execute("ALTER TABLE a ENABLE ROW LEVEL SECURITY")
    copy.db.execute("DROP ROLE IF EXISTS reader")
    copy.db.execute("CREATE ROLE reader LOGIN REPLICATION")
    copy.db.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    copy.db.execute(f"CREATE PUBLICATION {copy.slot} FOR ALL TABLES")
    copy.file.write_text(copy.file.read_text().replace("postgresql://afterbay@", "postgresql://reader@"))
    try:
        with pytest.raises(EnvironmentRefused, match="row-level security"):
            copy.catches_up()
    finally:
        copy.db.execute("DROP OWNED BY reader")
        copy.db.execute("DROP ROLE reader")


ALTERED = {
    "a column hands its name on": "ALTER TABLE a RENAME n TO m; ALTER TABLE a ADD n bigint",
    "columns exchange their names": "ALTER TABLE a RENAME n TO x; ALTER TABLE a RENAME id TO n; "
    "ALTER TABLE a RENAME x TO id",
    "a column is dropped and added": "ALTER TABLE a DROP name, ADD name text",
    "tables exchange their names": "ALTER TABLE a RENAME TO x; ALTER TABLE b RENAME TO a; ALTER TABLE x RENAME TO b",
    "a table goes": "DROP TABLE a",
}


@pytest.mark.parametrize("ddl", ALTERED.values(), ids=ALTERED)
def test_what_is_altered_before_its_lock_is_read_as_of_a_later_position(
    copy: Copied, monkeypatch: pytest.MonkeyPatch, ddl: str
) -> None:
    """COPY takes names as they are now, and the snapshot has them as they were."""
    copy.db.execute("UPDATE b SET n = -n")
    make, once = Snapshot.__init__, [ddl]

    def altered(self: Snapshot, access: Access, name: str) -> None:
        make(self, access, name)
        while once:
            copy.db.execute(f"BEGIN; {once.pop()}; COMMIT")

    monkeypatch.setattr(Snapshot, "__init__", altered)
    copy.catches_up()
    copy.is_equal()


def test_a_snapshot_whose_holder_is_cut_off_is_taken_anew(copy: Copied, monkeypatch: pytest.MonkeyPatch) -> None:
    make, once = Snapshot.__init__, [1]

    def cut_off(self: Snapshot, access: Access, name: str) -> None:
        make(self, access, name)
        while once:
            once.pop()
            copy.db.execute("SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots WHERE temporary")

    monkeypatch.setattr(Snapshot, "__init__", cut_off)
    copy.catches_up()
    copy.is_equal()
