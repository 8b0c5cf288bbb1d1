"""A run: many row messages of one relation as one buffer, and where in it each begins.

The transaction layer puts messages aside as they come, by relation; how often other relations come between does not
matter, as order is a matter of one table. A run may hold rows of many transactions: what belongs to a transaction
(commit-ts, ordinals) is an array of its own beside the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

XLOG_HEAD: Final = 25
"""Bytes in front of a message in XLogData: `w`, its position, the log's end, the server's clock."""

MOST_BYTES: Final = 1 << 30
"""Of a run. A single message stays below it, as the server's do; so do all offsets below 2^31."""

_PAD = bytes(8)

Letters = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RowRun:
    """n row messages of one relation, at one version of it.

    `data` holds them one after another, and 8 bytes more, so that a fixed-width look at any position stays inside;
    message i is `data[ends[i - 1]:ends[i]]`. Each begins with `head` bytes that are not part of it: 25 where the whole
    XLogData was put aside, which saves a copy of each and lets errors name each row's own position. Otherwise they name
    `lsn`. `streamed`: the messages carry their transaction's number (see `pgoutput`).
    """

    data: bytes
    ends: Positions
    lsn: int = 0
    head: int = 0
    streamed: bool = False
    _bytes: Letters = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_bytes", np.frombuffer(self.data, np.uint8))

    @classmethod
    def of(
        cls, messages: Sequence[bytes | memoryview], *, lsn: int = 0, head: int = 0, streamed: bool = False
    ) -> RowRun:
        """Joins messages. Raises ValueError if there are none, or they have more than `MOST_BYTES` together."""
        lengths = np.fromiter(map(len, messages), np.int64, len(messages))
        ends = np.cumsum(lengths)
        if not len(ends) or ends[-1] > MOST_BYTES:
            raise ValueError(f"a run has at least one message, and at most {MOST_BYTES} bytes")
        return cls(b"".join([*messages, _PAD]), ends, lsn, head, streamed)

    def __len__(self) -> int:
        return len(self.ends)

    @cached_property
    def starts(self) -> Positions:
        """Where each message begins, its head not counted."""
        return np.concatenate((np.zeros(1, np.int64), self.ends[:-1])) + self.head

    @cached_property
    def buffer(self) -> pa.Buffer:
        """`data` as Arrow has it."""
        return pa.py_buffer(self.data)

    def uint8(self, at: Positions) -> Letters:
        """The bytes at `at`, each within the data."""
        return self._bytes[at]

    def int16(self, at: Positions) -> Positions:
        """The big-endian numbers that begin at `at`."""
        return self._view(">i2", 2)[at].astype(np.int64)

    def int32(self, at: Positions) -> Positions:
        """The big-endian numbers that begin at `at`."""
        return self._view(">i4", 4)[at].astype(np.int64)

    def lsn_of(self, row: int) -> int:
        """The position of a row, for errors."""
        if self.head < XLOG_HEAD:
            return self.lsn
        start = int(self.starts[row]) - self.head
        return int.from_bytes(self.data[start + 1 : start + 9], "big")

    def _view(self, kind: str, width: int) -> npt.NDArray[np.int64]:
        # One element for each byte: a number may begin anywhere.
        return np.ndarray((len(self.data) - width + 1,), kind, self.data, 0, (1,))
