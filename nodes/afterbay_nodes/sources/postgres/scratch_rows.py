"""Where the rows of a transaction wait for its commit when they are too many for memory: a file without a name."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from afterbay.errors import Place, RunFailed
from afterbay.units import format_bytes
from afterbay_nodes.sources.postgres.row_run import XLOG_HEAD, RowRun


@dataclass(frozen=True, slots=True)
class Stretch:
    """Messages in the file, as one run."""

    offset: int
    size: int
    count: int


class ScratchRows:
    """One transaction's rows at rest. Owns the file, which ends with this process whatever becomes of it.

    Used by the source's thread. Raises RunFailed `postgres.scratch` when the disk refuses, or `most` bytes are there.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most
        self._file: IO[bytes] | None = None
        self.nbytes = 0

    def put(self, messages: Sequence[bytes]) -> Stretch:
        """Writes messages of one table."""
        run = RowRun.of(messages, head=XLOG_HEAD)
        stretch = Stretch(self.nbytes, len(run.data), len(messages))
        if self.nbytes + len(run.data) + run.ends.nbytes > self._most:
            raise self._refused(
                f"a transaction has more than {format_bytes(self._most)} of rows", "`transaction_limit` allows more"
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
        self.nbytes += len(run.data) + run.ends.nbytes
        return stretch

    def get(self, stretch: Stretch) -> RowRun:
        """Reads messages back."""
        assert self._file is not None
        wanted = stretch.size + 8 * stretch.count
        try:
            data = os.pread(self._file.fileno(), wanted, stretch.offset)
        except OSError as error:
            raise self._refused(f"rows cannot be read back: {error.strerror or error}", None) from error
        if len(data) != wanted:
            raise self._refused("rows cannot be read back: the file is too short", None)
        return RowRun(data[: stretch.size], np.frombuffer(data, np.int64, stretch.count, stretch.size), head=XLOG_HEAD)

    def clear(self) -> None:
        """Gives the space back."""
        self.nbytes = 0
        if self._file is not None:
            self._file.close()
            self._file = None

    def _refused(self, why: str, hint: str | None) -> RunFailed:
        return RunFailed("postgres.scratch", why, place=Place(file=str(self._folder)), hint=hint)
