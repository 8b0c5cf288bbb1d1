"""What a flush puts into the store: the bytes of one data file, with their size and CRC-32.

How they are made is the format's choice. Most files are a header and the payloads one after another: then the parts are
the buffers in which the encoder made them or the spool read them, and size and CRC follow from the entries' own. A
format with an assembler gets a scratch file to write: the payloads are read one by one, and what was written is mapped.
Either way nothing is joined in Python (I8), and size and CRC are known before the first byte travels (I6).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from afterbay.checksum import crc32
from afterbay.clock import Clock
from afterbay.credit import CreditWindow
from afterbay.messages import Assembler
from afterbay_nodes.sinks.lane import Pending
from afterbay_nodes.sinks.scratch import Scratch
from afterbay_nodes.storage.crc import combine_all
from afterbay_nodes.storage.store import Part

READ_WINDOW = 128 << 20
"""Bytes read back from segments, or gathered by assemblers, that all uploads together may hold (I8)."""

SCRATCH_WINDOW = 1 << 30
"""Payload bytes whose files may stand in the scratch folder together (I8)."""


@dataclass(frozen=True, slots=True)
class FileBody:
    """One data file. `parts` may be read more than once; `header` is how many of the `size` bytes open the file."""

    parts: Sequence[Part]
    size: int
    crc: int
    header: int


class FileBodies:
    """Makes the bodies of flushes, in upload threads. Owns the windows that bound what they hold together.

    A file or payload larger than a window goes alone.
    """

    def __init__(self, scratch: Scratch, scratch_window: int, clock: Clock) -> None:
        self._scratch = scratch
        self._memory = CreditWindow(READ_WINDOW, clock)
        self._disk = CreditWindow(min(scratch_window, SCRATCH_WINDOW), clock)

    def cancel(self) -> None:
        """Ends waits for room with `Cancelled`."""
        self._memory.cancel()
        self._disk.cancel()

    @contextmanager
    def of(self, pending: Sequence[Pending]) -> Iterator[FileBody]:
        """The file of these entries, which holds memory or disk until the end. May wait for room."""
        assembler = pending[0].entry.head.format.assembler
        made = self._concatenated(pending) if assembler is None else self._assembled(assembler, pending)
        with made as body:
            yield body

    @contextmanager
    def _concatenated(self, pending: Sequence[Pending]) -> Iterator[FileBody]:
        heads = [item.entry.head for item in pending]
        header = heads[0].format.header
        spilled = sum(item.entry.nbytes for item in pending if not item.entry.in_memory)
        with _room(self._memory, spilled):
            parts: list[Part] = [header] if header else []
            for item in pending:
                parts.extend(item.entry.read())
            size = len(header) + sum(head.size for head in heads)
            crc = combine_all([(crc32(header, 0), len(header)), *((head.crc, head.size) for head in heads)])
            yield FileBody(parts, size, crc, len(header))
            parts.clear()

    @contextmanager
    def _assembled(self, assembler: Assembler, pending: Sequence[Pending]) -> Iterator[FileBody]:
        sizes = [item.entry.nbytes for item in pending]
        # What is gathered is held twice while it is written: as it came, and as pages.
        held = min(2 * sum(sizes), 2 * assembler.gathers + max(sizes))
        # Always in this order, and memory never while the store is waited for: nobody waits in a circle (I9).
        with _room(self._disk, sum(sizes)), closing(self._scratch.create()) as file:
            with _room(self._memory, held):
                assembler.assemble((item.entry.read() for item in pending), file)
            parts = file.parts()
            yield FileBody(parts, file.size, file.crc, 0)
            parts.clear()


@contextmanager
def _room(window: CreditWindow, nbytes: int) -> Iterator[None]:
    credit = window.take(nbytes)
    try:
        yield
    finally:
        credit.give_back()
