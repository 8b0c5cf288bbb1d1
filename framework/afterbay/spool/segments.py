"""Segments: append-only files that hold entries until they are released (I7).

An entry lies in one piece: a header (magic, CRC-32 of the payload, payload bytes, entry number), then the payload. It
is written by one positional `writev` and read by one positional read, so readers and the writer share nothing.

A segment is deleted as soon as it has no live entry, also while it is the active one: its dead bytes would count
against the quota with nothing left to release that would free them (I9). While one entry lives, the whole file stays.
"""

from __future__ import annotations

import itertools
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from afterbay.checksum import crc32
from afterbay.messages import BatchHead
from afterbay.spool.budget import Budget
from afterbay.spool.catalog import Catalog
from afterbay.spool.faults import SpoolDamaged, SpoolMisuse, read_failed, write_failed
from afterbay.spool.files import Files
from afterbay.spool.folder import Folder, segment_name
from afterbay.spool.limits import Limits

_HEADER = struct.Struct("<4sIQQ")
_MAGIC = b"ABS1"
HEADER_BYTES = _HEADER.size


@dataclass(slots=True, eq=False)
class Segment:
    """One file. Guarded by the lock of `Segments`, but for `name` and `number`, which stay as they are.

    `size` counts bytes taken, written or about to be. `live` are the entries' numbers: the reference count is their
    number, so the two cannot differ (I7). `descriptor` is open while entries may be appended.
    """

    number: int
    name: str
    descriptor: int | None
    size: int = 0
    live: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where an entry lies: its header is at `offset`."""

    entry: int
    segment: Segment
    offset: int


class Segments:
    """The segment files of one spool. Owns them and its locks.

    `_appending` puts writers in a row and is held while bytes are written; `_lock` guards the segments' counts and is
    held for arithmetic only. Neither is a lock of the budget: admission and release never wait for a write.
    """

    def __init__(self, folder: Folder, limits: Limits, files: Files, budget: Budget, catalog: Catalog) -> None:
        self._folder = folder
        self._limits = limits
        self._files = files
        self._budget = budget
        self._catalog = catalog
        self._appending = threading.Lock()
        self._lock = threading.Lock()
        self._active: Segment | None = None
        self._segments: dict[int, Segment] = {}
        self._numbers = itertools.count(1)
        self._entries = itertools.count(1)
        self._closed = False

    @property
    def count(self) -> int:
        """Segments that have live entries."""
        return len(self._segments)

    def references(self) -> dict[str, int]:
        """Live entries by segment file name."""
        with self._lock:
            return {segment.name: len(segment.live) for segment in self._segments.values()}

    def append(self, head: BatchHead, body: Sequence[pa.Buffer]) -> Slot:
        """Writes an entry that the budget has admitted. After an error nothing of it is counted any more.

        Raises RunFailed `spool.full` or `spool.write`, SpoolMisuse after `close`.
        """
        stored = HEADER_BYTES + head.size
        with self._appending:
            if self._closed:
                self._budget.never_stored(stored)
                raise SpoolMisuse("a batch was put into a spool that is closed")
            entry = next(self._entries)
            segment, offset = self._reserve(entry, stored)
            descriptor = segment.descriptor
            assert descriptor is not None, "a segment with an entry being written is not retired (I7)"
            try:
                self._files.write(descriptor, [_header(head, entry), *body], offset)
            except BaseException as error:
                self._abandon(segment, entry)
                if isinstance(error, OSError):
                    raise write_failed(error, self._folder.path / segment.name, self._limits.quota) from error
                raise
            self._catalog.added(entry, segment.number, offset, stored, head)
        return Slot(entry, segment, offset)

    def read(self, slot: Slot, head: BatchHead) -> memoryview:
        """The payload. Raises SpoolDamaged if it is not what was appended, RunFailed `spool.read` if it is unknown."""
        path = self._folder.path / slot.segment.name
        try:
            data = self._files.read(path, slot.offset, HEADER_BYTES + head.size)
        except OSError as error:
            raise read_failed(error, path, slot.offset) from error
        if len(data) != HEADER_BYTES + head.size:
            missing = HEADER_BYTES + head.size - len(data)
            raise SpoolDamaged(path, slot.offset, f"the file ends {missing} bytes before the entry does")
        if data[:HEADER_BYTES] != _header(head, slot.entry):
            raise SpoolDamaged(path, slot.offset, f"this is not the header of entry {slot.entry}")
        payload = memoryview(data)[HEADER_BYTES:]
        if crc32(payload, 0) != head.crc:
            raise SpoolDamaged(path, slot.offset, f"the CRC-32 of entry {slot.entry} is not {head.crc:#010x}")
        return payload

    def release(self, slot: Slot) -> None:
        """Ends a live entry. Deletes its segment if that was the last one. Nothing is left to do after `close`."""
        segment = slot.segment
        with self._lock:
            if segment.number not in self._segments:
                return
            segment.live.remove(slot.entry)
            # Noted with the lock held: the catalog hears of a segment's last entry before it hears of its end.
            self._catalog.removed(slot.entry, segment.number)
            last = self._drop_if_dead(segment)
        self._ended(segment, last)

    def close(self) -> None:
        """Deletes every segment, whatever lives in it. Waits for an append under way."""
        with self._appending:
            self._closed = True
            with self._lock:
                left = list(self._segments.values())
                self._segments.clear()
                self._active = None
                for segment in left:
                    for entry in segment.live:
                        self._catalog.removed(entry, segment.number)
        for segment in left:
            for _ in range(len(segment.live) - 1):
                self._budget.stored_entry_gone()
            self._ended(segment, last=True)

    def _reserve(self, entry: int, stored: int) -> tuple[Segment, int]:
        """Takes `stored` bytes of the active segment, or of a new one. Only the appending thread."""
        with self._lock:
            active = self._active
            if active is not None and active.size + stored <= self._limits.segment:
                offset = active.size
                active.size += stored
                active.live.add(entry)
                return active, offset
            self._active = None
        if active is not None:
            self._seal(active)
        return self._start(entry, stored), 0

    def _start(self, entry: int, stored: int) -> Segment:
        """A new active segment with its first entry; it may be larger than `segment` if that entry is."""
        number = next(self._numbers)
        name = segment_name(number)
        path = self._folder.path / name
        try:
            descriptor = self._files.create(path)
        except BaseException as error:
            self._budget.never_stored(stored)
            if isinstance(error, OSError):
                raise write_failed(error, path, self._limits.quota) from error
            raise
        segment = Segment(number, name, descriptor, stored, {entry})
        self._catalog.opened(number, name)
        with self._lock:
            self._segments[number] = segment
            self._active = segment
        return segment

    def _abandon(self, segment: Segment, entry: int) -> None:
        """A write failed: what it left behind the last entry is dead, and nothing is appended behind it."""
        with self._lock:
            self._active = None
            segment.live.remove(entry)
            last = self._drop_if_dead(segment)
        if not last:
            self._seal(segment)
        self._ended(segment, last)

    def _drop_if_dead(self, segment: Segment) -> bool:
        """With the lock held: forgets a segment that no entry lives in, so that none can get into it."""
        if segment.live:
            return False
        del self._segments[segment.number]
        if self._active is segment:
            self._active = None
        return True

    def _ended(self, segment: Segment, last: bool) -> None:
        if last:
            self._budget.last_entry_gone()
            self._condemn(segment)
        else:
            self._budget.stored_entry_gone()

    def _seal(self, segment: Segment) -> None:
        if self._end_writing(segment):
            self._catalog.sealed(segment.number)

    def _condemn(self, segment: Segment) -> None:
        self._end_writing(segment)
        self._catalog.condemned(segment.number, lambda: self._unlink(segment))

    def _end_writing(self, segment: Segment) -> bool:
        """Closes the descriptor, unless another thread does: the appending one and a last release may meet here."""
        with self._lock:
            descriptor, segment.descriptor = segment.descriptor, None
        if descriptor is None:
            return False
        self._files.close(descriptor)
        return True

    def _unlink(self, segment: Segment) -> None:
        """Called by the catalog's thread, between the two commits of a deletion."""
        path = self._folder.path / segment.name
        try:
            self._files.unlink(path)
        except FileNotFoundError as error:
            raise SpoolDamaged(path, 0, "the file was gone before it was deleted") from error
        except OSError as error:
            raise write_failed(error, path, self._limits.quota) from error
        self._budget.segment_gone(segment.size)


def entry_header(crc: int, size: int, entry: int) -> bytes:
    """The bytes before a payload of `size` bytes."""
    return _HEADER.pack(_MAGIC, crc, size, entry)


def _header(head: BatchHead, entry: int) -> bytes:
    return entry_header(head.crc, head.size, entry)
