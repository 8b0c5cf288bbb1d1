"""The slot: confirmed no further than the checkpoint, moved when nothing happens, and refused when it does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from afterbay.errors import EnvironmentRefused
from afterbay.telemetry import Telemetry
from afterbay_nodes.sources.postgres import connection
from tests.support.cli import afterbay
from tests.support.copied import Copied, copied
from tests.support.failed_run import failure
from tests.support.postgres_server import PostgresServer
from tests.support.waiting import DEADLINE, until


@pytest.fixture
def copy(tmp_path: Path, logical_postgres: PostgresServer) -> Iterator[Copied]:
    with copied(tmp_path, logical_postgres.database(), heartbeat="100ms", retry_for="1s") as found:
        found.db.execute("CREATE TABLE t (id int PRIMARY KEY, n bigint)")
        yield found


def test_it_is_confirmed_up_to_the_checkpoint(copy: Copied) -> None:
    copy.catches_up()
    copy.db.execute("INSERT INTO t VALUES (1, 1)")
    report = copy.catches_up()
    # The commit's record ends behind the number that the checkpoint says.
    assert report.checkpoints["pg"] < copy.confirmed() < report.checkpoints["pg"] + 200


def test_it_moves_while_the_tables_are_idle(copy: Copied) -> None:
    copy.db.execute("CREATE SCHEMA elsewhere")
    copy.db.execute("CREATE TABLE elsewhere.other (id int)")
    copy.catches_up()
    run = copy.pipeline().start(until="forever")
    try:
        for _ in range(3):
            end = copy.one("SELECT pg_current_wal_lsn() - '0/0'")
            copy.db.execute("INSERT INTO elsewhere.other SELECT i FROM generate_series(1, 1000) i")
            until(lambda: copy.confirmed() > end)  # noqa: B023
    finally:
        run.drain(DEADLINE)
        run.wait()


def test_a_slot_that_is_gone(copy: Copied) -> None:
    copy.catches_up()
    copy.db.execute("SELECT pg_drop_replication_slot(%s)", [copy.slot])
    assert failure(copy.catches_up).code == "postgres.slot_gone"


def test_a_slot_that_somebody_moved(copy: Copied) -> None:
    copy.catches_up()
    copy.db.execute("INSERT INTO t VALUES (1, 1)")
    copy.db.execute("SELECT pg_replication_slot_advance(%s, pg_current_wal_lsn())", [copy.slot])
    assert failure(copy.catches_up).code == "postgres.slot_ahead"


def test_a_slot_that_another_run_reads(copy: Copied, tmp_path: Path) -> None:
    """It is waited for, as it may be a dead run's; then that is told."""
    copy.catches_up()
    copy.file.write_text(copy.file.read_text().replace("100ms", "100s"))
    run = copy.pipeline().start(until="forever")
    try:
        until(lambda: copy.one("SELECT active FROM pg_replication_slots WHERE slot_name = %s", copy.slot))
        other = Copied(tmp_path / "other", copy.uri, copy.options | {"slot": copy.slot})
        error = failure(other.catches_up)
        other.db.close()
        assert error.code == "postgres.unavailable"
        assert "in use" in str(error)
    finally:
        run.drain(DEADLINE)
        run.wait()


def test_an_unchanged_large_value_is_refused(copy: Copied) -> None:
    copy.db.execute("CREATE TABLE large (id int PRIMARY KEY, n int, much text)")
    copy.db.execute("ALTER TABLE large ALTER much SET STORAGE EXTERNAL")
    copy.catches_up()
    copy.db.execute("INSERT INTO large VALUES (1, 1, repeat('x', 5000))")
    copy.catches_up()
    copy.db.execute("UPDATE large SET n = 2")
    error = failure(copy.catches_up)
    assert error.code == "postgres.unchanged"
    assert "REPLICA IDENTITY FULL" in str(error)


def test_whole_rows_bring_large_values(copy: Copied) -> None:
    copy.db.execute("CREATE TABLE large (id int PRIMARY KEY, n int, much text)")
    copy.db.execute("ALTER TABLE large ALTER much SET STORAGE EXTERNAL")
    copy.db.execute("ALTER TABLE large REPLICA IDENTITY FULL")
    copy.catches_up()
    copy.db.execute("INSERT INTO large VALUES (1, 1, repeat('x', 5000))")
    copy.db.execute("UPDATE large SET n = 2")
    copy.db.execute("UPDATE large SET id = 2")
    copy.catches_up()
    copy.is_equal()


def test_everything_that_is_wrong_is_told_together(tmp_path: Path, logical_postgres: PostgresServer) -> None:
    uri = logical_postgres.database()
    with copied(tmp_path, uri, large_values="whole_rows", snapshot="initial") as copy:
        db = copy.db
        db.execute("CREATE TABLE good (id int PRIMARY KEY)")
        db.execute("CREATE TABLE keyless (id int)")
        db.execute("CREATE TABLE wide (id int PRIMARY KEY, much text)")
        less = "publish = 'insert', publish_via_partition_root = true"
        db.execute(f"CREATE PUBLICATION {copy.slot} FOR TABLE good WITH ({less})")
        error = failure(copy.catches_up)
        assert isinstance(error, EnvironmentRefused)
        told = [(item.code, item.hint or "") for item in error.diagnostics]
        assert [code for code, _ in told] == [
            "postgres.identity",
            "postgres.whole_rows",
            "postgres.publication",
            "postgres.publication",
        ]
        for _, hint in told:
            statement = hint.partition(";")[0].partition(", or")[0]
            assert statement.startswith("ALTER ")
            db.execute(statement)
        copy.catches_up()


