"""The files of a change log: which there are, in what order, and their bytes, decompressed as a stream."""

from __future__ import annotations

import glob
import gzip
import io
import os
import select
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from afterbay.errors import EnvironmentRefused, Place, RunFailed
from afterbay_nodes.sources.change_log import STDIN
from afterbay_nodes.zstd_module import zstd_module

BLOCK = 1 << 20
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_POLL_SECONDS = 0.2


class Stopped(Exception):
    """The run is stopping while the log had nothing to read."""


class Stream(Protocol):
    """What is needed of an open file: `read1` gives what is there, b"" at the end. Stdin cannot seek."""

    def read1(self, size: int = ..., /) -> bytes: ...
    def seek(self, offset: int, /) -> int: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...


def list_files(path: str) -> list[str]:
    """The files that `path` names (a file, a glob or ``-``), in name order. Raises EnvironmentRefused if none."""
    if path == STDIN:
        return [STDIN]
    if Path(path).is_file():
        return [path]
    found = sorted(name for name in glob.glob(path, recursive=True) if Path(name).is_file())  # noqa: PTH207 - as typed
    if not found:
        raise EnvironmentRefused(
            "change_log.missing",
            f"no file matches {path!r}",
            hint="`path` is a file, a glob such as 'logs/*.jsonl', or '-' for stdin",
        )
    return found


def open_stream(name: str, idle: Callable[[], None], stopping: Callable[[], bool]) -> Stream:
    """Opens a file (or stdin) and decompresses it by its first bytes. The caller closes it.

    Where a read of stdin would block, `idle()` is called first, and `Stopped` raised once `stopping()` is true.

    A compressed file is decompressed twice: its checksums stand behind what they are about, so all of it is read once
    before its first line is given away, and no promise covers a line that was never verified (I7). Stdin cannot be read
    twice. Raises EnvironmentRefused, RunFailed (the data is damaged), Stopped.
    """
    if name == STDIN:
        # The file descriptor stays the process's: closing this stream does not close stdin.
        raw: io.BufferedReader = io.BufferedReader(_Patient(sys.stdin.fileno(), idle, stopping), BLOCK)
    else:
        try:
            raw = io.BufferedReader(io.FileIO(name), BLOCK)
        except OSError as error:
            raise EnvironmentRefused(
                "change_log.missing", f"cannot be read: {error.strerror}", place=Place(file=name)
            ) from error
    head = raw.peek(4)[:4]
    if head.startswith(_GZIP):
        return _verified(name, raw, lambda: gzip.GzipFile(fileobj=raw, mode="rb"), stopping)
    if head == _ZSTD:
        return _verified(name, raw, lambda: zstd_module().ZstdFile(raw, "rb"), stopping)
    return raw


def _verified(
    name: str, raw: io.BufferedReader, unpack: Callable[[], Stream], stopping: Callable[[], bool]
) -> Unpacked:
    """The unpacked stream, once all of it was decompressed with no fault. Holds one block at a time (I8)."""
    try:
        if name == STDIN:
            raise EnvironmentRefused(
                "change_log.compressed",
                "compressed data on stdin cannot be verified before it is read",
                place=Place(file=name),
                hint="pipe it through `gzip -dc` or `zstd -dc` (with `set -o pipefail`), or read it as a file",
            )
        checked = unpack()
        try:
            while checked.read1(BLOCK):
                if stopping():
                    raise Stopped
        except damage() as error:
            raise broken(name, error) from error
        finally:
            checked.close()
        raw.seek(0)
    except BaseException:
        raw.close()
        raise
    return Unpacked(unpack(), raw)


def broken(name: str, error: Exception) -> RunFailed:
    """The error for compressed data that is damaged or cut off."""
    return RunFailed(
        "change_log.damaged",
        f"the compressed data is damaged or cut off: {error}",
        place=Place(file=name),
        hint="fetch the file again: nothing of it was read, its checksums are verified first",
    )


def damage() -> tuple[type[Exception], ...]:
    """What reading damaged compressed data raises."""
    return (EOFError, gzip.BadGzipFile, zlib.error, zstd_module().ZstdError)


class Unpacked:
    """A decompressor and the file it reads, which it does not close by itself. Owns both."""

    def __init__(self, unpacked: Stream, raw: BinaryIO) -> None:
        self._unpacked = unpacked
        self._raw = raw
        self.fileno = raw.fileno
        self.read1 = unpacked.read1
        self.seek = unpacked.seek

    def close(self) -> None:
        """Closes both."""
        self._unpacked.close()
        self._raw.close()


class _Patient(io.RawIOBase):
    """Reads a file descriptor that it does not own; says so before it waits."""

    def __init__(self, descriptor: int, idle: Callable[[], None], stopping: Callable[[], bool]) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._idle = idle
        self._stopping = stopping

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        waited = False
        while not select.select([self._descriptor], [], [], _POLL_SECONDS if waited else 0)[0]:
            if self._stopping():
                raise Stopped
            if not waited:
                self._idle()
                waited = True
        data = os.read(self._descriptor, len(buffer))
        buffer[: len(data)] = data
        return len(data)
