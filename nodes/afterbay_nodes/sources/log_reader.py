"""The lines of a change log with their places, from a resume position on.

Offsets count bytes of the uncompressed stream, so that a log may be compressed after it was read in part. A file is
known again by the line before the position: its length, and the CRC-32 of its first KiB. So it may be moved, with the
others of its log; another log in its place is refused. Stdin has no places: it is read from its start, and whoever
reads it tells by commit-ts what came before.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from afterbay.errors import Place, RunFailed
from afterbay.schema import Json
from afterbay_nodes.sources.change_log import STDIN
from afterbay_nodes.sources.log_files import BLOCK, Stopped, Stream, broken, damage, list_files, open_stream
from afterbay_nodes.sources.log_watch import LogWatch

_SHOWN = 1024  # bytes of an overlong line that are kept, and that the CRC covers


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
            "crc": zlib.crc32(self.before[:_SHOWN]),
        }


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines that were read together, from `start` on; each had a line feed.

    `cut`: the last line had none, at the end of its file. `overlong`: the only line was longer than allowed and
    had this many bytes, line feed included; `lines` has its first bytes.
    """

    start: Mark
    lines: list[bytes]
    cut: bool = False
    overlong: int = 0

    @property
    def end(self) -> Mark:
        """The place behind them."""
        start, last = self.start, self.lines[-1]
        size = self.overlong or sum(map(len, self.lines)) + len(self.lines) - self.cut
        length = self.overlong or len(last) + (not self.cut)
        return Mark(start.file, start.offset + size, start.number + len(self.lines), last, length)


class LogReader:
    """Reads the files in name order. Owns the open file; used by one thread."""

    def __init__(
        self,
        path: str,
        longest: int,
        idle: Callable[[], None],
        stopping: Callable[[], bool],
        follow: Callable[[], None] | None,
    ) -> None:
        """`longest`: bytes a line may have. `idle()` is called before a wait. `follow()` waits at the end of the last
        file, for it to grow or for a newer one; None: the log ends there.
        """
        self._path = path
        self._longest = longest
        self._idle = idle
        self._stopping = stopping
        self._follow = follow
        self._stream: Stream | None = None
        self._watch: LogWatch | None = None  # of a file; stdin has none

    def read(self, cursor: Mapping[str, Json] | None) -> Iterator[Lines]:
        """All lines from `cursor` (as `Mark.to_cursor` made it) on, or from the start. Raises Stopped, RunFailed."""
        names = list_files(self._path)
        if names == [STDIN]:
            cursor = None
        first = names[0] if cursor is None else self._found(names, cursor)
        yield from self._file(first, cursor)
        last = first
        while newer := self._newer(last):
            last = newer[0]
            yield from self._file(last, None)

    def close(self) -> None:
        """Closes the open file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _found(self, names: list[str], cursor: Mapping[str, Json]) -> str:
        """The cursor's file: of that path, else the one of that name, else the only one there is.

        What has another path is taken for the file only where there is a line to know it by.
        """
        known = _text(cursor, "file")
        if known in names:
            return known
        named = [name for name in names if PurePath(name).name == PurePath(known).name]
        likely = named or names
        if len(likely) == 1 and _number(cursor, "length"):
            return likely[0]
        raise RunFailed(
            "change_log.cursor",
            f"the checkpoint is in this file, which is no longer among the files of {self._path!r}",
            place=Place(file=known),
            hint="bring the file back (a log may be moved to another folder as a whole), or start with a fresh state",
        )

    def _file(self, name: str, cursor: Mapping[str, Json] | None) -> Iterator[Lines]:
        self.close()
        self._stream = open_stream(name, self._idle, self._stopping)
        self._watch = None if name == STDIN else LogWatch(name, self._stream)
        at = Mark(name, 0, 1, b"", 0) if cursor is None else self._go_to(name, cursor)
        parts: list[bytes] = []  # the blocks of a line that has not ended
        held = 0  # its bytes
        while block := self._block(name) or self._awaited(name):
            end = block.find(b"\n")
            if end < 0:
                if held <= self._longest:
                    parts.append(block)  # past the limit only its start is kept
                held += len(block)
                continue
            if held > self._longest:
                long = Lines(at, [b"".join(parts)[:_SHOWN]], overlong=held + end + 1)
                yield long
                at, parts, held, block = long.end, [], 0, block[end + 1 :]
            lines = b"".join((*parts, block)).split(b"\n")
            rest = lines.pop()
            parts, held = [rest] if rest else [], len(rest)
            for found in self._within_limit(at, lines):
                yield found
                at = found.end
        if parts:
            long_line = held > self._longest
            line = b"".join(parts)
            yield Lines(at, [line[:_SHOWN] if long_line else line], cut=True, overlong=held if long_line else 0)

    def _within_limit(self, at: Mark, lines: list[bytes]) -> Iterator[Lines]:
        """The lines, with overlong ones (there are none, as a rule) apart."""
        if not lines:
            return
        if max(map(len, lines)) <= self._longest:
            yield Lines(at, lines)
            return
        for line in lines:
            long = len(line) > self._longest
            found = Lines(at, [line[:_SHOWN] if long else line], overlong=len(line) + 1 if long else 0)
            yield found
            at = found.end

    def _newer(self, name: str) -> list[str]:
        """The files behind `name`, looked up anew: there may be more than at the start."""
        return [] if name == STDIN else [other for other in list_files(self._path) if other > name]

    def _awaited(self, name: str) -> bytes:
        """What is appended to `name` when the log is followed; b"" once there is a newer file, or without following."""
        if self._follow is None or name == STDIN:
            return b""
        assert self._watch is not None
        self._idle()
        while True:
            there = self._watch.name()
            if self._newer(name):
                break
            if not there:
                raise self._watch.gone()
            if self._stopping():
                raise Stopped
            self._follow()
            if block := self._block(name):
                return block
        return self._block(name)  # what was appended before the newer file was made

    def _block(self, name: str) -> bytes:
        assert self._stream is not None
        try:
            block = self._stream.read1(BLOCK)
        except damage() as error:
            raise broken(name, error) from error
        if self._watch is not None:
            self._watch.read(block)
        return block

    def _go_to(self, name: str, cursor: Mapping[str, Json]) -> Mark:
        """Goes to the cursor, if the line before it is the one that the checkpoint knows."""
        assert self._stream is not None
        offset, length = _number(cursor, "offset"), _number(cursor, "length")
        try:
            self._stream.seek(offset - length)
            before = bytearray()
            while len(before) < length and (block := self._stream.read1(length - len(before))):
                before += block
        except damage() as error:
            raise broken(name, error) from error
        line = bytes(before.removesuffix(b"\n"))
        if len(before) != length or zlib.crc32(line[:_SHOWN]) != _number(cursor, "crc"):
            raise RunFailed(
                "change_log.cursor",
                f"the file was changed, or is of another log: the line before byte {offset} is not the one that the "
                "checkpoint knows",
                place=Place(file=name),
                hint="bring the file back as it was (it may only grow), or start with a fresh state",
            )
        if self._watch is not None:
            self._watch.goes_on(offset, bytes(before))
        return Mark(name, offset, _number(cursor, "line"), line, length)


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
