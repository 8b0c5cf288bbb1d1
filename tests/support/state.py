"""What tests of the state share: a clock that stands still, a connection that can fail, stop and tell, short makers."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from afterbay.clock import Clock
from afterbay.errors import AfterbayError
from afterbay.positions import ResumePoint
from afterbay.runtime.ledger import Ledger
from afterbay.schema import Column, Json, RowPosition, TableName, TableSchema
from afterbay.state.database import connect
from afterbay.state.identity import Recognises
from afterbay.state.store import Intent, State

PIPELINE = "orders"
IDENTITY: Mapping[str, Json] = {"lake": {"type": "files", "uri": "file:///lake"}}
SOURCE = "changes"
SINK = "lake"
PATIENCE = 60.0  # seconds until a test that waits for another thread gives up

_opened: list[State] = []


class StoppedClock:
    """Time stands still until `pass_time`: a wait with a timeout ends by a notice, or when time passes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds = 0.0
        self._waiting: list[threading.Condition] = []

    def monotonic(self) -> float:
        with self._lock:
            return self._seconds

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        with self._lock:
            self._waiting.append(condition)
        condition.wait()
        with self._lock:
            self._waiting.remove(condition)

    def pass_time(self, seconds: float) -> None:
        """Ends every wait that is under way."""
        with self._lock:
            self._seconds += seconds
            waiting = list(self._waiting)
        for condition in waiting:
            with condition:
                condition.notify_all()


class Wire:
    """Between the state and SQLite: keeps what was executed, and calls `before` in front of each statement."""

    def __init__(self, before: Callable[[str], None] = lambda _: None) -> None:
        self.before = before
        self.statements: list[str] = []

    def connect(self, path: Path) -> sqlite3.Connection:
        wire = self

        class Tapped(sqlite3.Connection):
            def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
                wire.before(sql)
                wire.statements.append(sql)
                return super().execute(sql, *parameters)

        return sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Tapped)

    @property
    def commits(self) -> int:
        return sum(is_commit(sql) for sql in self.statements)


def is_commit(sql: str) -> bool:
    return sql.strip().lower() == "commit"


class Run:
    """A state with a ledger, started; keeps what the callbacks were told."""

    def __init__(
        self,
        directory: Path,
        *,
        clock: Clock | None = None,
        wire: Wire | None = None,
        on_checkpoint: Callable[[str, ResumePoint], None] | None = None,
        adopted: int | None = None,
    ) -> None:
        """`adopted`: the sink has taken a root with files in it, which showed this checkpoint."""
        self.clock = clock if clock is not None else StoppedClock()
        self.told: list[tuple[str, ResumePoint]] = []
        self.failures: list[BaseException] = []
        self.failed = threading.Event()
        self.state = open_state(directory, clock=self.clock, wire=wire)
        if adopted is not None:
            self.state.claim(SINK, adopted=adopted)
        self.ledger = Ledger(SOURCE, self.state.restart.checkpoints.get(SOURCE))
        self.state.start({SOURCE: self.ledger}, on_checkpoint or self._on_checkpoint, self._on_failure)

    def _on_checkpoint(self, partition: str, point: ResumePoint) -> None:
        self.told.append((partition, point))

    def _on_failure(self, error: BaseException) -> None:
        self.failures.append(error)
        self.failed.set()

    @property
    def checkpoint(self) -> int | None:
        point = self.state.checkpoint_of(SOURCE)
        return None if point is None else point.commit_ts

    def store(self, commit_ts: int, number: int, dispatcher: str = "d1") -> None:
        """One change at `commit_ts`, minted, promised, and stored in a file of its own."""
        token = self.ledger.mint(commit_ts, dispatcher)
        self.ledger.promise(commit_ts, {"at": commit_ts})
        self.state.finish(self.state.begin(intent(commit_ts, number, dispatcher)), [token])


def open_state(
    directory: Path,
    *,
    clock: Clock | None = None,
    wire: Wire | None = None,
    pipeline: str = PIPELINE,
    identity: Mapping[str, Json] = IDENTITY,
    recognises: Recognises = lambda *_: False,
) -> State:
    state = State.open(
        directory,
        pipeline=pipeline,
        identity=identity,
        clock=clock if clock is not None else StoppedClock(),
        recognises=recognises,
        connector=wire.connect if wire is not None else connect,
    )
    _opened.append(state)
    return state


def close_all() -> None:
    """Ends what a failed test left open: its owner's thread would keep the interpreter from ending."""
    while _opened:
        with suppress(AfterbayError):
            _opened.pop().close()


def intent(commit_ts: int, number: int, dispatcher: str = "d1", *, to: int | None = None, sink: str = SINK) -> Intent:
    """A file of `dispatcher`'s directory with the changes `commit_ts` … `to`."""
    return Intent(
        sink=sink,
        partition=SOURCE,
        dispatcher=dispatcher,
        directory=f"bank/{dispatcher}/1",
        number=number,
        path=f"bank/{dispatcher}/1/CDC{number:020d}.csv",
        first=RowPosition(commit_ts, 0),
        last=RowPosition(to if to is not None else commit_ts, 3),
        rows=4,
        size=100,
        crc=0xDEADBEEF,
        header=10,
    )


def schema(version: int, *columns: str) -> TableSchema:
    names = columns or ("id",)
    return TableSchema(TableName("bank", "accounts"), version, tuple(Column(name, "int") for name in names))


def image(directory: Path, to: Path) -> Path:
    """What a SIGKILL at this moment would leave: the files as the kernel has them. The -shm is rebuilt by SQLite."""
    to.mkdir()
    for name in ("checkpoint.db", "checkpoint.db-wal", "checkpoint.db-journal"):
        if (directory / name).exists():
            shutil.copyfile(directory / name, to / name)
    return to
