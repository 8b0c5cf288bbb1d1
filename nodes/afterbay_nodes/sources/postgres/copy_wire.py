"""How the rows of a COPY to here are fetched: by libpq, or past it where nothing is encrypted (see `wire`).

Many messages at a time, as one piece of bytes and where in it each lies. From a socket a piece is one call that waits
until the piece is full: the server writes 8 kB at a time, and a call for each of them costs more than its bytes,
for this side as for the server.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import numpy.typing as npt

from afterbay_nodes.sources.postgres.connection import ConnectionLost
from afterbay_nodes.sources.postgres.row_run import Positions
from afterbay_nodes.sources.postgres.wire import SEND_SECONDS, encrypted, error_of, said, timeval

if TYPE_CHECKING:
    from psycopg import pq

PIECE_BYTES: Final = 2 << 20
"""Of messages in a piece, about; one that is longer makes a piece of its own."""

WAIT_SECONDS: Final = 0.05
"""How long a read waits for a piece to be full."""

_PAD: Final = 8
_MOST_BYTES: Final = (1 << 30) + (1 << 20)  # what a message of the server's has at most
_LENGTH = struct.Struct("!I")
_HEAD_BYTES: Final = 5
_ROW, _ERROR, _READY = b"dEZ"
_READY_HEAD: Final = b"Z\0\0\0\5"
_READY_BYTES: Final = len(_READY_HEAD) + 1


@dataclass(frozen=True, slots=True)
class Piece:
    """n messages: each from its `starts` to its `ends` in `data`, rising. Behind them are 8 bytes more."""

    data: bytes | bytearray
    starts: Positions
    ends: Positions

    def numbers(self, kind: str) -> npt.NDArray[np.generic]:
        """One number of numpy's type `kind` for each byte that it may begin at."""
        return np.ndarray((len(self.data) - np.dtype(kind).itemsize + 1,), kind, self.data, 0, (1,))

    @classmethod
    def of(cls, messages: list[bytes]) -> Piece:
        """Messages, joined."""
        ends = np.cumsum(np.fromiter(map(len, messages), np.int64, len(messages)))
        starts = np.concatenate((np.zeros(1, np.int64), ends[:-1])) if messages else ends
        return cls(b"".join([*messages, bytes(_PAD)]), starts, ends)


class Rows(Protocol):
    """A COPY to here under way. Used by one thread.

    `done`: there are no more, and libpq may be used again once it is closed.
    """

    done: bool

    def read(self) -> Piece | None:
        """What came, waiting `WAIT_SECONDS` at most; None: no message. Raises ConnectionLost or the driver's errors."""
        ...

    def close(self) -> None:
        """Gives libpq its connection back. Before `done` it is of no use but to be closed."""
        ...


def copied(pgconn: pq.abc.PGconn, command: str) -> Rows:
    """Starts a COPY to here by `command`."""
    return LibpqRows(pgconn, command) if encrypted(pgconn) else SocketRows(pgconn.socket, command)


class LibpqRows:
    """Through libpq, which decrypts."""

    def __init__(self, pgconn: pq.abc.PGconn, command: str) -> None:
        self._pg = pgconn
        self.done = False
        self._error: Exception | None = None
        self._poll = select.poll()
        self._poll.register(pgconn.socket, select.POLLIN)
        pgconn.exec_(command.encode())

    def read(self) -> Piece | None:
        found = self._take()
        if not found and not self.done and self._poll.poll(WAIT_SECONDS * 1000):
            self._pg.consume_input()
            found = self._take()
        if found:
            return Piece.of(found)
        if self._error is not None:
            raise self._error
        return None

    def close(self) -> None:
        pass

    def _take(self) -> list[bytes]:
        found: list[bytes] = []
        room = PIECE_BYTES
        while room > 0 and not self.done:
            size, data = self._pg.get_copy_data(1)
            if size < 0:
                self._end()
            elif size == 0:
                break
            else:
                found.append(bytes(data))
                room -= size
        return found

    def _end(self) -> None:
        """Takes the results behind the last row."""
        from psycopg.pq import DiagnosticField, ExecStatus

        self.done = True
        while (result := self._pg.get_result()) is not None:
            if result.status == ExecStatus.FATAL_ERROR:
                state = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
                self._error = error_of(state, result.error_message.decode(errors="replace"))


