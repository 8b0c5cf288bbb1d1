"""The thread that owns `checkpoint.db`, and its group commit.

Callers queue requests and wait; the thread takes all that wait, does them in one transaction, commits once and then
answers all. While it commits, the next group gathers: many writers share one fsync. A round is, in this order::

    take the queue -> BEGIN IMMEDIATE -> files done, positions -> tokens settled -> frontiers read
      -> schemas recorded -> checkpoint rows -> COMMIT -> on_checkpoint -> answers

Two orders in it carry proofs. Tokens are settled before the frontier is read, and both before COMMIT, so that a file
and the checkpoint that it allows are durable together (I1); if COMMIT fails, nobody learns of either. Schemas are taken
from their queue *after* the frontiers are read: whoever raised a frontier to T had queued the schemas up to T before,
so no checkpoint is committed without the schemas at or below it (I3).
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from afterbay.clock import Clock
from afterbay.errors import AfterbayError, EnvironmentRefused, RunFailed
from afterbay.positions import ResumePoint
from afterbay.runtime.ledger import Ledger, Token
from afterbay.state.database import refusal
from afterbay.state.history import SchemaHistory, SchemaRecord
from afterbay.state.tables import Tables

POLL_SECONDS = 0.2

OnCheckpoint = Callable[[str, ResumePoint], None]
OnFailure = Callable[[BaseException], None]
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class _Request:
    apply: Callable[[Tables], object]
    tokens: Sequence[Token]
    answer: Future[object]


@dataclass(frozen=True, slots=True)
class _Listener:
    """Who is served from `start` on."""

    ledgers: Mapping[str, Ledger]
    on_checkpoint: OnCheckpoint
    on_failure: OnFailure


class Owner:
    """Owns the thread, its connection, the queues and one lock (`_changed`), which no callback is called under.

    The first failure is final: the connection is closed without a commit, everyone who waits gets the error, and so
    does every later call. The checkpoint stays where it was.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        directory: Path,
        clock: Clock,
        checkpoints: Mapping[str, ResumePoint],
    ) -> None:
        """Takes `connection` over; the caller must not use it after `run`. `checkpoints`: the durable ones."""
        self._connection = connection
        self._directory = directory
        self._clock = clock
        self._tables = Tables(connection, clock)
        self._history = SchemaHistory(connection)
        self._changed = threading.Condition()
        self._queue: deque[_Request] = deque()
        self._schemas: deque[SchemaRecord] = deque()
        self._listener: _Listener | None = None
        self._closing = False
        self._failure: AfterbayError | None = None
        self._checkpoints = dict(checkpoints)
        self._thread = threading.Thread(target=self._serve, name="afterbay/state", daemon=False)

    @property
    def thread(self) -> threading.Thread:
        """The thread, for whoever asks what it is doing."""
        return self._thread

    def run(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def listen(self, ledgers: Mapping[str, Ledger], on_checkpoint: OnCheckpoint, on_failure: OnFailure) -> None:
        """From now on frontiers are persisted and the callbacks are called. Once only."""
        with self._changed:
            if self._listener is not None:
                raise RuntimeError("the state was started before")
            self._listener = _Listener(dict(ledgers), on_checkpoint, on_failure)
            self._changed.notify()

    def call(self, apply: Callable[[Tables], Answer], tokens: Sequence[Token] = ()) -> Answer:
        """Does `apply` in the next group and settles `tokens` with it; returns once both are durable.

        Raises what `apply` refuses (RunFailed; nothing of it is written and no token is settled), or the failure.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("the state's callbacks must not wait for the state: its thread would wait for itself")
        request = _Request(apply, tokens, Future())
        with self._changed:
            self._refuse_if_over()
            self._queue.append(request)
            self._changed.notify()
        return cast("Answer", request.answer.result())

    def record(self, record: SchemaRecord) -> None:
        """Queues a schema. It is committed with or before the first checkpoint at or above it."""
        with self._changed:
            self._refuse_if_over()
            self._schemas.append(record)

    def checkpoint_of(self, partition: str) -> ResumePoint | None:
        """The last durable checkpoint."""
        with self._changed:
            return self._checkpoints.get(partition)

    def close(self) -> None:
        """Commits what is queued and the present frontier, ends the thread. Raises if that last round fails."""
        with self._changed:
            failed_before = self._failure is not None
            self._closing = True
            self._changed.notify()
        self._thread.join()
        if self._failure is not None and not failed_before:
            raise _copy(self._failure)

    def _refuse_if_over(self) -> None:
        if self._failure is not None:
            raise _copy(self._failure)
        if self._closing:
            raise RunFailed("state.closed", f"the state in {self._directory} is closed")

    def _serve(self) -> None:
        group: list[_Request] = []
        try:
            closing = False
            while not closing:
                with self._changed:
                    if not self._queue and not self._closing:
                        self._clock.wait(self._changed, POLL_SECONDS)
                    group[:] = self._queue
                    self._queue.clear()
                    closing, listener = self._closing, self._listener
                self._round(group, listener)
        except BaseException as error:
            self._fail(error, group)
        finally:
            self._connection.close()

    def _round(self, group: Sequence[_Request], listener: _Listener | None) -> None:
        """One group commit; see the module's text for the order of its steps."""
        if group:
            self._connection.execute("begin immediate")
        answers = self._apply(group)
        moved = self._moved(listener)
        with self._changed:
            schemas = list(self._schemas)
            self._schemas.clear()
        if not group and not schemas and not moved:
            self._check(listener)
            return
        if not group:
            self._connection.execute("begin immediate")
        for record in schemas:
            self._history.record(record, self._checkpoints.get(record.partition))
        for partition, point in moved.items():
            self._tables.checkpoint(partition, point)
            self._history.prune(partition, point)
        durable = {**self._checkpoints, **moved}
        if moved and listener is not None and listener.ledgers.keys() <= durable.keys():
            self._tables.forget_ddls(min(durable[partition].commit_ts for partition in listener.ledgers))
        self._connection.execute("commit")
        with self._changed:
            self._checkpoints = durable
        if listener is not None:
            # The third commit comes after the second (I2), and outside the lock: it is somebody else's code.
            for partition, point in moved.items():
                listener.on_checkpoint(partition, point)
        for request, answer in answers:
            request.answer.set_result(answer)
        self._check(listener)

    def _apply(self, group: Sequence[_Request]) -> list[tuple[_Request, object]]:
        """Does the requests and settles their tokens. What is refused is answered at once: it has written nothing."""
        answers: list[tuple[_Request, object]] = []
        for request in group:
            try:
                answer = request.apply(self._tables)
            except RunFailed as refused:
                request.answer.set_exception(refused)
                continue
            for token in request.tokens:
                token.settle()
            answers.append((request, answer))
        return answers

    def _moved(self, listener: _Listener | None) -> dict[str, ResumePoint]:
        """The frontiers that are not what the checkpoint says."""
        if listener is None:
            return {}
        frontiers = {partition: ledger.frontier() for partition, ledger in listener.ledgers.items()}
        return {
            partition: point
            for partition, point in frontiers.items()
            if point is not None and point != self._checkpoints.get(partition)
        }

    def _check(self, listener: _Listener | None) -> None:
        if listener is not None:
            for ledger in listener.ledgers.values():
                ledger.check()  # a lost token ends the run (I5)

    def _fail(self, error: BaseException, group: Sequence[_Request]) -> None:
        """Everyone who waits, and everyone who comes, gets the error; then the run hears of it."""
        if isinstance(error, sqlite3.Error):
            failure = refusal(error, self._directory)
            failure.__cause__ = error
        elif isinstance(error, AfterbayError):
            failure = error
        else:
            failure = RunFailed("state.failed", f"the state in {self._directory} failed: {error!r}")
            failure.__cause__ = error
        with self._changed:
            self._failure = failure
            waiting = [*group, *self._queue]
            self._queue.clear()
            listener = self._listener
        for request in waiting:
            if not request.answer.done():
                request.answer.set_exception(_copy(failure))
        if listener is not None:
            listener.on_failure(failure)


def _copy(failure: AfterbayError) -> AfterbayError:
    """The failure for one more thread: an exception raised in two threads at once would mix their tracebacks."""
    family = EnvironmentRefused if isinstance(failure, EnvironmentRefused) else RunFailed
    copy = family(failure.code, str(failure), place=failure.place, hint=failure.hint, diagnostics=failure.diagnostics)
    copy.__cause__ = failure
    return copy
