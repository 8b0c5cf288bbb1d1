"""A file of JSON lines in pieces of whole lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa

from afterbay_nodes.decoders.stored_rows import CHUNK_BYTES

_LINE_END = re.compile(rb"[ \t\r\n]*[\r\n][ \t\r\n]*")


class TornLine(ValueError):
    """The last line is not whole."""


def line_chunks(data: pa.Buffer) -> Iterator[list[bytes]]:
    """The lines without what ends them, about `CHUNK_BYTES` at a time. The first line tells the terminator.

    Raises TornLine after the last whole line if the file does not end there.
    """
    terminator = _terminator(data)
    view, at, size = memoryview(data), 0, data.size
    while at < size:
        stop = min(at + CHUNK_BYTES, size)
        # JSON has no raw line end inside, so a terminator is one wherever it stands.
        piece = bytes(view[at:stop])
        end = piece.rfind(terminator)
        while end < 0 and stop < size:
            stop = min(stop + CHUNK_BYTES, size)
            piece = bytes(view[at:stop])
            end = piece.rfind(terminator)
        if end < 0 or (stop == size and end + len(terminator) != len(piece)):
            if end > 0:
                yield piece[:end].split(terminator)
            raise TornLine(f"the last line has no terminator {terminator!r}: it is cut off")
        yield piece[:end].split(terminator)
        at += end + len(terminator)


def _terminator(data: pa.Buffer) -> bytes:
    """What ends the first line."""
    found = _LINE_END.search(memoryview(data))
    if found is None:
        raise TornLine("the file has no line end: its first line is cut off")
    return found.group()
