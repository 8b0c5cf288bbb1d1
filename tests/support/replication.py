"""What a PostgreSQL server sends of a slot, message by message."""

from __future__ import annotations

import select
import time
from contextlib import closing
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from afterbay_nodes.sources.postgres.lsn import lsn_number
from afterbay_nodes.sources.postgres.session import startup_options

DEADLINE = 60


class Replication:
    """A slot and a publication of all tables in one database, while it is entered; the server's only one."""

    def __init__(self, uri: str, *, version: int = 1, more: str = "") -> None:
        self.version = version
        self._uri = uri
        self._options = f"proto_version '{version}', publication_names 'tested', messages 'true'{more}"

    def __enter__(self) -> Self:
        self.db = psycopg.connect(self._uri, autocommit=True, options=startup_options())
        self.db.execute("CREATE PUBLICATION tested FOR ALL TABLES")
        self.db.execute("SELECT pg_create_logical_replication_slot('tested', 'pgoutput')")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.db.execute("SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots")
        self.db.execute("SELECT pg_drop_replication_slot('tested')")
        self.db.execute("DROP PUBLICATION tested")
        self.db.close()

    def messages(self) -> list[bytes]:
        """All XLogData up to now, from the slot's beginning. Nothing is confirmed."""
        return self.received(self.db)

    def received(self, db: psycopg.Connection[tuple[object, ...]]) -> list[bytes]:
        """The same of a slot that another one has entered, by whose connection the end is asked."""
        (end,) = db.execute("SELECT pg_current_wal_lsn()::text").fetchone() or ("",)
        found = []
        deadline = time.monotonic() + DEADLINE
        # Not left as a context: that would commit, in the middle of a stream.
        with closing(
            psycopg.connect(self._uri, replication="database", autocommit=True, options=startup_options())
        ) as connection:
            connection.execute(sql.SQL("START_REPLICATION SLOT tested LOGICAL 0/0 (" + self._options + ")"))
            pg = connection.pgconn
            while True:
                assert time.monotonic() < deadline, "the server did not come to the end"
                size, data = pg.get_copy_data(1)
                assert size >= 0, "the server ended the stream"
                if size == 0:
                    select.select([pg.socket], [], [], 1)
                    pg.consume_input()
                elif bytes(data[:1]) == b"w":
                    found.append(bytes(data))
                elif int.from_bytes(data[1:9], "big") >= lsn_number(str(end)):
                    return found
