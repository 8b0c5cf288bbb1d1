"""The reservoir: takes encoded batches to rest, in memory first, then in segment files (I7, I8)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from afterbay.clock import Clock
from afterbay.credit import Credit
from afterbay.errors import Place, RunFailed
from afterbay.instruments import SpoolLevels
from afterbay.messages import BatchHead, EncodedBatch, SpoolEntry
from afterbay.node import SpoolOperator
from afterbay.pressure import Pressure
from afterbay.spool.budget import Budget, HeldBack, Placement
from afterbay.spool.catalog import Catalog
from afterbay.spool.faults import SpoolMisuse
from afterbay.spool.files import Files, SystemFiles
from afterbay.spool.folder import CATALOG_FILE, Folder
from afterbay.spool.limits import ENTRY_OVERHEAD, Limits
from afterbay.spool.segments import HEADER_BYTES, Segments, Slot
from afterbay.telemetry import NodeMeter
from afterbay.units import MIB, format_bytes

log = logging.getLogger("afterbay.spool")


@dataclass(frozen=True, slots=True)
class _InMemory:
    """A body at rest in memory; `kept` bytes of heap live as long as it does."""

    body: tuple[pa.Buffer, ...]
    kept: int


class Entry:
    """An encoded batch at rest. Implements `afterbay.messages.SpoolEntry`. `_at` is guarded by the reservoir's lock."""

    __slots__ = ("_at", "_head", "_holders", "_oversized", "_reservoir")

    def __init__(self, reservoir: Reservoir, head: BatchHead, at: _InMemory | Slot, oversized: bool) -> None:
        self._reservoir = reservoir
        self._head = head
        self._at: _InMemory | Slot | None = at
        self._oversized = oversized
        self._holders = 1  # guarded by the reservoir's lock, as `_at` is

    @property
    def head(self) -> BatchHead:
        """All that is known of the batch without its bytes."""
        return self._head

    @property
    def nbytes(self) -> int:
        """Payload bytes."""
        return self._head.size

    @property
    def oversized(self) -> bool:
        """True if it is larger than the quota: it is to be flushed at once."""
        return self._oversized

    @property
    def in_memory(self) -> bool:
        """True while its bytes are in memory, False in a segment and after release."""
        return isinstance(self._at, _InMemory)

    def read(self) -> Sequence[pa.Buffer | memoryview]:
        """The payload's buffers; see `afterbay.messages.SpoolEntry.read`. Any thread, several at a time."""
        return self._reservoir.read(self)

    def share(self, more: int) -> None:
        """`more` further holders; see `afterbay.messages.SpoolEntry.share`. Any thread."""
        self._reservoir.share(self, more)

    def release(self) -> None:
        """Gives the bytes back, once a holder; see `afterbay.messages.SpoolEntry.release`. Any thread."""
        self._reservoir.release(self)


