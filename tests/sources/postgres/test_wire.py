"""Messages of a stream, however the network cuts them."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay_nodes.sources.postgres import wire
from afterbay_nodes.sources.postgres.connection import ConnectionLost
from afterbay_nodes.sources.postgres.wire import SocketWire
from tests.support.copied import copied
from tests.support.postgres_server import PostgresServer

LONG = 10.0
COPY_BOTH = b"W" + (7).to_bytes(4, "big") + b"\0\0\0"


def frame(kind: bytes, payload: bytes) -> bytes:
    return kind + (len(payload) + 4).to_bytes(4, "big") + payload


@contextmanager
def connected() -> Iterator[tuple[SocketWire, socket.socket]]:
    """A wire, and the server's end of it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        reader = SocketWire(ours.fileno(), "START")
        try:
            assert theirs.recv(100) == frame(b"Q", b"START\0")
            yield reader, theirs
        finally:
            reader.close()
        assert not os.get_blocking(ours.fileno()), "as libpq has it"


def taken(reader: SocketWire) -> list[bytes]:
    """What is there, or comes."""
    assert select.select([reader], [], [], LONG)[0], "nothing came"
    return reader.take()


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=30), st.data())
def test_messages_come_whole_and_in_order(payloads: list[bytes], data: st.DataObject) -> None:
    sent = COPY_BOTH + frame(b"N", b"a notice") + b"".join(frame(b"d", payload) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=10)))
    found: list[bytes] = []
    with connected() as (reader, server):
        for start, stop in zip([0, *cuts], [*cuts, len(sent)], strict=True):
            server.sendall(sent[start:stop])
            if start < stop:
                found += taken(reader)
        while len(found) < len(payloads):
            found += taken(reader)
        assert reader.take() == []
    assert found == payloads


def test_the_end_is_told_behind_the_last_message() -> None:
    with connected() as (reader, server):
        server.sendall(COPY_BOTH + frame(b"d", b"last") + b"d")
        server.close()
        assert taken(reader) == [b"last"]
        with pytest.raises(ConnectionLost):
            taken(reader)


def test_an_error_is_the_servers() -> None:
    with connected() as (reader, server):
        fields = b"SERROR\0C42704\0Mreplication slot does not exist\0\0"
        server.sendall(frame(b"d", b"one") + frame(b"E", fields))
        assert taken(reader) == [b"one"]
        with pytest.raises(Exception, match="replication slot does not exist") as caught:
            reader.take()
        assert getattr(caught.value, "sqlstate", None) == "42704"


def test_what_is_not_taken_stays_with_the_server_beyond_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "AHEAD_BYTES", 1000)
    payload = bytes(1 << 20)
    with connected() as (reader, server):
        server.setblocking(False)
        sent = 0
        while select.select([], [server], [], 0.2)[1]:  # until nobody reads for a while
            sent += server.send(payload)
        assert sent < 10 * len(payload)
        assert select.select([reader], [], [], LONG)[0], "it is told, however little it is"


def test_a_connection_is_plain_if_the_server_says_so(logical_postgres: PostgresServer) -> None:
    dsn = logical_postgres.database()
    with psycopg.connect(dsn) as asking, psycopg.connect(dsn, replication="database", autocommit=True) as streaming:
        assert not wire.encrypted(asking.pgconn)
        assert not wire.encrypted(streaming.pgconn)
        asking.pgconn.exec_(b"BEGIN")
        asking.pgconn.exec_(b"SELECT 1/0")
        assert wire.encrypted(asking.pgconn), "what it cannot tell"


def test_an_encrypted_stream_is_read_by_libpq(
    tmp_path: Path, logical_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rows; the test's server has no certificate, so it is said to encrypt."""
    monkeypatch.setattr(wire, "encrypted", lambda pgconn: True)
    with copied(tmp_path, logical_postgres.database(), snapshot="initial") as copy:
        copy.db.execute("CREATE TABLE t (id int PRIMARY KEY, n bigint)")
        copy.db.execute("INSERT INTO t SELECT -i, i FROM generate_series(1, 5000) i")
        assert copy.catches_up().rows_in == 5000
        copy.db.execute("INSERT INTO t SELECT i, i FROM generate_series(1, 5000) i")
        assert copy.catches_up().rows_in == 5000
        copy.is_equal()
