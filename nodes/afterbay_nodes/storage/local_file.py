"""Files on their way into a local store, and out of it. Each object owns one or two descriptors until `close`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Protocol

CHUNK = 1 << 20
BUFFERS_PER_WRITE = min(os.sysconf("SC_IOV_MAX"), 1024)

_NEW = os.O_WRONLY | os.O_CLOEXEC


class Draft(Protocol):
    """Bytes on the disk that no reader can see yet."""

    def link(self, name: str, folder: int) -> None:
        """Gives the bytes a name. Raises FileExistsError if it is taken."""
        ...

    def close(self) -> None:
        """Gives up what has no name."""
        ...


class UnnamedDraft:
    """A file without a name: if the process dies, the kernel frees it."""

    def __init__(self, folder: int, views: Sequence[memoryview]) -> None:
        self._file = os.open(".", os.O_TMPFILE | _NEW, 0o666, dir_fd=folder)
        try:
            write_durably(self._file, views)
        except BaseException:
            os.close(self._file)
            raise

    def link(self, name: str, folder: int) -> None:
        os.link(f"/proc/self/fd/{self._file}", name, dst_dir_fd=folder, follow_symlinks=True)

    def close(self) -> None:
        os.close(self._file)


class NamedDraft:
    """A file in the hidden folder, whose descriptor it takes over."""

    def __init__(self, hidden: int, name: str, views: Sequence[memoryview]) -> None:
        self._hidden = hidden
        self._name: str | None = None
        try:
            file = os.open(name, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | _NEW, 0o666, dir_fd=hidden)
            self._name = name
            try:
                write_durably(file, views)
            finally:
                os.close(file)
        except BaseException:
            self.close()
            raise

    def link(self, name: str, folder: int) -> None:
        assert self._name is not None
        os.link(self._name, name, src_dir_fd=self._hidden, dst_dir_fd=folder, follow_symlinks=False)

    def rename(self, name: str, folder: int) -> None:
        """Gives the bytes a name in place of what has it now, in one step."""
        assert self._name is not None
        os.rename(self._name, name, src_dir_fd=self._hidden, dst_dir_fd=folder)
        self._name = None

    def close(self) -> None:
        try:
            if self._name is not None:
                os.unlink(self._name, dir_fd=self._hidden)
        finally:
            os.close(self._hidden)


class Reader:
    """A plain file open for reading."""

    def __init__(self, file: int, size: int) -> None:
        self._file = file
        self.size = size

    def chunks(self) -> Iterator[memoryview]:
        """The rest of the file. One buffer serves all chunks."""
        buffer = memoryview(bytearray(min(CHUNK, self.size) or 1))
        while count := os.readv(self._file, [buffer]):
            yield buffer[:count]

    def close(self) -> None:
        os.close(self._file)


def write_durably(file: int, views: Sequence[memoryview]) -> None:
    """Writes the views one after the other, many a call, and waits until they are on the disk."""
    waiting = list(views)
    at = 0
    while at < len(waiting):
        written = os.writev(file, waiting[at : at + BUFFERS_PER_WRITE])
        while at < len(waiting) and written >= waiting[at].nbytes:
            written -= waiting[at].nbytes
            at += 1
        if written:
            waiting[at] = waiting[at][written:]
    os.fdatasync(file)
