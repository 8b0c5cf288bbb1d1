"""The rows of a COPY, however the network cuts them; read ahead of who takes them, within bounds."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay_nodes.sources.postgres import copy_wire, read_ahead
from afterbay_nodes.sources.postgres.connection import ConnectionLost
from afterbay_nodes.sources.postgres.copy_wire import Piece, Rows, SocketRows
from afterbay_nodes.sources.postgres.read_ahead import ReadAhead

LONG = 10.0


def frame(kind: bytes, payload: bytes) -> bytes:
    return kind + (len(payload) + 4).to_bytes(4, "big") + payload


BEGIN = frame(b"H", b"\1\0\1\0\1")
END = frame(b"c", b"") + frame(b"C", b"COPY 1\0") + frame(b"Z", b"T")


@contextmanager
def connected() -> Iterator[tuple[SocketRows, socket.socket]]:
    """A COPY, and the server's end of it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        rows = SocketRows(ours.fileno(), "COPY")
        try:
            assert theirs.recv(100) == frame(b"Q", b"COPY\0")
            yield rows, theirs
        finally:
            rows.close()
        assert not os.get_blocking(ours.fileno()), "as libpq has it"


def messages(piece: Piece | None) -> list[bytes]:
    if piece is None:
        return []
    assert len(piece.data) >= int(piece.ends[-1]) + 8
    return [bytes(piece.data[start:stop]) for start, stop in zip(piece.starts, piece.ends, strict=True)]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=100), max_size=20), st.data())
def test_messages_come_whole_and_in_order(payloads: list[bytes], data: st.DataObject) -> None:
    sent = BEGIN + b"".join(frame(b"d", payload) for payload in payloads) + frame(b"N", b"a notice") + END
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=3)))
    found: list[bytes] = []
    with connected() as (rows, server):
        for start, stop in zip([0, *cuts], [*cuts, len(sent)], strict=True):
            server.sendall(sent[start:stop])
            found += messages(rows.read()) if start < stop else []
        while not rows.done:
            found += messages(rows.read())
    assert found == payloads


def test_pieces_are_bounded_and_a_long_message_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy_wire, "PIECE_BYTES", 1000)
    payloads = [*[bytes([n]) * 90 for n in range(100)], b"long" * 5000, b"", *[bytes([n]) * 90 for n in range(100)]]
    with connected() as (rows, server):
        sending = threading.Thread(
            target=server.sendall, args=[BEGIN + b"".join(frame(b"d", payload) for payload in payloads) + END]
        )
        sending.start()
        pieces = []
        while not rows.done:
            pieces.append(rows.read())
        sending.join()
    assert [message for piece in pieces for message in messages(piece)] == payloads
    sizes = sorted(len(piece.data) for piece in pieces if piece is not None)
    assert sizes[-2] <= 1008
    assert sizes[-1] < 2 * len(payloads[100])


def test_an_error_is_the_servers_and_comes_when_it_is_ready() -> None:
    with connected() as (rows, server):
        fields = b"SERROR\0C57014\0Mcanceling statement\0\0"
        server.sendall(BEGIN + frame(b"d", b"one") + frame(b"E", fields) + frame(b"Z", b"E"))
        assert messages(rows.read()) == [b"one"]
        assert rows.done
        with pytest.raises(Exception, match="canceling statement") as caught:
            rows.read()
        assert getattr(caught.value, "sqlstate", None) == "57014"


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (frame(b"d", b"one")[:-1], "closed the connection"),
        (frame(b"E", b"SFATAL\0C57P01\0Mterminating connection\0\0"), "terminating"),
        (b"d\0\0\0\3", "no length"),
        (b"d\xff\xff\xff\xff", "too long"),
    ],
)
def test_a_connection_that_breaks_is_lost(sent: bytes, told: str) -> None:
    with connected() as (rows, server):
        server.sendall(sent)
        server.shutdown(socket.SHUT_WR)
        with pytest.raises(Exception, match=told):  # noqa: PT012 - what came is given first
            for _ in range(3):
                rows.read()


class Endless:
    """Pieces without an end."""

    done = False
    closed = False

    def __init__(self) -> None:
        self.read_bytes = 0

    def read(self) -> Piece | None:
        piece = Piece.of([bytes(992)])
        self.read_bytes += len(piece.data)
        return piece

    def close(self) -> None:
        self.closed = True


def test_no_more_is_read_ahead_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "AHEAD_BYTES", 10_000)
    rows = Endless()
    ahead = ReadAhead(rows)
    taken = 0
    for _ in range(100):
        piece = ahead.get(LONG)
        assert piece is not None
        taken += len(piece.data)
        # Those that wait, and one that is in the thread's hand.
        assert rows.read_bytes <= taken + 10_000 + 1000
    ahead.close()
    assert rows.closed


def test_what_reading_raises_comes_behind_the_last_piece() -> None:
    class Breaks(Endless):
        def read(self) -> Piece | None:
            if self.read_bytes:
                raise ConnectionLost("gone")
            return super().read()

    rows: Rows = Breaks()
    ahead = ReadAhead(rows)
    assert ahead.get(LONG) is not None
    assert ahead.done is False
    with pytest.raises(ConnectionLost, match="gone"):
        ahead.get(LONG)
    ahead.close()