class Reservoir(SpoolOperator[EncodedBatch, SpoolEntry]):
    """The spool at work. Owns the folder, the budget, the segments and the catalog with its thread.

    :meth:`put` is for the spool node's thread, entries may be read and released by any. `_lock` guards where each
    entry is and whether the reservoir is closed; it is held for a look and a swap.
    """

    def __init__(self, folder: Folder, limits: Limits, clock: Clock, meter: NodeMeter, files: Files) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._folder = folder
        self._meter = meter
        self._budget = Budget(limits, clock)
        self._catalog = Catalog(folder.path / CATALOG_FILE, meter.name, limits.quota, clock, self._budget.fail)
        self._segments = Segments(folder, limits, files, self._budget, self._catalog)
        self._limits = limits
        self._told = False
        self._budget.subscribe(self._tell_of_memory)
        meter.watch_spool(self.levels)
        meter.sight.blocks(self._budget.waits)

    @classmethod
    def open(cls, path: Path, limits: Limits, clock: Clock, meter: NodeMeter, files: Files | None = None) -> Reservoir:
        """Takes the folder `path`, discards what a dead process left in it, and starts empty.

        Raises EnvironmentRefused `spool.folder`, `spool.locked`, `spool.foreign`.
        """
        with ExitStack() as undo:
            folder = Folder.claim(path)
            undo.callback(folder.release)
            reservoir = cls(folder, limits, clock, meter, SystemFiles() if files is None else files)
            undo.pop_all()
        return reservoir

    @property
    def pressure(self) -> Pressure:
        """How full it is."""
        return self._budget

    def levels(self) -> SpoolLevels:
        """What is held now. Bytes, overhead and headers included."""
        usage = self._budget.usage()
        held = self._budget.held_back()
        budget, segments = self._budget, self._segments.count
        return SpoolLevels(usage.heap, usage.disk, budget.quota, segments, usage.entries, held, self._limits.memory)

    def references(self) -> dict[str, int]:
        """Live entries by segment file name."""
        return self._segments.references()

    def process(self, item: EncodedBatch) -> SpoolEntry:
        """See `put`."""
        return self.put(item)

    def put(self, batch: EncodedBatch) -> Entry:
        """Takes `batch` to rest; waits while there is no room.

        Raises Cancelled (nothing of the batch is counted then), SpoolMisuse after `close`, RunFailed `spool.full`,
        `spool.write`, or `spool.size` for a batch whose body is not as long as its head says.
        """
        head, body = batch.head, batch.body
        size = sum(buffer.size for buffer in body)
        if size != head.size:
            raise RunFailed(
                "spool.size",
                f"an encoded batch says that it has {head.size} bytes, and has {size}",
                place=Place(node=self._meter.name, table=str(head.schema.name), position=str(head.first.commit_ts)),
                hint="this is a defect of the encoder",
            )
        kept = sum(_kept_alive(buffer) for buffer in body)
        admission = self._budget.admit(HEADER_BYTES + size, kept)
        if admission.waited is not None:
            self._meter.quota_waited(admission.waited)
        if admission.placement is Placement.SEGMENT:
            return Entry(self, head, self._segments.append(head, body), oversized=False)
        return Entry(self, head, _InMemory(body, kept), admission.placement is Placement.OVERSIZED)

    def enqueued(self, credit: Credit) -> None:
        """The message is at rest: returns the credit, or withholds it above the high watermark until the low one."""
        if not self._budget.enqueued(credit):
            self._meter.suppressed()

    def read(self, entry: Entry) -> Sequence[pa.Buffer | memoryview]:
        """What `Entry.read` gives: the buffers themselves, or one that was read from the segment and checked."""
        with self._lock:
            at = entry._at
            if at is None or self._closed:
                raise SpoolMisuse(f"a spool entry of {entry.head.schema.name} was read after its end (I7)")
        return at.body if isinstance(at, _InMemory) else [self._segments.read(at, entry.head)]

    def share(self, entry: Entry, more: int) -> None:
        """What `Entry.share` does."""
        with self._lock:
            if entry._at is None:
                raise SpoolMisuse(f"a spool entry of {entry.head.schema.name} was shared after its end (I7)")
            entry._holders += more

    def release(self, entry: Entry) -> None:
        """What `Entry.release` does. After `close` a first release is still right, and has nothing left to give."""
        with self._lock:
            at = entry._at
            if at is None:
                raise SpoolMisuse(f"a spool entry of {entry.head.schema.name} was released twice (I7)")
            entry._holders -= 1
            if entry._holders:
                return
            entry._at = None
        if isinstance(at, _InMemory):
            self._budget.memory_entry_gone(at.kept)
        else:
            self._segments.release(at)

    def _tell_of_memory(self) -> None:
        """Says once that small batches keep the quota from being used. In the putting thread, which holds no lock."""
        if self._told or self._budget.held_back() is not HeldBack.MEMORY:
            return
        self._told = True
        usage, limits = self._budget.usage(), self._limits
        log.warning(
            "spool '%s' holds the source back with %.1f MiB of its quota of %s used: `memory: %s` pays for no more "
            "batches (%d wait, each costs %d bytes of it, on disk too): give it more `memory`, or larger batches",
            self._meter.name,
            (usage.heap + usage.disk) / MIB,
            format_bytes(limits.quota),
            format_bytes(limits.memory),
            usage.entries,
            ENTRY_OVERHEAD,
        )

    def drain(self) -> None:
        """Returns when catalog and folder show everything that was done before. Raises what stopped the catalog."""
        self._catalog.drain()

    def cancel(self) -> None:
        """A put that waits for room, and every later one, raises Cancelled. Any thread."""
        self._budget.cancel()

    def close(self) -> None:
        """Discards what is left, empties the folder and ends the catalog's thread. A second call does nothing.

        Raises RunFailed if the catalog had stopped: files may then be left, for the next start to sweep.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
        with ExitStack() as steps:
            steps.callback(self._folder.release)
            steps.callback(self._catalog.close)
            self._budget.close()
            self._segments.close()


def _kept_alive(buffer: pa.Buffer) -> int:
    """Bytes that live as long as `buffer`: those of the whole that it is a slice of (I8)."""
    while buffer.parent is not None:
        buffer = buffer.parent
    return int(buffer.size)
