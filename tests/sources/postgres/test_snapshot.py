"""The rows that are there, as of one position, and then the stream: no gap and no overlap."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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
