"""The run's end of the live socket. One thread owns the socket, every connection and what it answers.

::

    bound (0600) -> listening --close--> unlinked
    connection: reads a line -> answers -> reads the next     (idle too long, too long a line, not read: dropped)

Bounded (I8): so many connections, so long a question, one answer under way each. What fails here fails an answer or a
connection, never the run.
"""

from __future__ import annotations

import errno
import logging
import selectors
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from afterbay.clock import Clock
from afterbay.errors import AfterbayError
from afterbay.live.address import address
from afterbay.live.protocol import MOST_QUESTION, SOCKET_FILE, VERSION, line, parse
from afterbay.schema import Json

log = logging.getLogger("afterbay.live")

MOST_CONNECTIONS = 16
IDLE_SECONDS = 30.0
"""A connection that asks nothing, or does not take its answer, for so long is closed."""


class Answers(Protocol):
    """What a run answers. Called by the listener's thread only."""

    def answer(self, ask: str, question: Mapping[str, Json], asker: int) -> Json:
        """Raises AfterbayError with what is to be told instead. `asker`: a number of the connection."""
        ...

    def gone(self, asker: int) -> None:
        """The connection is closed."""
        ...


@dataclass(slots=True, eq=False)
class _Peer:
    number: int
    socket: socket.socket
    seen: float
    question: bytearray = field(default_factory=bytearray)
    answer: memoryview = field(default_factory=lambda: memoryview(b""))


class Listener:
    """Owns its thread, and by it the socket."""

    def __init__(self, directory: Path, name: str, answers: Answers, clock: Clock, listening: socket.socket) -> None:
        self._directory = directory
        self._answers = answers
        self._clock = clock
        self._listening = listening
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._peers: dict[int, _Peer] = {}
        self._numbers = 0
        # A run that is stuck never comes to close it, and its process must be able to end all the same (I9).
        self._thread = threading.Thread(target=self._serve, name=f"{name}/live", daemon=True)

    @classmethod
    def open(cls, directory: Path, name: str, answers: Answers, clock: Clock) -> Listener | None:
        """Listens in `directory`, whose lock the caller holds: a socket that is there is a dead run's, and replaced.

        None where the file system or the system has no such sockets: told as a log record, and no fault of the run.
        """
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.setblocking(False)
            (directory / SOCKET_FILE).unlink(missing_ok=True)
            with address(directory) as where:
                listening.bind(where)
            # Nobody can connect between the two: it does not listen yet.
            (directory / SOCKET_FILE).chmod(0o600)
            listening.listen(MOST_CONNECTIONS)
        except OSError as error:
            listening.close()
            log.info("the run cannot be watched: no socket in %s: %s", directory, error.strerror or error)
            return None
        listener = cls(directory, name, answers, clock, listening)
        listener._thread.start()
        return listener

    def close(self) -> None:
        """Ends the thread and every connection, and removes the socket. Before the state's lock is free."""
        self._wake_writer.send(b"x")
        self._thread.join()
        self._wake_writer.close()
        (self._directory / SOCKET_FILE).unlink(missing_ok=True)

    def _serve(self) -> None:
        select = self._selector
        select.register(self._listening, selectors.EVENT_READ)
        select.register(self._wake_reader, selectors.EVENT_READ)
        try:
            while self._turn():
                pass
        finally:
            for peer in list(self._peers.values()):
                self._drop(peer)
            self._listening.close()
            self._wake_reader.close()
            select.close()

    def _turn(self) -> bool:
        """What is ready now. False when it is to end."""
        for key, events in self._selector.select(IDLE_SECONDS if self._peers else None):
            if key.fileobj is self._wake_reader:
                return False
            if key.fileobj is self._listening:
                self._accept()
                continue
            peer: _Peer = key.data
            try:
                if events & selectors.EVENT_READ:
                    self._read(peer)
                if peer.number in self._peers:
                    self._write(peer)
            except OSError:
                self._drop(peer)  # it has gone
        now = self._clock.monotonic()
        for peer in [peer for peer in self._peers.values() if now - peer.seen >= IDLE_SECONDS]:
            self._drop(peer)
        return True

    def _accept(self) -> None:
        try:
            connected, _ = self._listening.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                log.info("no connection could be taken: %s", error)
            return
        if len(self._peers) >= MOST_CONNECTIONS:
            connected.close()
            return
        connected.setblocking(False)
        self._numbers += 1
        peer = self._peers[self._numbers] = _Peer(self._numbers, connected, self._clock.monotonic())
        self._selector.register(connected, selectors.EVENT_READ, peer)

    def _read(self, peer: _Peer) -> None:
        got = peer.socket.recv(MOST_QUESTION)
        if not got:
            self._drop(peer)
            return
        peer.seen = self._clock.monotonic()
        peer.question += got
        self._next(peer)

    def _next(self, peer: _Peer) -> None:
        """Answers the next question that is whole; a further one is looked at when the answer is away."""
        if peer.answer:
            return
        text, end, rest = bytes(peer.question).partition(b"\n")
        if end:
            peer.question = bytearray(rest)
            peer.answer = memoryview(self._answered(text, peer.number))
        elif len(text) > MOST_QUESTION:
            self._drop(peer)

    def _write(self, peer: _Peer) -> None:
        while peer.answer:
            try:
                sent = peer.socket.send(peer.answer)
            except BlockingIOError:
                break
            peer.seen = self._clock.monotonic()
            peer.answer = peer.answer[sent:]
            if not peer.answer:
                self._next(peer)
        # Nothing is read from who does not take its answer: neither side's backlog grows.
        self._selector.modify(peer.socket, selectors.EVENT_WRITE if peer.answer else selectors.EVENT_READ, peer)

    def _answered(self, text: bytes, asker: int) -> bytes:
        try:
            question = parse(text)
        except ValueError as error:
            return _refused("ask.invalid", f"this is no question: {error}")
        if question.get("afterbay") != VERSION:
            return _refused("ask.version", f"this run speaks version {VERSION} of the protocol")
        try:
            return line({"answer": self._answers.answer(str(question.get("ask")), question, asker)})
        except AfterbayError as error:
            return _refused(error.code, error.diagnostics[0].message)
        except Exception as error:  # a defect, and told as one; it must not take the run's data with it
            log.exception("a question could not be answered")
            return _refused("defect", f"{type(error).__name__}: {error}")

    def _drop(self, peer: _Peer) -> None:
        if self._peers.pop(peer.number, None) is not None:
            self._selector.unregister(peer.socket)
            peer.socket.close()
            self._answers.gone(peer.number)


def _refused(code: str, message: str) -> bytes:
    return line({"error": {"code": code, "message": message}})
