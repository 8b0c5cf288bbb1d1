"""Transactions that come before they are committed: the same leaves as without, and nothing of rolled-back ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest

from afterbay.errors import RunFailed
from afterbay_nodes.sources.postgres import transactions, unfinished
from afterbay_nodes.sources.postgres.catalog_answers import CatalogAnswers
from afterbay_nodes.sources.postgres.scratch_rows import Room, ScratchRows
from afterbay_nodes.sources.postgres.tables import Tables
from afterbay_nodes.sources.postgres.transactions import Transactions
from tests.reader.bucket import read_bucket
from tests.reader.csv_rows import CsvDialect
from tests.reader.paths import StoreShape
from tests.support.cli import dies
from tests.support.copied import Copied, copied
from tests.support.pgoutput_bytes import xlog_head
from tests.support.played import played
from tests.support.postgres_server import PostgresServer
from tests.support.replication import Replication
from tests.support.waiting import until

ROWS = "INSERT INTO {table} (id, n, name) SELECT i, i, repeat(md5(i::text), 30) FROM generate_series({first}, {last}) i"


@pytest.fixture
def copy(tmp_path: Path, logical_postgres: PostgresServer) -> Iterator[Copied]:
    with copied(tmp_path, logical_postgres.database(), streaming=True, heartbeat="100ms") as found:
        for table in ("t", "u"):
            found.db.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, n bigint, name text)")
        found.catches_up()
        yield found


class Session:
    """One connection that does this and that, mostly in its own table."""

    def __init__(self, uri: str, number: int, random: Random) -> None:
        self.db = psycopg.connect(uri, autocommit=True)
        self._own = f"t{number}"
        self._random = random
        self._keys = number * 1_000_000
        self._savepoints = 0
        self._columns = 0
        self.db.execute(f"CREATE TABLE {self._own} (id int PRIMARY KEY, n bigint, name text)")

    def step(self) -> None:
        """One statement."""
        random, own = self._random, self._own
        if not self.db.info.transaction_status:
            self.db.execute("BEGIN")
            self._savepoints = 0
        match random.choice("iiiiiuuudstrprca"):
            case "i":
                table, count = random.choice((own, own, "shared")), random.choice((1, 3, 150))
                self.db.execute(ROWS.format(table=table, first=self._keys, last=self._keys + count - 1))
                self._keys += count
            case "u":
                self.db.execute(f"UPDATE {own} SET n = n + 1 WHERE id % 3 = {random.randrange(3)}")
            case "d":
                self.db.execute(f"DELETE FROM {own} WHERE id % 5 = {random.randrange(5)}")
            case "s" | "p":
                self._savepoints += 1
                self.db.execute(f"SAVEPOINT s{self._savepoints}")
            case "r" if self._savepoints:
                self._savepoints = random.randint(1, self._savepoints)
                self.db.execute(f"ROLLBACK TO s{self._savepoints}")
            case "t" if random.random() < 0.5:
                self.db.execute(f"TRUNCATE {own}")
            case "a":
                self._columns += 1
                self.db.execute(f"ALTER TABLE {own} ADD COLUMN IF NOT EXISTS c{self._columns} int DEFAULT 1")
            case "c":
                self.db.execute("COMMIT" if random.random() < 0.7 else "ROLLBACK")

    def end(self) -> None:
        self.db.execute("COMMIT")
        self.db.close()


@pytest.mark.parametrize("seed", range(6))
def test_the_same_leaves_as_without(
    tmp_path: Path, logical_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    random = Random(seed)
    if seed % 2:
        # Most waits in files, in pieces of few rows.
        monkeypatch.setattr(transactions, "HELD_BYTES", 50_000)
        monkeypatch.setattr(unfinished, "PIECE_BYTES", 5_000)
    uri = logical_postgres.database()
    with Replication(uri) as slot:
        slot.db.execute("CREATE TABLE public.shared (id int PRIMARY KEY, n bigint, name text)")
        sessions = [Session(uri, number, random) for number in range(3)]
        for _ in range(150):
            random.choice(sessions).step()
        for session in sessions:
            session.end()
        plain = slot.messages()
        parallel = Replication(uri, version=4, more=", streaming 'parallel'").received(slot.db)
        second = Replication(uri, version=2, more=", streaming 'on'").received(slot.db)
        wanted = played(plain, slot.db, tmp_path / "plain", 100)
        assert sum(map(len, wanted.values())) > 100
        for name, streamed in (("parallel", parallel), ("second", second)):
            assert {b"S", b"E", b"c", b"A"} <= {data[25:26] for data in streamed}
            assert played(streamed, slot.db, tmp_path / name, random.choice((7, 100, 10_000))) == wanted


def test_large_transactions_side_by_side(copy: Copied, monkeypatch: pytest.MonkeyPatch) -> None:
    """With parts that are rolled back, schema changes, and one that is given up."""
    monkeypatch.setattr(transactions, "HELD_BYTES", 1 << 20)
    others = [psycopg.connect(copy.uri) for _ in range(2)]
    first, second = others
    run = copy.pipeline().start(until="forever")
    try:
        for part in range(4):
            first.execute(ROWS.format(table="t", first=part * 1000, last=part * 1000 + 999))
            second.execute(ROWS.format(table="u", first=part * 1000, last=part * 1000 + 999))
            first.execute("SAVEPOINT a")
            first.execute("UPDATE t SET n = -1")
            first.execute("ROLLBACK TO a" if part % 2 else "RELEASE a")
            copy.db.execute(ROWS.format(table="u", first=-part * 10 - 10, last=-part * 10 - 1))
        # Streamed, and waiting: the slot moves nevertheless.
        before = copy.confirmed()
        until(lambda: copy.confirmed() > before)
        first.execute("ALTER TABLE t DROP COLUMN n, ADD COLUMN more int DEFAULT 4")
        first.execute("UPDATE t SET more = 5 WHERE id < 100")
        second.rollback()
        first.commit()
        run.drain(60)
        assert run.wait() is not None
    finally:
        for other in others:
            other.close()
    copy.catches_up()
    copy.is_equal()
    assert copy.one("SELECT stream_txns > 0 FROM pg_stat_replication_slots WHERE slot_name = %s", copy.slot)
    assert list((copy.state / "nodes" / "pg").glob("transaction-*")) == []


def test_one_that_is_under_way_when_the_run_ends_comes_again(copy: Copied) -> None:
    with psycopg.connect(copy.uri) as other:
        other.execute(ROWS.format(table="t", first=1, last=2000))
        copy.db.execute("INSERT INTO u VALUES (1, 1, 'x')")
        assert copy.catches_up().rows_in == 1
        other.execute("UPDATE t SET n = 0 WHERE id < 10")
    assert copy.catches_up().rows_in == 2009
    copy.is_equal()


def test_all_that_are_under_way_share_their_room(tmp_path: Path, logical_postgres: PostgresServer) -> None:
    options: dict[str, Any] = {"streaming": True, "transaction_limit": "1MiB"}
    with copied(tmp_path, logical_postgres.database(), **options) as copy, pytest.MonkeyPatch.context() as patch:
        patch.setattr(transactions, "HELD_BYTES", 1 << 18)
        for table in ("t", "u"):
            copy.db.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, n bigint, name text)")
        copy.catches_up()
        with psycopg.connect(copy.uri) as first, psycopg.connect(copy.uri) as second:
            first.execute(ROWS.format(table="t", first=1, last=800))
            second.execute(ROWS.format(table="u", first=1, last=800))
            with pytest.raises(RunFailed, match="under way have more than 1MiB") as caught:
                copy.catches_up()
            assert caught.value.code == "postgres.scratch"
            second.rollback()
        copy.catches_up()
        copy.is_equal()


BLOCK = b"S\0\0\0\7\1"
FAULTS = {
    "a block ends that did not begin": [b"E"],
    "a block begins within a transaction": [BLOCK, BLOCK],
    "begins it again": [BLOCK, b"E", BLOCK],
    "has none": [b"S\0\0\0\7\0"],
    "transaction 7 is committed and did not begin": [b"c\0\0\0\7\0" + bytes(24)],
    "a transaction begins within another": [BLOCK, b"B" + bytes(20)],
    "a row outside of a transaction": [BLOCK, b"E", b"I\0\0\0\7\0\0\0\1N\0\0"],
}


@pytest.mark.parametrize("why", FAULTS)
def test_blocks_that_do_not_fit_are_refused(tmp_path: Path, why: str) -> None:
    tables = Tables(lambda name: True, lambda name, columns: frozenset(), {})
    taken = Transactions(tables, ScratchRows(tmp_path, Room(1 << 20)), CatalogAnswers(tmp_path), 0, -1)
    messages = [xlog_head(1) + data for data in FAULTS[why]]
    with pytest.raises(RunFailed, match=why) as caught:
        list(taken.take(messages, None))  # type: ignore[arg-type]
    assert caught.value.code == "postgres.protocol"


def test_a_transaction_that_nobody_knows_is_rolled_back_without_a_trace(tmp_path: Path) -> None:
    tables = Tables(lambda name: True, lambda name, columns: frozenset(), {})
    taken = Transactions(tables, ScratchRows(tmp_path, Room(1 << 20)), CatalogAnswers(tmp_path), 0, -1)
    assert list(taken.take([xlog_head(1) + b"A\0\0\0\7\0\0\0\7"], None)) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("step", ["link:1:after", "commit:3:before", "link:2:after"])
def test_dies_while_one_that_was_streamed_is_stored(
    tmp_path: Path, logical_postgres: PostgresServer, step: str
) -> None:
    sink = {"file_size": "16KiB", "flush_interval": "50ms"}
    with copied(tmp_path, logical_postgres.database(), sink, streaming=True) as copy:
        for table in ("t", "u"):
            copy.db.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, n bigint, name text)")
        copy.catches_up()
        with psycopg.connect(copy.uri) as first, psycopg.connect(copy.uri) as second:
            first.execute(ROWS.format(table="t", first=1, last=1500))
            second.execute(ROWS.format(table="u", first=1, last=1500))
            first.execute("SAVEPOINT a")
            first.execute("DELETE FROM t")
            first.execute("ROLLBACK TO a")
            first.execute("UPDATE t SET n = 0 WHERE id % 2 = 0")
        dies(step, "run", copy.file, cwd=tmp_path)
        assert not list((copy.state / "nodes" / "pg").glob("transaction-*"))
        copy.catches_up()
        copy.is_equal()
        bucket = read_bucket(copy.lake, StoreShape("csv"), CsvDialect(commit_ts=True))
        assert len(bucket.rows("public", "t")) == 1500 + 750
        assert len(bucket.rows("public", "u")) == 1500