def test_a_role_that_may_nothing(tmp_path: Path, logical_postgres: PostgresServer) -> None:
    uri = logical_postgres.database()
    with copied(tmp_path, uri, snapshot="initial") as copy:
        copy.db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        copy.db.execute("DROP ROLE IF EXISTS nobody_much")
        copy.db.execute("CREATE ROLE nobody_much LOGIN")
        copy.file.write_text(
            copy.file.read_text().replace("postgresql://afterbay@", "postgresql://nobody_much:s3cret@")
        )
        error = failure(copy.catches_up)
        assert {item.code for item in error.diagnostics} == {"postgres.role", "postgres.select"}
        assert "s3cret" not in str(error)
        copy.db.execute("DROP ROLE nobody_much")


def test_a_server_that_does_not_decode_its_log(tmp_path: Path) -> None:
    with PostgresServer(wal_level="replica", max_wal_senders="1") as server:
        copy = Copied(tmp_path, server.database(), {"snapshot": "initial"})
        copy.db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        error = failure(copy.catches_up)
        assert {item.code for item in error.diagnostics} == {"postgres.wal_level", "postgres.senders"}
        copy.db.close()


def test_no_server(tmp_path: Path, copy: Copied) -> None:
    copy.file.write_text(copy.file.read_text().replace("host=", "host=/nowhere"))
    assert failure(copy.catches_up).code == "postgres.unavailable"


def test_status_and_gauges_say_how_the_slot_is(copy: Copied) -> None:
    copy.catches_up()
    status = afterbay("status", copy.file, "--json", cwd=copy.folder).data["upstreams"]["pg"]
    assert status == {"name": f"slot {copy.slot}", "state": "idle, wal_status reserved", "behind": status["behind"]}
    assert 0 <= status["behind"] < 10_000
    copy.db.execute("INSERT INTO t SELECT i, i FROM generate_series(1, 10000) i")
    text = afterbay("status", copy.file, cwd=copy.folder).out
    assert f"upstream      pg: slot {copy.slot}, idle, wal_status reserved, " in text
    telemetry = Telemetry("copied")
    copy.pipeline().run(until="caught-up", telemetry=telemetry)
    assert telemetry.upstreams()["pg"].state == "active, wal_status reserved"
    assert telemetry.upstreams()["pg"].behind > 500_000  # type: ignore[operator]
    copy.db.execute("SELECT pg_drop_replication_slot(%s)", [copy.slot])
    assert "there is none" in afterbay("status", copy.file, cwd=copy.folder).out


def test_status_does_without_the_server(copy: Copied) -> None:
    copy.catches_up()
    copy.file.write_text(copy.file.read_text().replace("host=", "host=/nowhere"))
    status = afterbay("status", copy.file, cwd=copy.folder)
    assert status.exit_code == 0
    assert "the server does not answer" in status.out


def test_the_doctor_asks_the_server(tmp_path: Path, logical_postgres: PostgresServer) -> None:
    with copied(tmp_path, logical_postgres.database(), snapshot="initial", large_values="whole_rows") as copy:
        copy.db.execute("CREATE TABLE good (id int PRIMARY KEY)")

        def asked(wanted: int) -> dict[str, tuple[str, str, str | None]]:
            done = afterbay("doctor", copy.file, "--json", cwd=copy.folder)
            assert done.exit_code == wanted, done.out
            return {item["subject"]: (item["verdict"], item["text"], item["hint"]) for item in done.data["findings"]}

        before = asked(0)
        assert before["extra of 'pg'"][0] == "ok"
        assert "wal_level logical" in before["server of 'pg'"][1]
        assert before["tables of 'pg'"][1] == "1, each with what a run needs"
        assert "a first run makes it" in before["slot of 'pg'"][1]
        assert copy.one("SELECT count(*) FROM pg_publication") == 0, "it changes nothing"
        copy.catches_up()
        copy.db.execute("CREATE TABLE keyless (id int)")
        copy.db.execute("CREATE TABLE wide (id int PRIMARY KEY, much text)")
        after = asked(1)
        assert after["slot of 'pg'"][:2] == ("ok", after["slot of 'pg'"][1])
        assert ", nobody reads it, wal_status reserved, " in after["slot of 'pg'"][1]
        assert after["server of 'pg' (public.keyless)"][0] == "fail"
        assert after["server of 'pg' (public.wide)"][2] == (
            'ALTER TABLE "public"."wide" REPLICA IDENTITY FULL; `large_values: risk` runs on until such an update comes'
        )
        copy.file.write_text(copy.file.read_text().replace("host=", "host=/nowhere"))
        assert "the server does not answer" in asked(1)["source 'pg'"][1]


def test_a_lost_state_is_not_guessed(copy: Copied) -> None:
    copy.catches_up()
    done = afterbay("state", "rebuild", copy.file, "--from-store", "--yes", "--json", cwd=copy.folder)
    assert (done.exit_code, done.codes) == (2, ["rebuild.source"])
    assert "not which form each table had there" in done.data["diagnostics"][0]["message"]


@pytest.mark.parametrize("which", ["slot", "snapshot"])
def test_a_transaction_that_does_not_end_is_named(
    tmp_path: Path, logical_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """The slot's own making waits for it, or (when there is a slot) that of the snapshot's."""
    monkeypatch.setattr(connection, "LOCK_SECONDS", 1)
    monkeypatch.setattr(connection, "SLOT_SECONDS", 1)
    with copied(tmp_path, logical_postgres.database(), snapshot="initial") as copy:
        copy.db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        if which == "snapshot":
            copy.db.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [copy.slot])
        with psycopg.connect(copy.uri) as other:
            other.execute("INSERT INTO t VALUES (1)")
            error = failure(copy.catches_up)
            assert error.code == "postgres.slot_waits"
            assert f"process {other.info.backend_pid} of afterbay, idle in transaction" in str(error)
        copy.catches_up()
        copy.is_equal()
