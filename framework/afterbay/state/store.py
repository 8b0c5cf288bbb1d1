"""The state of a pipeline: what is stored, what is under way, where to go on. The truth of a restart (I1, I2, I6).

::

    shard threads ---- begin / finish / withdraw ---->  queue  ---+
    source threads --- schema (not waited for) ------>  queue  ---+--> owner thread --> checkpoint.db (WAL, FULL)
    ledgers ---------- frontier, polled ------------------------->+         |
                                                                            +--> on_checkpoint (third commit)
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from afterbay.clock import Clock
from afterbay.instruments import StoreOutage
from afterbay.positions import ResumePoint, StoredPosition
from afterbay.runtime.ledger import Ledger, Token
from afterbay.schema import Json, TableSchema
from afterbay.state.codec import check_count, check_text, decode_object, encode_commit_ts, encode_json
from afterbay.state.database import (
    UNREADABLE_ROW,
    Connect,
    connect,
    create_directory,
    open_database,
    refusal,
    unreadable,
)
from afterbay.state.history import SchemaHistory, SchemaRecord
from afterbay.state.identity import Recognises, check_identity, check_pipeline
from afterbay.state.lock import DirectoryLock, Patience
from afterbay.state.owner import Owner
from afterbay.state.records import Intent, OpenIntent, Restart
from afterbay.state.tables import Tables

__all__ = ["Intent", "OpenIntent", "Restart", "State", "StoredPosition"]

Answer = TypeVar("Answer")


class State:
    """One pipeline's state directory, held by one run. Thread-safe; owns the lock, the owner thread and, by it, the
    database.

    A call that writes returns once it is durable. RunFailed means that the call is wrong and wrote nothing, or that
    the state has failed; EnvironmentRefused that disk or permissions failed. After a failure all calls raise it, the
    checkpoint stays where it was, and only `close` is left to do.
    """

    def __init__(
        self, directory: Path, lock: DirectoryLock, owner: Owner, restart: Restart, renewed: str | None = None
    ) -> None:
        """`renewed`: the pipeline's identity as it is written now, if another way of writing it is stored."""
        self.directory = directory
        self._lock = lock
        self._owner = owner
        self._restart = restart
        self._restart_is_old = False
        self._started = False
        self._renewed = renewed

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        pipeline: str,
        identity: Mapping[str, Json],
        clock: Clock,
        recognises: Recognises = lambda *_: False,
        connector: Connect = connect,
        patience: Patience | None = None,
    ) -> State:
        """Locks the directory (made if missing), migrates the database, checks whose it is, loads `restart`.

        With `patience` it waits for the end of another run that has the directory.
        `identity`: node -> {option: value}, plain JSON data. Files can be begun, finished and withdrawn from now on,
        so that sinks settle what a dead run left open; the checkpoint moves from `start` on. What `recognises` lets
        pass is replaced by what is given at `start`, when the sinks have looked at their roots.
        Raises EnvironmentRefused (`state.locked`, `state.folder`, `state.corrupt`, `state.foreign`, `state.newer`, …)
        and PipelineInvalid (`state.pipeline`, `state.identity`).
        """
        create_directory(directory)
        with ExitStack() as undo:
            lock = DirectoryLock.acquire(directory, clock, patience)
            undo.callback(lock.release)
            connection = open_database(directory, connector)
            undo.callback(connection.close)
            try:
                renewed = _check_owner(connection, directory, pipeline, identity, clock, recognises)
                restart = _load(connection, clock)
            except sqlite3.Error as error:
                raise refusal(error, directory) from error
            except UNREADABLE_ROW as error:
                raise unreadable(error, directory) from error
            owner = Owner(connection, directory, clock, restart.checkpoints)
            owner.run()
            undo.pop_all()
        return cls(directory, lock, owner, restart, renewed)

    @property
    def restart(self) -> Restart:
        """What this start needs. Includes what sinks settled since `open`, and stands still from `start` on."""
        if self._restart_is_old:
            checkpoints, schemas = self._restart.checkpoints, self._restart.schemas
            self._restart = self._owner.call(lambda tables: _restart(tables, checkpoints, schemas))
            self._restart_is_old = False
        return self._restart

    def start(
        self,
        ledgers: Mapping[str, Ledger],
        on_checkpoint: Callable[[str, ResumePoint], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        """From now on the frontiers of `ledgers` (by partition) become checkpoints.

        `on_checkpoint` follows each durable checkpoint row (I2), `on_failure` the state's first failure or a lost
        token; both are called on the owner's thread, without a lock, and must not call back into the state's
        waiting methods.
        """
        _ = self.restart
        if (renewed := self._renewed) is not None:
            self._owner.call(lambda tables: tables.identify(renewed))
        self._started = True
        self._owner.listen(ledgers, on_checkpoint, on_failure)

    @property
    def thread(self) -> threading.Thread:
        """The owner's thread, which commits and tells sources what is stored: for a report of what is stuck."""
        return self._owner.thread

    def claim(self, sink: str, *, adopted: int | None = None, mark: str = "") -> None:
        """The sink has looked at its root and takes it: from now on the state is not `fresh`. Before its first write
        to the store, so that a crash between that write and the first `begin` is not taken for a foreign root.

        `adopted`: the root has files in it already, and showed this checkpoint. `mark`: what the sink puts there now.
        """
        check_text(sink=sink, mark=mark)
        self._settling(lambda tables: tables.claim(sink, adopted, mark))

    def marked(self, sink: str) -> None:
        """The sink's mark is at its root. Blocks until durable."""
        self._settling(lambda tables: tables.marked(sink))

    def disclaim(self, sink: str) -> None:
        """The root turned out to be somebody else's: as before `claim`, unless something was stored. Blocks."""
        self._settling(lambda tables: tables.disclaim(sink))

    def begin(self, intent: Intent) -> int:
        """Blocks until the intent is durable; gives its id. Before a byte of the file goes to the store (I6).

        Refused (RunFailed): a second open file in a directory, a used number, changes stored before.
        """
        _check_intent(intent)
        return self._settling(lambda tables: tables.begin(intent))

    def finish(self, intent_id: int, tokens: Sequence[Token]) -> None:
        """The file is whole and its index written. One transaction, in this order: file done, position, tokens
        settled, frontier read, checkpoint row. Blocks until it is durable and the source has been told.
        """
        self._settling(lambda tables: tables.finish(intent_id), tokens)

    def withdraw(self, intent_id: int) -> None:
        """The file does not exist and nobody can deliver it late: its number is free. Blocks until durable.

        Refused (RunFailed `state.withdraw`) if the checkpoint says that its changes are stored (I1).
        """
        self._settling(lambda tables: tables.withdraw(intent_id))

    def fence(self, intent_id: int) -> None:
        """As `withdraw`, after an empty file took the name: the number stays used. Blocks until durable."""
        self._settling(lambda tables: tables.fence(intent_id))

    def finish_ddl(self, sink: str, key: str, commit_ts: int, tokens: Sequence[Token]) -> None:
        """The schema files of the DDL at `commit_ts` are visible: settles its tokens. Blocks until durable.

        `key` = the dispatcher, or what names a DDL of several tables. A second call changes nothing but the tokens.
        """
        check_text(sink=sink, key=key)
        encode_commit_ts(commit_ts)
        self._settling(lambda tables: tables.finish_ddl(sink, key, commit_ts), tokens)

    def schema(self, partition: str, dispatcher: str, commit_ts: int, schema: TableSchema | None) -> None:
        """`schema` is in force for `dispatcher` from `commit_ts` on (None: dropped). Queued, not waited for.

        Call it before anything at or above `commit_ts` is minted or promised: it is then committed no later than any
        checkpoint at or above `commit_ts`. Other content for a version at or below the checkpoint fails the state.
        """
        check_text(partition=partition, dispatcher=dispatcher)
        encode_commit_ts(commit_ts)
        text = None if schema is None else encode_json(schema.to_json(), f"the schema of {dispatcher}")
        self._owner.record(SchemaRecord(partition, dispatcher, commit_ts, text))

    def note_directory(self, sink: str, directory: str, number: int) -> None:
        """`number` is used in `directory` by a file that no intent tells of. Never falls. Blocks until durable."""
        check_text(sink=sink, directory=directory)
        check_count(number=number)
        self._settling(lambda tables: tables.note_directory(sink, directory, number))

    def cleaned_before(self, sink: str, day: str) -> None:
        """Files below `day` (2006-01-02) are about to be removed: nothing is written there again. Before the first is.

        Never falls. Blocks until durable.
        """
        check_text(sink=sink, day=day)
        self._settling(lambda tables: tables.cleaned_before(sink, day))

    def note_outage(self, sink: str, outage: StoreOutage | None) -> None:
        """The sink's store fails, or (None) works again: for `status`. Forgotten at the next start."""
        check_text(sink=sink)
        self._owner.call(lambda tables: tables.note_outage(sink, outage))

    def directory_number(self, sink: str, directory: str) -> int | None:
        """The last number used in a directory (an open file's included), or None: the state has not met it."""
        check_text(sink=sink, directory=directory)
        return self._owner.call(lambda tables: tables.directory_number(sink, directory))

    def flush(self) -> None:
        """Blocks until all that is queued, and the present frontier, are durable and the source has been told."""
        self._owner.call(lambda _: None)

    def checkpoint_of(self, partition: str) -> ResumePoint | None:
        """The last durable checkpoint. Never waits for the disk; any thread, callbacks included."""
        return self._owner.checkpoint_of(partition)

    def close(self) -> None:
        """Flushes unless failed, ends the thread, frees the lock. A second call does nothing.

        Raises only if its own flush fails; the lock is free then too.
        """
        try:
            self._owner.close()
        finally:
            self._lock.release()

    def _settling(self, apply: Callable[[Tables], Answer], tokens: Sequence[Token] = ()) -> Answer:
        answer = self._owner.call(apply, tokens)
        if not self._started:
            self._restart_is_old = True
        return answer


def _check_intent(intent: Intent) -> None:
    check_text(
        sink=intent.sink,
        partition=intent.partition,
        dispatcher=intent.dispatcher,
        directory=intent.directory,
        path=intent.path,
    )
    check_count(
        number=intent.number,
        rows=intent.rows,
        size=intent.size,
        crc=intent.crc,
        header=intent.header,
        ordinal=min(intent.first.ordinal, intent.last.ordinal),
    )
    encode_commit_ts(intent.first.commit_ts)
    encode_commit_ts(intent.last.commit_ts)
    if intent.last < intent.first or intent.rows < 1:
        raise ValueError(f"an intent has at least one row and does not end before it starts: {intent}")


def _check_owner(
    connection: sqlite3.Connection,
    directory: Path,
    pipeline: str,
    identity: Mapping[str, Json],
    clock: Clock,
    recognises: Recognises,
) -> str | None:
    """Checks that the state is this pipeline's with these options, or makes it so if it is new.

    Gives the identity that is to be stored instead, if another way of writing it was stored.
    """
    check_text(pipeline=pipeline)
    given = encode_json(dict(identity), "the pipeline's identity")
    row = connection.execute("select pipeline, identity from state").fetchone()
    if row is None:
        connection.execute(
            "insert into state (id, pipeline, identity, created_at) values (1, ?, ?, ?)",
            (pipeline, given, clock.now().isoformat(timespec="milliseconds")),
        )
        return None
    check_pipeline(directory, row[0], pipeline)
    check_identity(directory, decode_object(row[1]), json.loads(given), recognises)
    return given if given != row[1] else None


def _load(connection: sqlite3.Connection, clock: Clock) -> Restart:
    tables, history = Tables(connection, clock), SchemaHistory(connection)
    connection.execute("begin immediate")
    tables.forget_outages()
    checkpoints = tables.checkpoints()
    history.keep_in_force(checkpoints)
    schemas = history.in_force()
    connection.execute("commit")
    return _restart(tables, checkpoints, schemas)


def _restart(
    tables: Tables, checkpoints: Mapping[str, ResumePoint], schemas: Mapping[str, Mapping[str, TableSchema]]
) -> Restart:
    claimed = tables.claimed()
    return Restart(
        fresh=not claimed and not checkpoints,
        checkpoints=checkpoints,
        positions=tables.positions(),
        intents=tables.intents(),
        schemas=schemas,
        ddls=tables.ddls(),
        claimed=claimed,
        cleaned=tables.cleaned(),
        totals=tables.totals(),
        adopted=tables.adopted(),
        marks=tables.marks(),
    )