class SocketRows:
    """By the socket. Owns a descriptor of it beside libpq's, whose own does not block before and behind this.

    `done` when the server is ready for the next command.
    """

    def __init__(self, descriptor: int, command: str) -> None:
        self.done = False
        self._error: Exception | None = None
        self._descriptor = descriptor
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self._socket.setblocking(True)
        for option, seconds in ((socket.SO_RCVTIMEO, WAIT_SECONDS), (socket.SO_SNDTIMEO, SEND_SECONDS)):
            self._socket.setsockopt(socket.SOL_SOCKET, option, timeval(seconds))
        self._room = PIECE_BYTES
        self._buffer = bytearray(self._room + _PAD)
        self._held = 0
        self._flows = False
        query = command.encode() + b"\0"
        try:
            self._socket.sendall(b"Q" + _LENGTH.pack(len(query) + 4) + query)
        except OSError as error:
            self.close()
            raise ConnectionLost(error.strerror or str(error)) from error

    def read(self) -> Piece | None:
        if self.done:
            if self._error is not None:
                raise self._error
            return None
        until = time.monotonic() + WAIT_SECONDS
        while True:
            # What is small comes at once, and is not waited for behind its end.
            how = socket.MSG_WAITALL if self._flows else 0
            try:
                got = self._socket.recv_into(memoryview(self._buffer)[self._held : self._room], 0, how)
            except BlockingIOError:
                return self._framed() if self._held else None
            except OSError as error:
                raise ConnectionLost(error.strerror or str(error)) from error
            if not got:
                if (last := self._framed()) is not None:
                    return last
                raise self._error or ConnectionLost("the server closed the connection")
            self._held += got
            self._flows = self._flows or self._held == self._room
            if self._flows or self._is_ready() or time.monotonic() >= until:
                return self._framed()

    def close(self) -> None:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._socket.setsockopt(socket.SOL_SOCKET, option, timeval(0))
        self._socket.setblocking(False)
        self._socket.close()

    def _is_ready(self) -> bool:
        """Whether what is held ends as the server's last message does. A row may, too."""
        return self._buffer.startswith(_READY_HEAD, max(0, self._held - _READY_BYTES))

    def _framed(self) -> Piece | None:
        """The messages that are whole; what follows them goes to the next buffer."""
        data, held = self._buffer, self._held
        ends: list[int] = []
        at = 0
        length, add = _LENGTH.unpack_from, ends.append
        view = memoryview(data)[:held]
        try:
            while True:  # nothing else is done here a row
                at += length(view, at + 1)[0] + 1
                add(at)
        except struct.error:
            pass
        if ends and ends[-1] > held:
            ends.pop()
        whole = ends[-1] if ends else 0
        self._next(view[whole:])
        if not ends:
            return None
        stops = np.array(ends, np.int64)
        heads = np.concatenate((np.zeros(1, np.int64), stops[:-1]))
        starts = heads + _HEAD_BYTES
        if (starts > stops).any():
            raise ConnectionLost("the server sent a message that has no length")
        kinds = np.frombuffer(data, np.uint8)[heads]
        is_row = kinds == _ROW
        if not is_row.all():
            for index in np.flatnonzero(~is_row):
                self._other(int(kinds[index]), bytes(data[starts[index] : stops[index]]))
            starts, stops = starts[is_row], stops[is_row]
        if not len(starts):
            if self.done and self._error is not None:
                raise self._error
            return None
        return Piece(data, starts, stops)

    def _next(self, rest: memoryview) -> None:
        """A buffer that begins with `rest`, a message's beginning, and has room for more of it."""
        held = len(rest)
        self._room = PIECE_BYTES
        if held > _LENGTH.size:
            wanted = _LENGTH.unpack_from(rest, 1)[0] + 1
            if wanted > _MOST_BYTES:
                raise ConnectionLost("the server sent a message that is too long")
            # By steps: what is claimed is not there yet.
            self._room = max(PIECE_BYTES, min(wanted, 2 * held))
        self._buffer = bytearray(self._room + _PAD)
        self._buffer[:held] = rest
        self._held = held

    def _other(self, kind: int, payload: bytes) -> None:
        """A message that is no row."""
        if kind == _ERROR:
            self._error = said(payload)
        elif kind == _READY:
            self.done = True
