"""A change log as the other side of a comparison: the source's own player, with a listener in the graph's place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from afterbay.clock import SystemClock
from afterbay.messages import ChangeBatch, SchemaChange
from afterbay.node import SourceContext, Until
from afterbay.schema import Json, TableSchema
from afterbay.telemetry import Telemetry
from afterbay_nodes.sources.change_log import ChangeLog
from afterbay_nodes.sources.log_player import LogPlayer
from afterbay_nodes.sources.table_feed import PendingRow


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the log: `number` from 1, in `file`."""

    file: str
    number: int

    def __str__(self) -> str:
        return f"{self.file}:{self.number}"


class Listener(Protocol):
    """What is told of a log, in its order."""

    def changes(self, batch: ChangeBatch, lines: Lines) -> None:
        """Rows of one table."""
        ...

    def ddl(self, change: SchemaChange) -> None:
        """A DDL."""
        ...


class Lines:
    """The lines of a batch's rows; only who asks pays for them."""

    def __init__(self, rows: Sequence[PendingRow]) -> None:
        self._rows = rows

    def __getitem__(self, row: int) -> Line:
        return Line(self._rows[row][6], self._rows[row][7])


def play(path: str, listener: Listener, *, raw_changes: bool) -> int:
    """Plays a log from its first line to its last; the highest commit-ts (of rows, DDLs and watermarks) or -1.

    `raw_changes`: updates of keys are left whole, as with `output_raw_change_event`. Raises EnvironmentRefused if there
    is no such file, RunFailed at a bad line.
    """
    log = ChangeLog(path=path, output_raw_change_event=raw_changes)
    meter = Telemetry("verify").node("log")
    context = SourceContext("log", "log", Until.END, None, {}, SystemClock(), meter, work_dir=Path())
    player = _Player(log, context, listener)
    out = _Outlet(listener)
    try:
        player.run(out)
    finally:
        player.close()
    return out.promised


class _Player(LogPlayer):
    """Hands batches on with their lines."""

    def __init__(self, log: ChangeLog, context: SourceContext, listener: Listener) -> None:
        super().__init__(log, context)
        self._listener = listener

    def _hand_on(self, batch: ChangeBatch, rows: Sequence[PendingRow]) -> None:
        self._listener.changes(batch, Lines(rows))


class _Outlet:
    """An outlet to nowhere: DDLs go to the listener, promises are remembered."""

    stopping = False

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.promised = -1

    def batch(self, batch: ChangeBatch) -> None:
        raise AssertionError("batches go by `_Player`")

    def schema_change(self, change: SchemaChange) -> None:
        self._listener.ddl(change)

    def announce(self, dispatcher: str, schema: TableSchema) -> None:
        """A table without a DDL: its rows say all that there is."""

    def promise(self, commit_ts: int, cursor: Mapping[str, Json]) -> None:
        self.promised = commit_ts

    def repeated(self, rows: int) -> None:
        """Repeats are in no store."""

    def wait(self, seconds: float) -> None:
        """Nothing is waited for."""
