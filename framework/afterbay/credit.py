"""The first acknowledgement, *enqueued*: it lets the source go on, and never moves the checkpoint.

A source may have at most `window` bytes under way between itself and the spool. Each message takes a
:class:`Credit`; whoever has it at rest gives it back. Above the spool's high watermark the give-back is withheld.
It is another type than the ledger's token, so that the two cannot be mixed up.
"""

from __future__ import annotations

import threading

from afterbay.clock import Clock
from afterbay.errors import Cancelled
from afterbay.sight import Waits


class CreditWindow:
    """Bytes under way of one source partition. Owns its lock. A window with nothing under way admits any size."""

    def __init__(self, window: int, clock: Clock) -> None:
        self._window = window
        self._under_way = 0
        self._cancelled = False
        self._clock = clock
        self._changed = threading.Condition()
        self.waits = Waits(clock)

    @property
    def window(self) -> int:
        """Bytes that may be under way."""
        return self._window

    @property
    def under_way(self) -> int:
        """Bytes taken and not given back."""
        with self._changed:
            return self._under_way

    def take(self, nbytes: int) -> Credit:
        """Waits until `nbytes` fit (or nothing is under way). Raises `Cancelled` when the scope ends."""
        with self._changed:
            while not self._cancelled and self._under_way and self._under_way + nbytes > self._window:
                with self.waits:
                    self._clock.wait(self._changed, None)
            if self._cancelled:
                raise Cancelled
            self._under_way += nbytes
        return Credit(self, nbytes)

    def cancel(self) -> None:
        """Wakes a waiting source with `Cancelled`."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    def give_back(self, nbytes: int) -> None:
        """Called by `Credit` only."""
        with self._changed:
            self._under_way -= nbytes
            self._changed.notify_all()


class Credit:
    """Bytes of one message under way. Given back once all its branches have given back. Owns its lock."""

    __slots__ = ("_holders", "_lock", "_nbytes", "_window")

    def __init__(self, window: CreditWindow, nbytes: int) -> None:
        self._window = window
        self._nbytes = nbytes
        self._holders = 1
        self._lock = threading.Lock()

    def share(self, more: int) -> None:
        """`more` further branches hold this credit too. Call it before any of them is forwarded."""
        with self._lock:
            if self._holders < 1:
                raise RuntimeError("a credit that was given back cannot be shared")
            self._holders += more

    def give_back(self) -> None:
        """One holder has its message at rest. The last one opens the window. Over-count raises RuntimeError."""
        with self._lock:
            self._holders -= 1
            left = self._holders
        if left < 0:
            raise RuntimeError("a credit was given back more often than it was held")
        if left == 0:
            self._window.give_back(self._nbytes)
