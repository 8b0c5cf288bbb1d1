"""pgbench all the while, and the pipeline killed, cut off and its server restarted: the copy is the original."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.support.cli import started
from tests.support.copied import Copied, copied
from tests.support.postgres_server import PostgresServer

DEADLINE = 60
CUT_OFF = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_replication"
QUICK = {"file_size": "32KiB", "flush_interval": "100ms"}


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with PostgresServer(wal_level="logical") as one:
        yield one


@contextmanager
def pgbench(server: PostgresServer, uri: str, seconds: int) -> Iterator[None]:
    """Transactions all the while. It is ended with the block; what it was at is rolled back then."""
    pgbench = str(server.binaries / "pgbench")
    run = subprocess.Popen(
        [pgbench, "-n", "-c", "2", "-R", "200", "-T", str(seconds), "--max-tries=0", uri],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        run.terminate()
        run.wait(DEADLINE)


def bank(server: PostgresServer, uri: str) -> None:
    """pgbench's tables, each with a key."""
    subprocess.run(
        [str(server.binaries / "pgbench"), "-i", "-I", "dtgvp", "-q", "-s", "1", uri],
        check=True,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    with psycopg.connect(uri, autocommit=True) as db:
        db.execute("ALTER TABLE pgbench_history ADD COLUMN hid bigserial PRIMARY KEY")


def until(holds: Callable[[], bool]) -> None:
    """Waits for something, with a deadline."""
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def confirmed_moves(copy: Copied) -> Callable[[], bool]:
    """Whether the slot was confirmed further than it is now."""
    before = copy.confirmed()
    return lambda: copy.confirmed() > before


def files(copy: Copied) -> int:
    return sum(name.endswith(".csv") for _, _, names in os.walk(copy.lake) for name in names)


def test_killed_ten_times(server: PostgresServer, tmp_path: Path) -> None:
    uri = server.database()
    bank(server, uri)
    with copied(tmp_path, uri, QUICK, snapshot="initial") as copy:
        with pgbench(server, uri, 240):
            for death in range(10):
                # The first ones in the middle of the snapshot, or soon after it.
                wanted = files(copy) + 1 + (death if death > 3 else 0)
                with started("run", copy.file, cwd=tmp_path, errors=tmp_path / "stderr.txt") as run:
                    until(lambda: run.poll() is not None or files(copy) >= wanted)  # noqa: B023
                    run.kill()
                assert run.returncode == -signal.SIGKILL, (tmp_path / "stderr.txt").read_text()
        copy.catches_up()
        copy.is_equal()


DDLS = (
    "ALTER TABLE pgbench_accounts ADD COLUMN more int NOT NULL DEFAULT 7",
    "ALTER TABLE pgbench_tellers ADD COLUMN note text",
    "ALTER TABLE pgbench_branches ALTER COLUMN bbalance TYPE bigint",
    "ALTER TABLE pgbench_accounts RENAME COLUMN more TO less",
    "BEGIN; UPDATE pgbench_tellers SET note = 'a'; ALTER TABLE pgbench_tellers DROP COLUMN note; "
    "UPDATE pgbench_tellers SET tbalance = tbalance + 1; ALTER TABLE pgbench_tellers ADD COLUMN last int DEFAULT 5; "
    "UPDATE pgbench_tellers SET last = 6 WHERE tid < 5; COMMIT",
    "TRUNCATE pgbench_history",
    "ALTER TABLE pgbench_accounts DROP COLUMN less",
    "ALTER TABLE pgbench_history ADD COLUMN what text DEFAULT 'none'",
    "ALTER TABLE pgbench_branches ADD COLUMN a int, ADD COLUMN b text",
    "ALTER TABLE pgbench_branches DROP COLUMN a",
)


@pytest.mark.parametrize("by", ["rows", "triggers"])
def test_killed_ten_times_while_tables_are_altered(server: PostgresServer, tmp_path: Path, by: str) -> None:
    """Told by the rows that follow, or by event triggers."""
    uri = server.database()
    bank(server, uri)
    with copied(tmp_path, uri, QUICK, snapshot="initial", ddl_trigger=by == "triggers") as copy:
        with pgbench(server, uri, 240):
            for death, ddl in enumerate(DDLS):
                wanted = files(copy) + 1 + death // 2
                with started("run", copy.file, cwd=tmp_path, errors=tmp_path / "stderr.txt") as run:
                    until(lambda: run.poll() is not None or files(copy) >= wanted)  # noqa: B023
                    copy.db.execute(ddl)
                    wanted += 2
                    until(lambda: run.poll() is not None or files(copy) >= wanted)  # noqa: B023
                    run.kill()
                assert run.returncode == -signal.SIGKILL, (tmp_path / "stderr.txt").read_text()
        for table, column in (("accounts", "a"), ("tellers", "t"), ("branches", "b")):
            copy.db.execute(f"UPDATE pgbench_{table} SET {column}balance = {column}balance WHERE bid = 1")
        copy.db.execute("DELETE FROM pgbench_history WHERE hid = (SELECT min(hid) FROM pgbench_history)")
        copy.catches_up()
        copy.is_equal()


def test_the_connection_is_dropped_and_the_server_restarts(server: PostgresServer, tmp_path: Path) -> None:
    uri = server.database()
    bank(server, uri)
    with copied(tmp_path, uri, QUICK, snapshot="initial") as copy:
        copy.catches_up()
        with started("run", copy.file, cwd=tmp_path, errors=tmp_path / "stderr.txt") as run:
            with pgbench(server, uri, 120):
                until(confirmed_moves(copy))
                for _ in range(3):
                    until(lambda: copy.one(CUT_OFF) > 0)
                    until(confirmed_moves(copy))
            for mode in ("fast", "immediate"):
                copy.db.close()
                server.restart(mode)
                copy.db = psycopg.connect(uri, autocommit=True)
                with pgbench(server, uri, 120):
                    until(confirmed_moves(copy))
            run.send_signal(signal.SIGTERM)
            run.wait(DEADLINE)
        assert run.returncode == 0, (tmp_path / "stderr.txt").read_text()
        copy.catches_up()
        copy.is_equal()
