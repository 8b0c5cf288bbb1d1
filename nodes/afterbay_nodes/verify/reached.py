"""How far a verification is, told as it goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from afterbay.messages import ChangeBatch, SchemaChange
from afterbay_nodes.bucket.steps import FileStep
from afterbay_nodes.verify.log_side import Lines, Listener


@dataclass(frozen=True, slots=True)
class Reached:
    """`files` of `all_files` are checked, `bytes` of `all_bytes`, with so many `rows`. Then, with what the store is
    held against in `other`, so many `rows` of that were read.
    """

    all_files: int = 0
    all_bytes: int = 0
    files: int = 0
    bytes: int = 0
    rows: int = 0
    other: str = ""


class Progress:
    """Counts, and calls `show` after each step. Used by the thread that verifies."""

    def __init__(self, show: Callable[[Reached], None] = lambda _: None) -> None:
        self._show = show
        self._now = Reached()

    def begin(self, files: Sequence[FileStep]) -> None:
        """These files are to be checked."""
        self._now = Reached(len(files), sum(file.size for file in files))

    def file(self, step: FileStep, rows: int) -> None:
        """A file was checked."""
        now = self._now
        self._tell(replace(now, files=now.files + 1, bytes=now.bytes + step.size, rows=now.rows + rows))

    def compare(self, other: str) -> None:
        """All files are checked; now the store is held against `other`."""
        self._tell(replace(self._now, rows=0, other=other))

    def compared(self, rows: int) -> None:
        """So many more rows of the other side were read."""
        self._tell(replace(self._now, rows=self._now.rows + rows))

    def _tell(self, now: Reached) -> None:
        self._now = now
        self._show(now)


class Watched:
    """A listener to a log that tells how many rows it heard."""

    def __init__(self, listener: Listener, progress: Progress) -> None:
        self._listener = listener
        self._progress = progress

    def changes(self, batch: ChangeBatch, lines: Lines) -> None:
        """See `Listener`."""
        self._listener.changes(batch, lines)
        self._progress.compared(batch.num_rows)

    def ddl(self, change: SchemaChange) -> None:
        """See `Listener`."""
        self._listener.ddl(change)
