"""Admission to the spool, in bytes: what may enter, where it goes, and when the source may go on (I8, I9).

Two things are counted, headers included::

    heap = ENTRY_OVERHEAD a live entry or dying segment + what entries in memory keep  <= memory
    disk = the bytes of every segment file, live or dead, until it is unlinked         heap + disk <= quota

An entry goes to memory while ``heap + entry <= memory - reserve``, else to a segment. The *reserve*, a quarter of
`memory`, is kept for what an entry on disk costs in the heap: without it a full memory would lock the disk.

Why waiting cannot last for ever, given that the sink flushes while :meth:`Budget.over` holds: over holds as long as
an entry waits, so every live entry is released in the end; a segment without live entries is unlinked; then heap and
disk are 0, and an empty spool admits any entry. Dead bytes in segments that a small live entry pins count like live
ones: they keep over true until that entry is flushed too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum

from afterbay.clock import Clock
from afterbay.credit import Credit
from afterbay.errors import AfterbayError, Cancelled
from afterbay.sight import Waits
from afterbay.spool.faults import SpoolMisuse
from afterbay.spool.limits import ENTRY_OVERHEAD, Limits


class HeldBack(StrEnum):
    """What it is that the source is held back for."""

    NOTHING = ""
    QUOTA = "quota"
    MEMORY = "memory"  # it pays for no more entries, while the quota has room


class Placement(Enum):
    """Where an admitted entry is to go. An oversized one is larger than the quota: it stays in memory."""

    MEMORY = "memory"
    SEGMENT = "segment"
    OVERSIZED = "oversized"


@dataclass(frozen=True, slots=True)
class Admission:
    """Where an entry may go, and how many seconds it waited for that (None: it did not wait)."""

    placement: Placement
    waited: float | None


@dataclass(frozen=True, slots=True)
class Usage:
    """What is held now: bytes of heap and disk, live entries."""

    heap: int
    disk: int
    entries: int


class Budget:
    """The bytes of one spool. Owns its lock, which is held for arithmetic only: never for I/O, never for a callback.

    Implements `afterbay.pressure.Pressure`. Any thread. `wake` callbacks run in the thread that calls :meth:`admit`;
    withheld credits are given back in the thread whose release or unlink made the room.
    """

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._changed = threading.Condition()
        self._heap = 0
        self._disk = 0
        self._entries = 0
        self._waiting = 0
        self._high = False
        self._withheld: list[Credit] = []
        self._wakes: tuple[Callable[[], None], ...] = ()
        self._cancelled = False
        self._closed = False
        self._failure: AfterbayError | None = None
        self.waits = Waits(clock)  # for room
        # Watermarks 0.8 and 0.6, of the quota and of the reserve: entries on disk can use up the one or the other.
        self._high_total = limits.quota * 4 // 5
        self._low_total = limits.quota * 3 // 5
        self._high_heap = limits.memory - limits.reserve // 5
        self._low_heap = limits.memory - limits.reserve * 2 // 5

    @property
    def quota(self) -> int:
        """Bytes that the spool may hold, memory and disk together."""
        return self._limits.quota

    def over(self) -> bool:
        """True from the high watermark on until the low one, and while an entry waits for room."""
        with self._changed:
            return self._high or self._waiting > 0

    def held_back(self) -> HeldBack:
        """What the source is held back for while `over` holds."""
        with self._changed:
            if not self._high and not self._waiting:
                return HeldBack.NOTHING
            starved = self._heap > self._low_heap and self._heap + self._disk <= self._low_total
            return HeldBack.MEMORY if starved else HeldBack.QUOTA

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Calls `wake()` each time the high watermark is passed and each time an entry starts to wait."""
        with self._changed:
            self._wakes = (*self._wakes, wake)

    def usage(self) -> Usage:
        """The levels now."""
        with self._changed:
            return Usage(self._heap, self._disk, self._entries)

    def admit(self, stored: int, kept: int) -> Admission:
        """Waits for room for an entry, takes it and says where.

        `stored` is its bytes in a segment, header included; `kept` the bytes it keeps alive in memory. Raises
        `Cancelled` when the scope ends, SpoolMisuse after `close`, and the error of `fail`.
        """
        with self._changed:
            self._refuse_ended()
            rose, placement = self._take(stored, kept)
            if placement is None:
                self._waiting += 1
            wakes = self._wakes if rose or placement is None else ()
        if placement is None:
            return self._wait(stored, kept, wakes)
        for wake in wakes:
            wake()
        return Admission(placement, None)

    def _wait(self, stored: int, kept: int, wakes: tuple[Callable[[], None], ...]) -> Admission:
        started = self._clock.monotonic()
        try:
            for wake in wakes:
                wake()
            with self._changed:
                while True:
                    if self._closed:
                        raise Cancelled  # it came before the end: no misuse
                    self._refuse_ended()
                    rose, placement = self._take(stored, kept)
                    if placement is not None:
                        break
                    with self.waits:
                        self._clock.wait(self._changed, None)
                wakes = self._wakes if rose else ()
        finally:
            with self._changed:
                self._waiting -= 1
        for wake in wakes:
            wake()
        return Admission(placement, self._clock.monotonic() - started)

    def memory_entry_gone(self, kept: int) -> None:
        """A live entry in memory ended; `kept` as in `admit`."""
        self._give_back(entries=1, heap=ENTRY_OVERHEAD + kept, disk=0)

    def stored_entry_gone(self) -> None:
        """A live entry in a segment ended, and others live in that segment."""
        self._give_back(entries=1, heap=ENTRY_OVERHEAD, disk=0)

    def last_entry_gone(self) -> None:
        """The last live entry of a segment ended. Its overhead stays counted until `segment_gone`.

        So a segment is paid for by one entry's overhead at any time: segments that wait to be unlinked are bounded
        too, however slow the disk is (I8).
        """
        self._give_back(entries=1, heap=0, disk=0)

    def segment_gone(self, nbytes: int) -> None:
        """A segment's file is unlinked."""
        self._give_back(entries=0, heap=ENTRY_OVERHEAD, disk=nbytes)

    def never_stored(self, stored: int) -> None:
        """An entry that was admitted to a segment found none: no file could be made for it."""
        self._give_back(entries=1, heap=ENTRY_OVERHEAD, disk=stored)

    def _give_back(self, *, entries: int, heap: int, disk: int) -> None:
        with self._changed:
            self._entries -= entries
            self._heap -= heap
            self._disk -= disk
            self._changed.notify_all()
            if not (self._high and self._heap + self._disk <= self._low_total and self._heap <= self._low_heap):
                return
            self._high = False
            withheld, self._withheld = self._withheld, []
        for credit in withheld:
            credit.give_back()

    def enqueued(self, credit: Credit) -> bool:
        """Gives `credit` back now (True), or withholds it above the high watermark until the low one (False)."""
        with self._changed:
            if self._high and not self._closed:
                self._withheld.append(credit)
                return False
        credit.give_back()
        return True

    def cancel(self) -> None:
        """From now on every wait raises `Cancelled`."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    def fail(self, error: AfterbayError) -> None:
        """From now on every admission raises `error`: room can no longer be made. The first error stays."""
        with self._changed:
            if self._failure is None:
                self._failure = error
            self._changed.notify_all()

    def close(self) -> None:
        """From now on every admission raises SpoolMisuse. Withheld credits are given back."""
        with self._changed:
            self._closed = True
            withheld, self._withheld = self._withheld, []
            self._changed.notify_all()
        for credit in withheld:
            credit.give_back()

    def _refuse_ended(self) -> None:
        if self._closed:
            raise SpoolMisuse("a batch was put into a spool that is closed")
        if self._cancelled:
            raise Cancelled
        if self._failure is not None:
            raise self._failure

    def _take(self, stored: int, kept: int) -> tuple[bool, Placement | None]:
        """Whether the high watermark was passed, and the place taken (None: no room)."""
        placement = self._place(stored, kept)
        if placement is None:
            return False, None
        self._entries += 1
        self._heap += ENTRY_OVERHEAD
        if placement is Placement.SEGMENT:
            self._disk += stored
        else:
            self._heap += kept
        rose = not self._high and (self._heap + self._disk > self._high_total or self._heap > self._high_heap)
        self._high = self._high or rose
        return rose, placement

    def _place(self, stored: int, kept: int) -> Placement | None:
        limits = self._limits
        empty = self._entries == 0
        if ENTRY_OVERHEAD + stored > limits.quota:
            return Placement.OVERSIZED if empty else None
        room = limits.quota - self._heap - self._disk
        in_memory = ENTRY_OVERHEAD + kept
        if in_memory <= room and self._heap + in_memory <= limits.memory - limits.reserve:
            return Placement.MEMORY
        # I9: an empty spool admits one entry however small `memory` is.
        if ENTRY_OVERHEAD + stored <= room and (empty or self._heap + ENTRY_OVERHEAD <= limits.memory):
            return Placement.SEGMENT
        return None
