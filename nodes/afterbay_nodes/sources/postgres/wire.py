"""How the messages of a replication connection are fetched and sent: by libpq, or past it where nothing is encrypted.

libpq hands messages over one by one, with a call and two copies each, which costs more than all that is done with them
afterwards. A connection without TLS is therefore read in large pieces from its socket, from START_REPLICATION on: libpq
has connected and logged in, its buffer is empty then, and it is not used again but to close.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from afterbay_nodes.sources.postgres.connection import ConnectionLost

if TYPE_CHECKING:
    import psycopg
    from psycopg import pq

READ_BYTES: Final = 1 << 20
"""Of messages that are taken at once, about."""

SEND_SECONDS: Final = 10.0
"""How long a message of a few bytes may take to be sent."""

AHEAD_BYTES: Final = 4 << 20
"""Of a stream that are read ahead."""

GATHER_SECONDS: Final = 0.0004
"""What comes in this time is read at once. The server makes in twice that what a unix socket holds, 250 messages."""

_PIECE: Final = 1 << 18
_TIMEVAL = struct.Struct("@ll")
_HEAD = struct.Struct("!cI")
_LENGTH = struct.Struct("!I")
_COPY_DATA, _COPY_DONE, _ERROR = b"dcE"


class Wire(Protocol):
    """A connection in the middle of a stream. Not thread-safe. All raise ConnectionLost or the driver's errors."""

    def take(self) -> list[bytes]:
        """The messages that are here, about `READ_BYTES` of them, each without libpq's frame. Does not wait."""
        ...

    def fileno(self) -> int:
        """What can be read as soon as there is something to fetch or to take."""
        ...

    def fill(self) -> None:
        """Fetches what the socket has. Does not wait."""
        ...

    def send(self, payload: bytes) -> None:
        """Sends one message."""
        ...

    def close(self) -> None:
        """Leaves the connection to be closed."""
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

    def fileno(self) -> int:
        return self._pg.socket

    def fill(self) -> None:
        self._pg.consume_input()

    def send(self, payload: bytes) -> None:
        self._pg.put_copy_data(payload)
        self._pg.flush()

    def close(self) -> None:
        pass


class SocketWire:
    """By the socket. `descriptor` is libpq's, which does not block; nothing of the server's is under way on it.

    Owns a second descriptor of it, two pipes, and a thread that reads ahead: a server that
    waits for room in a socket does not decode, and a socket's room is for two hundred messages. `_lock` is around what
    the thread has put aside. `take`, `send` and `close` are one thread's at a time.
    """

    def __init__(self, descriptor: int, command: str) -> None:
        self._pieces: list[bytes] = []  # taken from the thread, not yet cut into messages
        self._held = 0
        self._wanted = 5  # bytes without which nothing can be taken
        self._ended: Exception | None = None
        self._lock = threading.Condition()
        self._ahead: deque[bytes] = deque()
        self._ahead_bytes = 0
        self._broken: Exception | None = None
        self._closing = False
        self._told = False
        self._reads, self._writes = os.pipe()
        self._closes, self._closed = os.pipe()
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self._socket.setblocking(True)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval(SEND_SECONDS))
        self._thread = threading.Thread(target=self._read_ahead, name="postgres/wire")
        query = command.encode() + b"\0"
        self._thread.start()
        try:
            self._write(_HEAD.pack(b"Q", len(query) + 4) + query)
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        return self._reads

    def take(self) -> list[bytes]:
        self._fetch()
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

    def fill(self) -> None:
        pass

    def send(self, payload: bytes) -> None:
        self._write(_HEAD.pack(b"d", len(payload) + 4) + payload)

    def close(self) -> None:
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        os.close(self._closed)
        self._thread.join()
        self._socket.setblocking(False)
        self._socket.close()
        for descriptor in (self._reads, self._writes, self._closes):
            os.close(descriptor)

    def _other(self, kind: int, payload: bytes) -> None:
        """A message that is not of the stream."""
        if kind == _ERROR:
            self._ended = said(payload)
        elif kind == _COPY_DONE:
            self._ended = ConnectionLost("the server ended the stream")

    def _fetch(self) -> None:
        """Takes from the thread what it has, about `READ_BYTES` of it."""
        with self._lock:
            while self._ahead and self._held < max(READ_BYTES, self._wanted):
                piece = self._ahead.popleft()
                self._pieces.append(piece)
                self._held += len(piece)
                self._ahead_bytes -= len(piece)
            self._lock.notify_all()
            if not self._ahead:
                if self._broken is not None:
                    self._ended = self._ended or self._broken
                elif self._told:
                    os.read(self._reads, 1)
                    self._told = False

    def _read_ahead(self) -> None:
        """Reads, and lets what follows gather for a moment: a call for each message costs more than the message."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._closes, select.POLLIN)
        buffer = memoryview(bytearray(_PIECE))
        while not self._closing:
            try:
                if not poll.poll(0):
                    self._put(b"", tell=True)
                    poll.poll()
                    continue
                got = self._socket.recv_into(buffer, _PIECE, socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue  # it is the end of this wire that can be read
            except OSError as error:
                self._put(b"", tell=True, broken=ConnectionLost(error.strerror or str(error)))
                return
            if not got:
                self._put(b"", tell=True, broken=ConnectionLost("the server closed the connection"))
                return
            self._put(bytes(buffer[:got]), tell=False)
            if got < _PIECE:
                time.sleep(GATHER_SECONDS)

    def _put(self, piece: bytes, *, tell: bool, broken: Exception | None = None) -> None:
        with self._lock:
            if piece:
                self._ahead.append(piece)
                self._ahead_bytes += len(piece)
            self._broken = broken
            is_much = self._ahead_bytes >= min(_PIECE, AHEAD_BYTES)
            if (is_much or (tell and (self._ahead or broken is not None))) and not self._told:
                self._told = True
                os.write(self._writes, b"!")
            self._lock.wait_for(lambda: self._closing or self._ahead_bytes < AHEAD_BYTES)

    def _write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except BlockingIOError:
            raise ConnectionLost(f"the server took nothing for {SEND_SECONDS:.0f} s") from None
        except OSError as error:
            raise ConnectionLost(error.strerror or str(error)) from error


def timeval(seconds: float) -> bytes:
    """As SO_RCVTIMEO and SO_SNDTIMEO have it."""
    whole = int(seconds)
    return _TIMEVAL.pack(whole, round((seconds - whole) * 1e6))


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
