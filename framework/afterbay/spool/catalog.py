"""The catalog: `spool.db`, what lies in which segment. It follows the segments, it never leads them.

One thread owns the connection and commits in groups. Callers only note what happened; notes of one entry or segment
merge, so that what waits for a commit is bounded by what is live, whatever the disk does (I8). Adding an entry and
removing it before the commit leaves nothing to write but the segment's growth.

A segment goes in three steps, each mended by the next start: its row becomes `deleting` (committed) -> its file is
unlinked -> its row is gone (committed). A start discards the whole spool, so the file needs no syncing.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlite_utils import Database

from afterbay.clock import Clock
from afterbay.errors import EnvironmentRefused, Place, RunFailed
from afterbay.messages import BatchHead
from afterbay.spool.faults import write_failed
from afterbay_migrations.spool import SPOOL

GROUP_SECONDS = 0.05  # how long notes may wait for others, where nobody waits for the commit
GROUP_NOTES = 1024
_LARGEST_WAL = 4 << 20

_EntryRow = tuple[int, int, int, int, int, str, int, str, int, str, int]


@dataclass(slots=True)
class _Notes:
    """What one commit will write. Guarded by the catalog's lock until the owner thread takes it whole."""

    opened: list[tuple[int, str]] = field(default_factory=list)
    added: dict[int, _EntryRow] = field(default_factory=dict)
    removed: list[int] = field(default_factory=list)
    refs: dict[int, int] = field(default_factory=dict)
    grown: dict[int, int] = field(default_factory=dict)
    sealed: list[int] = field(default_factory=list)
    condemned: dict[int, Callable[[], None]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.added) + len(self.removed)

    @property
    def empty(self) -> bool:
        return not (self.opened or self.refs or self.sealed or self.condemned)


