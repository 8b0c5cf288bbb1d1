"""The stream of one slot: XLogData and keepalives as they come, and what is confirmed back."""

from __future__ import annotations

import os
import select
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from afterbay.errors import AfterbayError
from afterbay_nodes.sources.postgres.connection import Access, ConnectionLost
from afterbay_nodes.sources.postgres.lsn import lsn_text
from afterbay_nodes.sources.postgres.names import literal, quoted
from afterbay_nodes.sources.postgres.wire import started

if TYPE_CHECKING:
    import psycopg

STATUS_SECONDS: Final = 10.0
"""At most between two status messages, well within the server's `wal_sender_timeout` (60 s)."""

_SECOND: Final = {"proto_version": "2", "streaming": "on"}
_STATUS = struct.Struct("!cQQQqB")


@dataclass(frozen=True, slots=True)
class Streamed:
    """What is asked of a server. `unfinished`: transactions that are not committed yet, too."""

    slot: str
    publication: str
    unfinished: bool

    def command(self, start: int, version: int) -> str:
        """From a position on. `version`: the server's, 150004.

        Version 1 of the protocol has all that is needed without unfinished transactions; with them 2 has (14), and from
        4 (16) on their aborts say where and when. Version 3 is about prepared transactions, which are not asked for.
        """
        options = {"proto_version": "1", "publication_names": quoted(self.publication), "messages": "true"}
        if self.unfinished:
            parallel = version >= 160_000
            options |= {"proto_version": "4", "streaming": "parallel"} if parallel else _SECOND
        told = ", ".join(f"{name} {literal(value)}" for name, value in options.items())
        return f"START_REPLICATION SLOT {quoted(self.slot)} LOGICAL {lsn_text(start)} ({told})"


class Stream:
    """START_REPLICATION under way. Owns its connection, a pipe that wakes a reader, and a thread.

    One thread reads; any thread confirms. The thread sends status messages, also while the reader is held up
    elsewhere (by a store that is out of reach): a server that hears nothing would end the connection. `_lock` is
    around every use of the connection.
    """

    def __init__(self, access: Access, wanted: Streamed, start: int, confirmed: int) -> None:
        """Starts at `start`, a position. Raises ConnectionLost, EnvironmentRefused or RunFailed."""
        self._access = access
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[tuple[object, ...]] = access.replication()
        self._changed = threading.Condition()
        self._confirmed = confirmed
        self._told = 0
        self._closing = False
        try:
            with access.guarded():
                command = wanted.command(start, self._connection.info.server_version)
                self._wire = started(self._connection, command)
        except BaseException:
            self._connection.close()
            raise
        self._poll = select.poll()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._poll.register(self._wire.fileno(), select.POLLIN)
        self._poll.register(self._wake_read, select.POLLIN)
        self._thread = threading.Thread(target=self._keep_telling, name="postgres/status")
        self._thread.start()

    def read(self, seconds: float) -> Sequence[bytes]:
        """The messages that are there, up to about 1 MiB of them; waits `seconds` for the first, then gives none.

        Each is an XLogData (`w`) or a keepalive (`k`), head and all. Raises ConnectionLost.
        """
        found = self._take()
        if not found and self._wait(seconds):
            with self._lock, self._access.guarded():
                self._wire.fill()
            found = self._take()
        return found

    def confirm(self, lsn: int) -> None:
        """What ends at or below `lsn` is durable and in a checkpoint: the server may discard it (I2). Any thread."""
        with self._changed:
            if lsn > self._confirmed:
                self._confirmed = lsn
                self._changed.notify_all()

    def ask(self) -> None:
        """Asks the server for a keepalive, which tells how far it has read. Raises ConnectionLost."""
        self._tell(reply=True)

    def wake(self) -> None:
        """Ends a `read` that waits. Any thread."""
        os.write(self._wake_write, b"!")

    def close(self) -> None:
        """Tells the last confirmed position, if the server still listens, and ends."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._wire.close()
        self._connection.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _take(self) -> list[bytes]:
        with self._lock, self._access.guarded():
            return self._wire.take()

    def _wait(self, seconds: float) -> bool:
        ready = self._poll.poll(seconds * 1000)
        for descriptor, _ in ready:
            if descriptor == self._wake_read:
                os.read(self._wake_read, 64)
        return bool(ready)

    def _tell(self, *, reply: bool = False) -> None:
        confirmed = self._confirmed
        status = _STATUS.pack(b"r", confirmed, confirmed, confirmed, 0, reply)
        with self._lock, self._access.guarded():
            self._wire.send(status)
        self._told = confirmed

    def _keep_telling(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._confirmed > self._told, STATUS_SECONDS)
                closing = self._closing
            try:
                self._tell()
            except (ConnectionLost, AfterbayError):
                return  # the reader meets the same end, and tells it
            if closing:
                return
