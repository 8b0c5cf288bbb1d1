"""The lines of a change log with their places, from a resume position on.

Offsets count bytes of the uncompressed stream, so that a log may be compressed after it was read in part. A file is
known again by the line before the position: its length and CRC-32.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from afterbay.errors import Place, RunFailed
from afterbay.schema import Json
from afterbay_nodes.sources.log_files import BLOCK, STDIN, Stream, broken, damage, list_files, open_stream

_SHOWN = 1024  # bytes of an overlong line that are kept, for the rejects file


@dataclass(frozen=True, slots=True)
class Mark:
    """A place between two lines: right before line `number` (from 1) of `file`, at `offset` of the uncompressed bytes.

    `before` is the line that ends there and `length` its bytes with the line feed, if it had one; b"" and 0 at the
    start of the file.
    """

    file: str
    offset: int
    number: int
    before: bytes
    length: int

    def to_cursor(self) -> dict[str, Json]:
        """As plain data, for a checkpoint."""
        return {
            "file": self.file,
            "offset": self.offset,
            "line": self.number,
            "length": self.length,
            "crc": zlib.crc32(self.before),
        }


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines that were read together. The first is number `number` and begins at `offset`; each had a line feed.

    `cut`: the last line had none, at the end of its file. `overlong`: the only line was longer than allowed and
    had this many bytes, line feed included; `lines` has its first bytes.
    """

    file: str
    number: int
    offset: int
    lines: list[bytes]
    cut: bool = False
    overlong: int = 0


class LogReader:
    """Reads the files in name order. Owns the open file; used by one thread."""

    def __init__(self, path: str, longest: int, idle: Callable[[], None], stopping: Callable[[], bool]) -> None:
        """`longest`: bytes a line may have. `idle()` is called before a read that would block."""
        self._path = path
        self._longest = longest
        self._idle = idle
        self._stopping = stopping
        self._stream: Stream | None = None

    def read(self, cursor: Mapping[str, Json] | None) -> Iterator[Lines]:
        """All lines from `cursor` (as `Mark.to_cursor` made it) on, or from the start. Raises Stopped, RunFailed."""
        names = list_files(self._path)
        if cursor is None:
            for name in names:
                yield from self._file(name, None)
            return
        first = _text(cursor, "file")
        if first not in names:
            raise RunFailed(
                "change_log.cursor",
                f"the checkpoint is in this file, which is no longer among the files of {self._path!r}",
                place=Place(file=first),
                hint="bring the file back, or start with a fresh state",
            )
        yield from self._file(first, cursor)
        for name in names[names.index(first) + 1 :]:
            yield from self._file(name, None)

    def close(self) -> None:
        """Closes the open file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _file(self, name: str, cursor: Mapping[str, Json] | None) -> Iterator[Lines]:
        self.close()
        self._stream = open_stream(name, self._idle, self._stopping)
        offset, number = 0, 1
        if cursor is not None:
            offset, number = _number(cursor, "offset"), _number(cursor, "line")
            self._go_to(name, offset, _number(cursor, "length"), _number(cursor, "crc"))
        parts: list[bytes] = []  # the blocks of a line that has not ended
        held = 0  # its bytes
        while block := self._block(name):
            end = block.find(b"\n")
            if end < 0:
                held += len(block)
                if held <= self._longest or not parts:
                    parts.append(block)  # past the limit only its start is kept
                continue
            if held > self._longest:
                size = held + end + 1
                yield Lines(name, number, offset, [b"".join(parts)[:_SHOWN]], overlong=size)
                offset, number, block = offset + size, number + 1, block[end + 1 :]
                parts = []
            lines = b"".join((*parts, block)).split(b"\n")
            rest = lines.pop()
            parts, held = [rest] if rest else [], len(rest)
            for piece in self._within_limit(Lines(name, number, offset, lines)):
                yield piece
                number += len(piece.lines)
                offset += piece.overlong or sum(map(len, piece.lines)) + len(piece.lines)
        if held > self._longest:
            yield Lines(name, number, offset, [b"".join(parts)[:_SHOWN]], cut=True, overlong=held)
        elif parts:
            yield Lines(name, number, offset, [b"".join(parts)], cut=True)

    def _within_limit(self, found: Lines) -> Iterator[Lines]:
        """The same lines, with overlong ones (there are none, as a rule) apart."""
        lines = found.lines
        if not lines:
            return
        if max(map(len, lines)) <= self._longest:
            yield found
            return
        number, offset = found.number, found.offset
        for line in lines:
            size = len(line) + 1
            long = len(line) > self._longest
            yield Lines(found.file, number, offset, [line[:_SHOWN] if long else line], overlong=size if long else 0)
            number, offset = number + 1, offset + size

    def _block(self, name: str) -> bytes:
        assert self._stream is not None
        try:
            return self._stream.read1(BLOCK)
        except damage() as error:
            raise broken(name, error) from error

    def _go_to(self, name: str, offset: int, length: int, crc: int) -> None:
        """Goes to `offset`, if the line before it is the one that the checkpoint knows."""
        assert self._stream is not None
        try:
            if name == STDIN:
                left = offset - length
                while left > 0 and (block := self._stream.read1(min(left, BLOCK))):
                    left -= len(block)
            else:
                self._stream.seek(offset - length)
            before = b""
            while len(before) < length and (block := self._stream.read1(length - len(before))):
                before += block
        except damage() as error:
            raise broken(name, error) from error
        if len(before) != length or zlib.crc32(before.removesuffix(b"\n")) != crc:
            raise RunFailed(
                "change_log.cursor",
                f"the file was changed: the line before byte {offset} is not the one that the checkpoint knows",
                place=Place(file=name),
                hint="bring the file back as it was (it may only grow), or start with a fresh state",
            )


def _text(cursor: Mapping[str, Json], key: str) -> str:
    value = cursor.get(key)
    if not isinstance(value, str):
        raise _no_cursor(cursor)
    return value


def _number(cursor: Mapping[str, Json], key: str) -> int:
    value = cursor.get(key)
    if not isinstance(value, int) or value < 0:
        raise _no_cursor(cursor)
    return value


def _no_cursor(cursor: Mapping[str, Json]) -> RunFailed:
    return RunFailed(
        "change_log.cursor",
        f"the state holds no position of a change log: {dict(cursor)!r}",
        hint="use a fresh state",
    )
