"""Where the rows of a transaction wait for its commit when they are too many for memory: files without a name."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from afterbay.errors import Place, RunFailed
from afterbay.units import format_bytes
from afterbay_nodes.sources.postgres.row_run import XLOG_HEAD, RowRun

_PAD = 8  # behind the messages of each stretch, see `RowRun`


@dataclass(frozen=True, slots=True)
class Stretch:
    """Messages in the file, as one run."""

    offset: int
    size: int
    count: int


@dataclass(slots=True)
class Room:
    """The bytes that all scratch files of a source may have together, and have. Used by the source's thread."""

    most: int
    taken: int = 0


class ScratchRows:
    """One transaction's rows at rest. Owns the file, which ends with this process whatever becomes of it.

    `streamed`: its messages carry their transaction's number. Used by the source's thread. Raises RunFailed
    `postgres.scratch` when the disk refuses, or there is no room left.
    """

    def __init__(self, folder: Path, room: Room, *, streamed: bool = False) -> None:
        self._folder = folder
        self._room = room
        self._streamed = streamed
        self._file: IO[bytes] | None = None
        self.nbytes = 0

    def another(self, *, streamed: bool) -> ScratchRows:
        """For another transaction, in the same room."""
        return ScratchRows(self._folder, self._room, streamed=streamed)

    def put(self, messages: Sequence[bytes]) -> Stretch:
        """Writes messages of one table."""
        run = RowRun.of(messages, head=XLOG_HEAD, streamed=self._streamed)
        stretch = Stretch(self.nbytes, len(run.data), len(messages))
        nbytes = len(run.data) + run.ends.nbytes
        if self._room.taken + nbytes > self._room.most:
            raise self._refused(
                f"transactions under way have more than {format_bytes(self._room.most)} of rows",
                "`transaction_limit` allows more",
            )
        try:
            if self._file is None:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(buffering=0, prefix="transaction-", dir=self._folder)  # noqa: SIM115
            for data in (run.data, run.ends.tobytes()):
                view = memoryview(data)
                while view:
                    view = view[self._file.write(view) :]
        except OSError as error:
            reason = error.strerror or str(error)
            raise self._refused(
                f"rows cannot be written to {self._folder}: {reason}", "free some space there"
            ) from error
        self.nbytes += nbytes
        self._room.taken += nbytes
        return stretch

    def get(self, stretches: Sequence[Stretch]) -> RowRun:
        """Reads messages of one table back, one stretch after the other."""
        parts, ends, base = [], [], 0
        for stretch in stretches:
            data = self._read(stretch)
            parts.append(data[: stretch.size - _PAD])
            ends.append(np.frombuffer(data, np.int64, stretch.count, stretch.size) + base)
            base += stretch.size - _PAD
        return RowRun(b"".join([*parts, bytes(_PAD)]), np.concatenate(ends), head=XLOG_HEAD, streamed=self._streamed)

    def clear(self) -> None:
        """Gives the space back."""
        self._room.taken -= self.nbytes
        self.nbytes = 0
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read(self, stretch: Stretch) -> bytes:
        assert self._file is not None
        wanted = stretch.size + 8 * stretch.count
        try:
            data = os.pread(self._file.fileno(), wanted, stretch.offset)
        except OSError as error:
            raise self._refused(f"rows cannot be read back: {error.strerror or error}", None) from error
        if len(data) != wanted:
            raise self._refused("rows cannot be read back: the file is too short", None)
        return data

    def _refused(self, why: str, hint: str | None) -> RunFailed:
        return RunFailed("postgres.scratch", why, place=Place(file=str(self._folder)), hint=hint)


def in_pieces(stretches: Sequence[Stretch], nbytes: int) -> Iterator[Sequence[Stretch]]:
    """Neighbours together, as many as have about `nbytes`: a stretch may be a single row."""
    start = size = 0
    for index, stretch in enumerate(stretches):
        size += stretch.size
        if size >= nbytes:
            yield stretches[start : index + 1]
            start, size = index + 1, 0
    if start < len(stretches):
        yield stretches[start:]
