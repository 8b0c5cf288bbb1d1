"""Positions are of one server, one slot and one publication: of others nothing is taken, and nothing is promised."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import afterbay
from tests.support.copied import Copied, copied
from tests.support.failed_run import failure
from tests.support.postgres_server import PostgresServer
from tests.support.waiting import DEADLINE, until


@pytest.fixture(scope="module")
def forgetful() -> Iterator[PostgresServer]:
    """A server that keeps hardly any log for its slots."""
    with PostgresServer(wal_level="logical", max_slot_wal_keep_size="1MB", max_wal_size="32MB") as server:
        yield server


@pytest.fixture
def copy(tmp_path: Path, logical_postgres: PostgresServer) -> Iterator[Copied]:
    with copied(tmp_path, logical_postgres.database(), heartbeat="100ms", retry_for="1s") as found:
        found.db.execute("CREATE TABLE t (id int PRIMARY KEY, n bigint)")
        found.catches_up()
        yield found


def test_log_that_the_server_has_removed(tmp_path: Path, forgetful: PostgresServer) -> None:
    with copied(tmp_path, forgetful.database()) as copy:
        copy.db.execute("CREATE TABLE t (id int PRIMARY KEY, n bigint)")
        copy.catches_up()
        for n in range(4):
            copy.db.execute("INSERT INTO t VALUES (%s, 1)", [n])
            copy.db.execute("SELECT pg_switch_wal()")
        copy.db.execute("CHECKPOINT")
        assert copy.one("SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s", copy.slot) == "lost"
        told = afterbay("doctor", copy.file, "--json", cwd=copy.folder).data["findings"]
        assert [item["verdict"] for item in told if item["subject"] == "slot of 'pg'"] == ["fail"]
        error = failure(copy.catches_up)
        assert error.code == "postgres.slot_lost"
        assert f"pg_drop_replication_slot('{copy.slot}')" in str(error)
        # What the hint says.
        copy.db.execute("SELECT pg_drop_replication_slot(%s)", [copy.slot])
        fresh = Copied(tmp_path / "fresh", copy.uri, {"snapshot": "initial", "slot": copy.slot})
        fresh.catches_up()
        fresh.is_equal()
        fresh.db.close()


def test_another_server(copy: Copied, forgetful: PostgresServer) -> None:
    """Which has a database, tables, a slot and a publication of the same names."""
    other = forgetful.database()
    with copied(copy.folder / "other", other, slot=copy.slot) as twin:
        twin.db.execute("CREATE TABLE t (id int PRIMARY KEY, n bigint)")
        twin.catches_up()
        copy.file.write_text(copy.file.read_text().replace(copy.uri, other))
        error = failure(copy.catches_up)
        assert error.code == "postgres.other_server"
        assert twin.one("SELECT system_identifier::text FROM pg_control_system()") in str(error)


def test_a_publication_that_is_gone(copy: Copied) -> None:
    copy.db.execute(f"DROP PUBLICATION {copy.slot}")
    copy.db.execute("INSERT INTO t VALUES (1, 1)")
    assert failure(copy.catches_up).code == "postgres.publication_gone"
    # Made again, it does not bring back what was not sent.
    copy.db.execute(f"CREATE PUBLICATION {copy.slot} FOR TABLE t")
    error = failure(copy.catches_up)
    assert error.code == "postgres.publication_gone"
    assert "made again" in str(error)


def test_a_publication_that_goes_during_a_run(copy: Copied) -> None:
    """The server sends on, without its tables: nothing behind its end is promised."""
    run = copy.pipeline().start(until="forever")
    copy.db.execute("INSERT INTO t VALUES (1, 1)")
    until(lambda: list(copy.lake.glob("public/t/**/*.csv")))
    with copy.db.transaction():
        copy.db.execute(f"DROP PUBLICATION {copy.slot}")
        copy.db.execute(f"CREATE PUBLICATION {copy.slot} FOR TABLE t")
    dropped_at = copy.one("SELECT pg_current_wal_lsn() - '0/0'")
    copy.db.execute("INSERT INTO t VALUES (2, 1)")
    assert failure(lambda: run.wait(DEADLINE)).code == "postgres.publication_gone"
    assert copy.confirmed() <= dropped_at
