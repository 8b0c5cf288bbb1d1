"""How the messages of a replication connection are fetched and sent: by libpq, or past it where nothing is encrypted.

libpq hands messages over one by one, with a call and two copies each, which costs more than all that is done with them
afterwards. A connection without TLS is therefore read in large pieces from its socket, from START_REPLICATION on: libpq
has connected and logged in, its buffer is empty then, and it is not used again but to close.
"""

from __future__ import annotations

import os
import select
import struct
import time
from typing import TYPE_CHECKING, Final, Protocol

from afterbay_nodes.sources.postgres.connection import ConnectionLost

if TYPE_CHECKING:
    import psycopg
    from psycopg import pq

READ_BYTES: Final = 1 << 20
"""Of messages that are taken at once, about."""

SEND_SECONDS: Final = 10.0
"""How long a message of a few bytes may take to be sent."""

_PIECE: Final = 1 << 18
_HEAD = struct.Struct("!cI")
_LENGTH = struct.Struct("!I")
_COPY_DATA, _COPY_DONE, _ERROR = b"dcE"


class Wire(Protocol):
    """A connection in the middle of a stream. Not thread-safe. All raise ConnectionLost or the driver's errors."""

    def take(self) -> list[bytes]:
        """The messages that are here, about `READ_BYTES` of them, each without libpq's frame. Does not wait."""
        ...

    def fill(self) -> None:
        """Fetches what the socket has. Does not wait."""
        ...

    def send(self, payload: bytes) -> None:
        """Sends one message."""
        ...


def started(connection: psycopg.Connection[tuple[object, ...]], command: str) -> Wire:
    """Starts a stream by `command`."""
    if encrypted(connection.pgconn):
        connection.execute(command)
        return LibpqWire(connection.pgconn)
    return SocketWire(connection.pgconn.socket, command)


def encrypted(pgconn: pq.abc.PGconn) -> bool:
    """Whether only libpq can read what comes. It tells of TLS, but of GSS only the server does."""
    if pgconn.ssl_in_use:
        return True
    answer = pgconn.exec_(b"SELECT encrypted FROM pg_catalog.pg_stat_gssapi WHERE pid = pg_catalog.pg_backend_pid()")
    # What is not known to be plain is left to libpq.
    return answer.get_value(0, 0) != b"f"


class LibpqWire:
    """Through libpq, which decrypts."""

    def __init__(self, pgconn: pq.abc.PGconn) -> None:
        self._pg = pgconn

    def take(self) -> list[bytes]:
        found: list[bytes] = []
        room = READ_BYTES
        get = self._pg.get_copy_data
        while room > 0:
            size, data = get(1)
            if size < 0:
                result = self._pg.get_result()
                told = result.error_message if result is not None else self._pg.error_message
                raise _lost(told)
            if size == 0:
                break
            found.append(bytes(data))
            room -= size
        return found

    def fill(self) -> None:
        self._pg.consume_input()

    def send(self, payload: bytes) -> None:
        self._pg.put_copy_data(payload)
        self._pg.flush()


class SocketWire:
    """By the socket. `descriptor` is libpq's, which does not block; nothing of the server's is under way on it."""

    def __init__(self, descriptor: int, command: str) -> None:
        self._descriptor = descriptor
        self._pieces: list[bytes] = []
        self._held = 0
        self._wanted = 5  # bytes without which nothing can be taken
        self._ended: Exception | None = None
        query = command.encode() + b"\0"
        self._write(_HEAD.pack(b"Q", len(query) + 4) + query)

    def take(self) -> list[bytes]:
        if self._held < self._wanted:
            if self._ended is not None:
                raise self._ended
            return []
        data = b"".join(self._pieces) if len(self._pieces) > 1 else self._pieces[0]
        found: list[bytes] = []
        at, end = 0, len(data)
        length = _LENGTH.unpack_from
        self._wanted = 5
        while end - at >= 5:
            stop = at + 1 + length(data, at + 1)[0]
            if stop > end:
                self._wanted = stop - at
                break
            kind = data[at]
            if kind == _COPY_DATA:
                found.append(data[at + 5 : stop])
            else:
                self._other(kind, data[at + 5 : stop])
            at = stop
        self._pieces = [data[at:]] if at < end else []
        self._held = end - at
        if self._ended is not None and not found:
            raise self._ended
        return found

    def _other(self, kind: int, payload: bytes) -> None:
        """A message that is not of the stream."""
        if kind == _ERROR:
            self._ended = said(payload)
        elif kind == _COPY_DONE:
            self._ended = ConnectionLost("the server ended the stream")

    def fill(self) -> None:
        room = READ_BYTES
        while room > 0:
            try:
                piece = os.read(self._descriptor, _PIECE)
            except BlockingIOError:
                return
            except OSError as error:
                raise ConnectionLost(error.strerror or str(error)) from error
            if not piece:
                if self._ended is None:
                    self._ended = ConnectionLost("the server closed the connection")
                return
            self._pieces.append(piece)
            self._held += len(piece)
            room -= len(piece)
            if len(piece) < _PIECE:
                return

    def send(self, payload: bytes) -> None:
        self._write(_HEAD.pack(b"d", len(payload) + 4) + payload)

    def _write(self, data: bytes) -> None:
        deadline = time.monotonic() + SEND_SECONDS
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ConnectionLost(f"the server took nothing for {SEND_SECONDS:.0f} s") from None
                poll.poll(250)
            except OSError as error:
                raise ConnectionLost(error.strerror or str(error)) from error


def said(fields: bytes) -> Exception:
    """The server's error as the driver would have it."""
    told = {field[:1]: field[1:].decode(errors="replace") for field in fields.split(b"\0") if field}
    return error_of(told.get(b"C", ""), told.get(b"M", ""))


def error_of(state: str, message: str) -> Exception:
    """An error by its SQLSTATE, as the driver would have it."""
    from psycopg import errors

    try:
        return errors.lookup(state)(message)
    except KeyError:
        return ConnectionLost(message.strip() or "the server ended the stream")


def _lost(told: bytes) -> ConnectionLost:
    return ConnectionLost(told.decode(errors="replace").strip().split("\n")[0] or "the server ended the stream")