class Catalog:
    """The rows of one spool. Owns its thread; the thread owns the connection. Callers may be any thread.

    `failed` is told once if the catalog can go on no more: from then on no segment is deleted.
    """

    def __init__(self, path: Path, name: str, quota: int, clock: Clock, failed: Callable[[RunFailed], None]) -> None:
        self._path = path
        self._quota = quota
        self._clock = clock
        self._failed = failed
        self._changed = threading.Condition()
        self._notes = _Notes()
        self._urgent = False
        self._closing = False
        self._taken = 0  # groups
        self._finished = 0
        self._failure: RunFailed | None = None
        self._connection = self._open()
        self._thread = threading.Thread(target=self._run, name=f"{name}/catalog", daemon=False)
        self._thread.start()

    def opened(self, segment: int, path: str) -> None:
        """A segment file was made."""
        with self._noting() as notes:
            notes.opened.append((segment, path))

    def added(self, entry: int, segment: int, offset: int, stored: int, head: BatchHead) -> None:
        """An entry lies at `offset` of `segment`, `stored` bytes with its header."""
        row = (
            entry,
            segment,
            offset,
            head.size,
            head.crc,
            head.dispatcher.encode("utf-8", "backslashreplace").decode(),
            head.rows,
            f"{head.first.commit_ts:020d}",
            head.first.ordinal,
            f"{head.last.commit_ts:020d}",
            head.last.ordinal,
        )
        with self._noting() as notes:
            notes.added[entry] = row
            notes.refs[segment] = notes.refs.get(segment, 0) + 1
            notes.grown[segment] = notes.grown.get(segment, 0) + stored

    def removed(self, entry: int, segment: int) -> None:
        """An entry is live no more."""
        with self._noting() as notes:
            if notes.added.pop(entry, None) is None:
                notes.removed.append(entry)
            notes.refs[segment] = notes.refs.get(segment, 0) - 1

    def sealed(self, segment: int) -> None:
        """Nothing will be appended to a segment any more."""
        with self._noting() as notes:
            notes.sealed.append(segment)

    def condemned(self, segment: int, unlink: Callable[[], None]) -> None:
        """A segment has no live entry: calls `unlink` between the commit of `deleting` and that of the row's end."""
        with self._noting() as notes:
            notes.condemned[segment] = unlink
            self._hurry()

    def drain(self) -> None:
        """Returns when all that was noted before is committed and unlinked. Raises what stopped the catalog."""
        with self._changed:
            until = self._taken + (0 if self._notes.empty else 1)
            self._hurry()
            while self._finished < until and self._failure is None:
                self._clock.wait(self._changed, None)
            if self._failure is not None:
                raise self._failure

    def close(self) -> None:
        """Commits what is noted, ends the thread and closes the file. Raises what stopped the catalog."""
        with self._changed:
            self._closing = True
            self._hurry()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    @contextlib.contextmanager
    def _noting(self) -> Iterator[_Notes]:
        with self._changed:
            idle = self._notes.empty
            yield self._notes
            if self._notes.count >= GROUP_NOTES and not self._urgent:
                self._hurry()
            elif idle:
                self._changed.notify_all()

    def _hurry(self) -> None:
        self._urgent = True
        self._changed.notify_all()

    def _open(self) -> sqlite3.Connection:
        with contextlib.ExitStack() as undo:
            try:
                connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
                undo.callback(connection.close)
                connection.execute("pragma journal_mode = wal")
                connection.execute("pragma synchronous = off")
                connection.execute(f"pragma journal_size_limit = {_LARGEST_WAL}")
                SPOOL.apply(Database(connection))
            except sqlite3.Error as error:
                raise EnvironmentRefused(
                    "spool.folder",
                    f"the spool's catalog {self._path} cannot be made: {error}",
                    place=Place(file=str(self._path)),
                    hint="the spool's folder needs room, write access, and a file system that can lock files",
                ) from error
            undo.pop_all()
        return connection

    def _run(self) -> None:
        try:
            with contextlib.closing(self._connection):
                while (notes := self._next()) is not None:
                    self._commit(notes)
                    with self._changed:
                        self._finished += 1
                        self._changed.notify_all()
        except Exception as error:  # whatever it was, who waits for the catalog must learn of it
            self._stop(self._explained(error))

    def _explained(self, error: Exception) -> RunFailed:
        if isinstance(error, RunFailed):
            return error
        if isinstance(error, OSError | sqlite3.Error):
            return write_failed(error, self._path, self._quota)
        failure = RunFailed("spool.catalog", f"the catalog of the spool stopped: {error!r}")
        failure.__cause__ = error
        return failure

    def _stop(self, failure: RunFailed) -> None:
        with self._changed:
            self._failure = failure
            self._changed.notify_all()
        self._failed(failure)

    def _next(self) -> _Notes | None:
        """The next group, or None when closing and nothing is left."""
        with self._changed:
            while self._notes.empty and not self._closing:
                self._clock.wait(self._changed, None)
            if self._notes.empty:
                return None
            if not (self._urgent or self._closing):
                self._clock.wait(self._changed, GROUP_SECONDS)
            notes, self._notes = self._notes, _Notes()
            self._urgent = False
            self._taken += 1
            return notes

    def _commit(self, notes: _Notes) -> None:
        run = self._connection.executemany
        with self._transaction():
            run("insert into segments values (?, ?, 0, 0, 'active')", notes.opened)
            run("insert into entries values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", notes.added.values())
            run("delete from entries where id = ?", ((entry,) for entry in notes.removed))
            run(
                "update segments set refs = refs + ?, bytes = bytes + ? where id = ?",
                ((refs, notes.grown.get(segment, 0), segment) for segment, refs in notes.refs.items()),
            )
            run("update segments set state = 'sealed' where id = ?", ((segment,) for segment in notes.sealed))
            run("update segments set state = 'deleting' where id = ?", ((segment,) for segment in notes.condemned))
        if not notes.condemned:
            return
        for unlink in notes.condemned.values():
            unlink()
        with self._transaction():
            run("delete from segments where id = ?", ((segment,) for segment in notes.condemned))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.execute("commit")
