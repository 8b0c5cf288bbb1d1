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
