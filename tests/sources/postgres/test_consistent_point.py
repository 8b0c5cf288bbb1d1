"""A transaction whose commit is exactly where a slot begins: it is in the stream, and in no snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest

from tests.reader.bucket import read_bucket
from tests.reader.csv_rows import CsvDialect
from tests.reader.paths import StoreShape
from tests.support.copied import Copied, copied
from tests.support.postgres_server import PostgresServer
from tests.support.waiting import DEADLINE, until

TRIES = 10
"""The server writes to its log, too: its record may come between the slot's point and the commit."""

WAITS = "SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted AND transactionid = %s::xid"
POINT = "SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots WHERE slot_name LIKE %s AND slot_name <> %s"


@pytest.fixture
def copy(tmp_path: Path, logical_postgres: PostgresServer) -> Iterator[Copied]:
    with copied(tmp_path, logical_postgres.database(), snapshot="initial") as found:
        found.db.execute("CREATE TABLE t (id int PRIMARY KEY, n bigint)")
        yield found


def begun(db: psycopg.Connection[Any], sql: str = "SELECT pg_current_xact_id()") -> str:
    """Begins a transaction that has a number, and gives that."""
    db.execute("BEGIN")
    db.execute(sql)
    (xid,) = db.execute("SELECT pg_current_xact_id()::xid::text").fetchone() or ("",)
    return str(xid)


def commits_at_the_point(copy: Copied, make: Callable[[], object], named: str, sql: str) -> int:
    """Makes a slot by `make`, and commits `sql` as soon as there is a point from which it begins, which it gives.

    A slot waits for the transactions that are open, and then for those that were open then. The last one begins
    when the server has all of it to come before its eyes, and ends when the waiting is over.
    """
    with ExitStack() as stack:
        first, second, last = (stack.enter_context(psycopg.connect(copy.uri, autocommit=True)) for _ in range(3))
        held = begun(first)
        making = Thread(target=make)
        making.start()
        until(lambda: copy.one(WAITS, held))
        also = begun(second)
        first.execute("COMMIT")
        until(lambda: copy.one(WAITS, also))
        begun(last, sql)
        second.execute("COMMIT")
        until(lambda: (found := copy.db.execute(POINT, [named, copy.slot]).fetchone()) and found[0] is not None)
        point = int(copy.one(POINT, named, copy.slot))
        last.execute("COMMIT")
        making.join(DEADLINE)
        assert not making.is_alive()
    return point


def stored_at(copy: Copied, table: str, key: str) -> list[int | None]:
    """The commit-ts of all rows of a key."""
    rows = read_bucket(copy.lake, StoreShape("csv"), CsvDialect(commit_ts=True)).rows("public", table)
    return [row.commit_ts for row in rows if row.values[0] == key]


def test_it_is_behind_a_snapshot(copy: Copied) -> None:
    """Of a table that is read as of that point, and of one that was followed before."""
    copy.catches_up()
    for number in range(TRIES):
        table = f"later_{number}"
        copy.db.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, n bigint)")
        copy.db.execute(f"INSERT INTO {table} SELECT i, i FROM generate_series(1, 100) i")
        sql = f"WITH one AS (INSERT INTO t VALUES ({number}, 1)) INSERT INTO {table} VALUES (0, 0)"
        point = commits_at_the_point(copy, copy.catches_up, f"{copy.slot}_snapshot_%", sql)
        copy.catches_up()
        copy.is_equal()
        stored = stored_at(copy, table, "0")
        assert len(stored) == 1
        assert stored == stored_at(copy, "t", str(number))
        if stored == [point]:
            return
    pytest.fail("no commit came to be exactly at the point")


def test_it_is_the_first_of_a_slot(tmp_path: Path, logical_postgres: PostgresServer) -> None:
    """That somebody else made, and from which a pipeline goes on."""
    uri = logical_postgres.database()
    for number in range(TRIES):
        with copied(tmp_path / str(number), uri, slot=f"given_{number}") as copy:
            copy.db.execute("CREATE TABLE IF NOT EXISTS t (id int PRIMARY KEY, n bigint)")
            copy.db.execute(f"CREATE PUBLICATION {copy.slot} FOR TABLE t")

            def make(uri: str = uri, name: str = copy.slot) -> None:
                with psycopg.connect(uri, autocommit=True) as db:
                    db.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [name])

            copy.slot, named = "", copy.slot
            point = commits_at_the_point(copy, make, named, f"INSERT INTO t VALUES ({number}, 1)")
            copy.catches_up()
            stored = stored_at(copy, "t", str(number))
            assert len(stored) == 1
        if stored == [point]:
            return
    pytest.fail("no commit came to be exactly at the point")
