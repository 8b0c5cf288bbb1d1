"""Parallel work that keeps order: the encoding group.

Workers take envelopes from one inbox. Taking and getting a place in the outgoing line happen under one lock, so places
are in submission order; whoever finishes the first place sends on every finished place behind it. A marker is a place
that is born finished, so it can neither overtake data nor be overtaken::

    inbox -> take + place -> work (side by side) -> finish -> [first place finished?] -> send on, in order

The line is bounded: nobody takes new work while `most` places wait behind a slow first one. Whoever waits for places
has none that is unfinished, so the first place is always somebody's who works.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from afterbay.clock import Clock
from afterbay.errors import Cancelled
from afterbay.sight import Waits

Item = TypeVar("Item")


@dataclass(slots=True)
class Place(Generic[Item]):
    """A place in the outgoing line; `result` None while the work is under way."""

    result: Sequence[Item] | None = None


class Sequencer(Generic[Item]):
    """The outgoing line. Owns its condition; `send` is called by one thread at a time, in order."""

    def __init__(self, send: Callable[[Item], None], most: int, clock: Clock) -> None:
        """`most`: places in the line, finished ones included, before `place` waits (I8)."""
        self._send = send
        self._most = most
        self._clock = clock
        self._line: deque[Place[Item]] = deque()
        self._changed = threading.Condition()
        self._sending = False
        self._cancelled = False
        self.waits = Waits(clock)  # for places

    def places(self, results: Sequence[Sequence[Item] | None]) -> list[Place[Item]]:
        """New places at the end of the line, born finished where there is a result. Raises `Cancelled`.

        The caller serialises calls in submission order, has no unfinished place, and asks for no more than `most` at
        once. All or none: who held some while waiting for others could wait for itself (I9).
        """
        places: list[Place[Item]] = [Place(result) for result in results]
        with self._changed:
            while len(self._line) + len(places) > self._most and not self._cancelled:
                with self.waits:
                    self._clock.wait(self._changed, None)
            if self._cancelled:
                raise Cancelled
            self._line.extend(places)
        if places and places[0].result is not None:
            self._send_finished()
        return places

    def finish(self, place: Place[Item], result: Sequence[Item]) -> None:
        """The work of a place is done: sends on what is finished at the head of the line."""
        with self._changed:
            place.result = result
        self._send_finished()

    def cancel(self) -> None:
        """Ends every wait with `Cancelled`."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    def _send_finished(self) -> None:
        # One sender at a time. A place that finishes while another thread sends is picked up by that thread's loop:
        # it looks again, under the lock, before it stops being the sender.
        with self._changed:
            if self._sending:
                return
            self._sending = True
        try:
            while True:
                with self._changed:
                    if not self._line or self._line[0].result is None:
                        self._sending = False
                        return
                    done = self._line.popleft().result
                    self._changed.notify_all()
                for item in done or ():
                    self._send(item)
        except BaseException:
            with self._changed:
                self._sending = False
            raise
