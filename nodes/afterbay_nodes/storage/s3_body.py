"""The body of a request, read straight from the buffers of its caller."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence


class TookTooLong(Exception):
    """One try of an operation passed its deadline while it was sent or answered."""


class PartsBody(io.RawIOBase):
    """Some buffers as one file to read. `guard` is called at each read and may raise: it ends a stuck upload."""

    def __init__(self, views: Sequence[memoryview], guard: Callable[[], None]) -> None:
        self._views = views
        self._guard = guard
        self._size = sum(view.nbytes for view in views)
        self._at = 0  # of the whole
        self._index = 0  # of the view at `_at`
        self._offset = 0  # within that view

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = self._index = self._offset = 0
        self._skip(max(0, min(base + offset, self._size)))
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """`size` bytes, fewer only at the end. Copies only what the socket takes at once."""
        self._guard()
        wanted = self._size - self._at if size is None or size < 0 else min(size, self._size - self._at)
        pieces: list[memoryview] = []
        while wanted:
            view = self._views[self._index]
            piece = view[self._offset : self._offset + wanted]
            pieces.append(piece)
            self._skip(piece.nbytes)
            wanted -= piece.nbytes
        return b"".join(pieces)

    def _skip(self, count: int) -> None:
        self._at += count
        while count:
            left = self._views[self._index].nbytes - self._offset
            if count < left:
                self._offset += count
                return
            count -= left
            self._index += 1
            self._offset = 0


def cut(views: Sequence[memoryview], size: int) -> list[list[memoryview]]:
    """The buffers as consecutive groups of `size` bytes each (the last may be shorter), without a copy."""
    groups: list[list[memoryview]] = []
    room = 0
    for whole in views:
        rest = whole
        while rest.nbytes:
            if room == 0:
                groups.append([])
                room = size
            piece = rest[:room]
            groups[-1].append(piece)
            room -= piece.nbytes
            rest = rest[piece.nbytes :]
    return groups
