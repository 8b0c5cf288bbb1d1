"""pgbench all the while, and the pipeline killed, cut off and its server restarted: the copy is the original.

And nothing is stored twice: what the files hold is counted, change by change.
"""

from __future__ import annotations

import os
import signal
import subprocess
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from afterbay_nodes.sources.postgres.transactions import MOST_STEPS
from tests.reader.bucket import TableVersion, read_bucket
from tests.reader.csv_rows import CsvDialect
from tests.reader.paths import StoreShape
from tests.reader.rows import Row
from tests.support.cli import started
from tests.support.copied import Copied, copied
from tests.support.postgres_server import PostgresServer
from tests.support.waiting import DEADLINE, until

CUT_OFF = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_replication"
QUICK = {"file_size": "32KiB", "flush_interval": "100ms"}
BENCH = 'while :; do "$1" -n -c 2 -R 120 -T 600 --max-tries=0 "$2"; sleep 0.2; done'
KEYS = {"accounts": "aid", "branches": "bid", "tellers": "tid", "history": "hid"}


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with PostgresServer(wal_level="logical") as one:
        yield one


@contextmanager
def pgbench(server: PostgresServer, uri: str) -> Iterator[None]:
    """Transactions all the while, also behind a restart. They end with the block, and none is under way then."""
    run = subprocess.Popen(
        ["sh", "-c", BENCH, "sh", str(server.binaries / "pgbench"), uri],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(run.pid, signal.SIGTERM)
        run.wait(DEADLINE)
        with psycopg.connect(uri, autocommit=True) as db:
            at_work = "SELECT FROM pg_stat_activity WHERE application_name = 'pgbench'"
            until(lambda: not db.execute(at_work).fetchall())


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


def confirmed_moves(copy: Copied) -> Callable[[], bool]:
    """Whether the slot was confirmed further than it is now."""
    before = copy.confirmed()
    return lambda: copy.confirmed() > before


def files(copy: Copied) -> int:
    return sum(name.endswith(".csv") for _, _, names in os.walk(copy.lake) for name in names)


@dataclass(frozen=True)
class Stored:
    """What the files of one table hold."""

    key: str
    versions: tuple[TableVersion, ...]

    def changes(self) -> list[tuple[str, int, str | None]]:
        """(operation, commit-ts, key) of all, also of what a later snapshot took back."""
        return [self._change(version, row) for version in self.versions for row in version.rows]

    def read(self) -> int:
        """The commit-ts of the snapshot that counts, the last one."""
        return max(v.schema.version for v in self.versions if v.schema.query.startswith("CREATE"))

    def keys(self) -> list[str | None]:
        """Of the rows that were inserted since then, or by it."""
        return [key for op, commit_ts, key in self.changes() if op == "I" and commit_ts >= self.read()]

    def _change(self, version: TableVersion, row: Row) -> tuple[str, int, str | None]:
        names = [column.name for column in version.schema.columns]
        assert row.commit_ts is not None
        return row.op, row.commit_ts, row.values[names.index(self.key)]


def stored_once(copy: Copied) -> dict[str, Stored]:
    """The tables of the store. Asserts that no change is there twice, and none is missing."""
    bucket = read_bucket(copy.lake, StoreShape("csv"), CsvDialect(commit_ts=True))
    # Small files may cut the snapshot, whose rows all have one commit-ts.
    assert {finding.rule for finding in bucket.findings} <= {"transaction.split"}
    assert bucket.unindexed == ()
    tables = {name: Stored(key, bucket.tables["public", f"pgbench_{name}"]) for name, key in KEYS.items()}
    for table in tables.values():
        changes = table.changes()
        assert len(set(changes)) == len(changes) > 0
    # Each transaction updates one row in three tables, and writes a line of history.
    floor = max(table.read() for table in tables.values())
    inserted = sorted(commit_ts for op, commit_ts, _ in tables["history"].changes() if op == "I" and commit_ts > floor)
    for name in ("accounts", "branches", "tellers"):
        updated = sorted(commit_ts for op, commit_ts, _ in tables[name].changes() if op == "U")
        # A schema change in between gives the parts of a transaction numbers of their own, right below its last.
        assert all(at <= updated[bisect_right(updated, at) - 1] + MOST_STEPS for at in inserted)
    assert len(set(inserted)) == len(inserted) > 0
    hids = tables["history"].keys()
    assert len(set(hids)) == len(hids)
    return tables


class Deaths:
    """One run after the other, each killed; in between the server restarts, or cuts the run off."""

    def __init__(self, server: PostgresServer, copy: Copied) -> None:
        self._server = server
        self._copy = copy
        self._errors = copy.folder / "stderr.txt"

    @contextmanager
    def run(self) -> Iterator[subprocess.Popen[bytes]]:
        """A run, which is killed at the end of the block, and was alive until then."""
        with started("run", self._copy.file, cwd=self._copy.folder, errors=self._errors) as run:
            yield run
            run.kill()
        assert run.returncode == -signal.SIGKILL, self._errors.read_text()

    def disturb(self, run: subprocess.Popen[bytes], death: int) -> None:
        """What happens to the run that goes on, or nothing. It goes on afterwards."""
        copy = self._copy
        if death in (5, 8):
            until(lambda: copy.one(CUT_OFF) > 0)
        elif death in (6, 7):
            copy.db.close()
            self._server.restart("fast" if death == 6 else "immediate")
            copy.db = psycopg.connect(copy.uri, autocommit=True)
        else:
            return
        moves = confirmed_moves(copy)
        until(lambda: run.poll() is not None or moves())


def test_killed_ten_times_cut_off_and_restarted(server: PostgresServer, tmp_path: Path) -> None:
    uri = server.database()
    bank(server, uri)
    with copied(tmp_path, uri, QUICK, snapshot="initial") as copy:
        deaths = Deaths(server, copy)
        with pgbench(server, uri):
            for death in range(10):
                # The first ones in the middle of the snapshot, or soon after it.
                wanted = files(copy) + 1 + (death if death > 3 else 0)
                with deaths.run() as run:
                    until(lambda: run.poll() is not None or files(copy) >= wanted)  # noqa: B023
                    deaths.disturb(run, death)
        copy.catches_up()
        copy.is_equal()
        tables = stored_once(copy)
        live = [str(hid) for (hid,) in copy.db.execute("SELECT hid FROM pgbench_history")]
        assert sorted(map(str, tables["history"].keys())) == sorted(live)


DDLS = (
    "ALTER TABLE pgbench_accounts ADD COLUMN more int NOT NULL DEFAULT 7",
    "ALTER TABLE pgbench_tellers ADD COLUMN note text",
    "ALTER TABLE pgbench_branches ALTER COLUMN bbalance TYPE bigint",
    "ALTER TABLE pgbench_accounts RENAME COLUMN more TO less",
    "BEGIN; LOCK TABLE pgbench_tellers; UPDATE pgbench_tellers SET note = 'a'; "
    "ALTER TABLE pgbench_tellers DROP COLUMN note; UPDATE pgbench_tellers SET tbalance = tbalance + 1; "
    "ALTER TABLE pgbench_tellers ADD COLUMN last int DEFAULT 5; "
    "UPDATE pgbench_tellers SET last = 6 WHERE tid < 5; COMMIT",
    "TRUNCATE pgbench_history",
    "ALTER TABLE pgbench_accounts DROP COLUMN less",
    "ALTER TABLE pgbench_history ADD COLUMN what text DEFAULT 'none'",
    "ALTER TABLE pgbench_branches ADD COLUMN a int, ADD COLUMN b text",
    "ALTER TABLE pgbench_branches DROP COLUMN a",
)


@pytest.mark.parametrize("by", ["rows", "triggers"])
def test_the_same_while_tables_are_altered(server: PostgresServer, tmp_path: Path, by: str) -> None:
    """Told by the rows that follow, or by event triggers."""
    uri = server.database()
    bank(server, uri)
    with copied(tmp_path, uri, QUICK, snapshot="initial", ddl_trigger=by == "triggers") as copy:
        deaths = Deaths(server, copy)
        with pgbench(server, uri):
            for death, ddl in enumerate(DDLS):
                wanted = files(copy) + 1 + death // 2
                with deaths.run() as run:
                    until(lambda: run.poll() is not None or files(copy) >= wanted)  # noqa: B023
                    copy.db.execute(ddl)
                    deaths.disturb(run, death)
                    wanted = files(copy) + 2
                    until(lambda: run.poll() is not None or files(copy) >= wanted)  # noqa: B023
        for table, column in (("accounts", "a"), ("tellers", "t"), ("branches", "b")):
            copy.db.execute(f"UPDATE pgbench_{table} SET {column}balance = {column}balance WHERE bid = 1")
        copy.db.execute("DELETE FROM pgbench_history WHERE hid = (SELECT min(hid) FROM pgbench_history)")
        copy.catches_up()
        copy.is_equal()
        tables = stored_once(copy)
        # What was truncated is in the files, too.
        live = {str(hid) for (hid,) in copy.db.execute("SELECT hid FROM pgbench_history")}
        assert live < set(map(str, tables["history"].keys()))


def test_the_connection_is_dropped_and_the_server_restarts(server: PostgresServer, tmp_path: Path) -> None:
    uri = server.database()
    bank(server, uri)
    with copied(tmp_path, uri, QUICK, snapshot="initial") as copy:
        copy.catches_up()
        with started("run", copy.file, cwd=tmp_path, errors=tmp_path / "stderr.txt") as run:
            with pgbench(server, uri):
                until(confirmed_moves(copy))
                for _ in range(3):
                    until(lambda: copy.one(CUT_OFF) > 0)
                    until(confirmed_moves(copy))
            for mode in ("fast", "immediate"):
                copy.db.close()
                server.restart(mode)
                copy.db = psycopg.connect(uri, autocommit=True)
                with pgbench(server, uri):
                    until(confirmed_moves(copy))
            run.send_signal(signal.SIGTERM)
            run.wait(DEADLINE)
        assert run.returncode == 0, (tmp_path / "stderr.txt").read_text()
        copy.catches_up()
        copy.is_equal()
