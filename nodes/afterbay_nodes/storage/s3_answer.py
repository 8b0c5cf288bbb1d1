"""The answers of a server, read under the deadline of their operation.

A socket's time-out is for one silence. A server that sends a byte now and then would keep its caller for ever, and one
that is silent keeps it for the whole time-out, though the run was cancelled (I9). So each read waits in short turns and
asks in between, as the body of a request does while it is sent.
"""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)

TURN = 0.5
"""Seconds that a read waits before it asks whether it may go on waiting."""

Guard = Callable[[], None]


class Watch:
    """The guard of each thread's request under way. Owns what it keeps by thread."""

    def __init__(self) -> None:
        self._threads = threading.local()

    @contextmanager
    def over(self, guard: Guard) -> Iterator[None]:
        """`guard` is asked while this thread waits for the store; it ends the wait by raising."""
        self._threads.guard = guard
        try:
            yield
        finally:
            self._threads.guard = None

    def check(self) -> None:
        """Raises what the guard of this thread's request raises."""
        guard = getattr(self._threads, "guard", None)
        if guard is not None:
            guard()


def watch_answers(client: Any, watch: Watch) -> None:
    """The client's connections ask `watch` while they read. Before its first request.

    botocore has no option for the classes of its connections; this is where it keeps them, for proxies too.
    """

    class Plain(AWSHTTPConnection):  # type: ignore[misc]
        def connect(self) -> None:
            super().connect()
            _wrap(self, watch.check)

    class Secure(AWSHTTPSConnection):  # type: ignore[misc]
        def connect(self) -> None:
            super().connect()
            _wrap(self, watch.check)

    class PlainPool(AWSHTTPConnectionPool):  # type: ignore[misc]
        ConnectionCls = Plain

    class SecurePool(AWSHTTPSConnectionPool):  # type: ignore[misc]
        ConnectionCls = Secure

    client._endpoint.http_session._pool_classes_by_scheme.update(http=PlainPool, https=SecurePool)


def _wrap(connection: Any, check: Guard) -> None:
    connection.sock = WatchedSocket(connection.sock, check)


class WatchedSocket:
    """A connected socket whose files ask `check` while they wait. All else is the socket's own, which it owns."""

    def __init__(self, inner: socket.socket, check: Guard) -> None:
        self._inner = inner
        self._check = check

    def makefile(self, mode: str = "r", buffering: int | None = None) -> io.RawIOBase | io.BufferedReader:
        """As `socket.makefile`, for reading bytes."""
        raw = _WatchedFile(self._inner, self._check)
        return raw if buffering == 0 else io.BufferedReader(raw)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _WatchedFile(io.RawIOBase):
    """Reads a socket in turns. Keeps the socket open until it is closed itself, as the socket's own files do."""

    def __init__(self, inner: socket.socket, check: Guard) -> None:
        self._inner = inner
        self._check = check
        self._hold = inner.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """At least one byte, 0 at the end. Raises TimeoutError after a silence of the socket's own time-out."""
        patience = self._inner.gettimeout()
        waited = 0.0
        try:
            while True:
                self._check()
                turn = TURN if patience is None else min(TURN, patience - waited)
                self._inner.settimeout(turn)
                try:
                    return self._inner.recv_into(buffer)
                except TimeoutError:
                    waited += turn
                    if patience is not None and waited >= patience:
                        raise
        finally:
            self._inner.settimeout(patience)

    def close(self) -> None:
        if not self.closed:
            self._hold.close()
        super().close()
