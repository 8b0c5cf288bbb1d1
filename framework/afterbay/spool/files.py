"""The few calls on segment files, behind a protocol, so that tests can make each of them fail or stop the process."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

import pyarrow as pa

Piece: TypeAlias = bytes | memoryview | pa.Buffer

_MOST_PIECES = min(int(os.sysconf("SC_IOV_MAX")), 1024)


class Files(Protocol):
    """Segment files. Errors are OSError, as the system gives them."""

    def create(self, path: Path) -> int:
        """A new file for writing, refused if it exists; returns its descriptor."""
        ...

    def write(self, descriptor: int, pieces: Sequence[Piece], offset: int) -> None:
        """Writes all `pieces`, one behind the other, from `offset` on."""
        ...

    def read(self, path: Path, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset` on; fewer only where the file ends."""
        ...

    def close(self, descriptor: int) -> None:
        """Ends writing."""
        ...

    def unlink(self, path: Path) -> None:
        """Removes the file."""
        ...


class SystemFiles:
    """The machine's files. Nothing is synced: a segment is a cache of what the source can send again."""

    def create(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)

    def write(self, descriptor: int, pieces: Sequence[Piece], offset: int) -> None:
        for start in range(0, len(pieces), _MOST_PIECES):
            offset += _write_some(descriptor, pieces[start : start + _MOST_PIECES], offset)

    def read(self, path: Path, offset: int, length: int) -> bytes:
        # Opened for each read: descriptors are bounded by readers, not by segments, and a file that is gone is seen.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            data = os.pread(descriptor, length, offset)
            if len(data) == length or not data:
                return data
            # The system gives at most 2 GiB a call.
            parts = [data]
            have = len(data)
            while have < length and (data := os.pread(descriptor, length - have, offset + have)):
                parts.append(data)
                have += len(data)
            return b"".join(parts)
        finally:
            os.close(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def unlink(self, path: Path) -> None:
        path.unlink()


def _write_some(descriptor: int, pieces: Sequence[Piece], offset: int) -> int:
    """One `pwritev`; more only where the system took less than all. Returns the bytes written."""
    written = os.pwritev(descriptor, pieces, offset)
    left = [memoryview(piece) for piece in pieces]
    total = sum(piece.nbytes for piece in left)
    while written < total:
        skip = written
        rest: list[memoryview] = []
        for piece in left:
            if skip < piece.nbytes:
                rest.append(piece.cast("B")[skip:])
            skip = max(0, skip - piece.nbytes)
        more = os.pwritev(descriptor, rest, offset + written)
        if more == 0:
            raise OSError(errno.EIO, "the disk takes no more bytes")
        written += more
    return written
