"""Channels: bounded in items and bytes, closable, cancellable, read in batches by one consumer.

::

    open --close (each producer once)--> closed: what is inside can still be read, then `ChannelClosed`
    open/closed --cancel--> cancelled: every call raises `Cancelled`

A channel's queue is its own: others call methods. An empty channel admits an item of any size, so that an item
larger than the bound cannot block for ever (I9). `UNBOUNDED` channels are those whose content is bounded elsewhere:
by the source's credit before a merge, by the spool's quota before a shard.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from afterbay.clock import Clock
from afterbay.errors import Cancelled
from afterbay.messages import Watermark
from afterbay.runtime.envelope import Envelope
from afterbay.sight import Waits


class ChannelClosed(Exception):
    """All producers have closed and everything was read."""


@dataclass(frozen=True, slots=True)
class Bound:
    """How much a channel holds. None: bounded elsewhere."""

    items: int | None
    nbytes: int | None


UNBOUNDED = Bound(None, None)


class Channel:
    """One edge. Owns its condition, unless a merge reads several channels under a common one."""

    def __init__(
        self,
        name: str,
        bound: Bound,
        clock: Clock,
        *,
        producers: int = 1,
        condition: threading.Condition | None = None,
    ) -> None:
        self.name = name
        self.bound = bound
        self.waits = Waits(clock)  # of writers, for room
        self._clock = clock
        self._producers = producers
        self.condition = condition if condition is not None else threading.Condition()
        self._queue: deque[Envelope] = deque()
        self._nbytes = 0
        self._cancelled = False
        self._woken = False
        self._readers = 0
        self._writers = 0

    def put(self, envelope: Envelope) -> None:
        """Appends, waiting for room. Raises `Cancelled`."""
        with self.condition:
            while not self._cancelled and not self._has_room(envelope):
                self._writers += 1
                with self.waits:
                    self._clock.wait(self.condition, None)
                self._writers -= 1
            if self._cancelled:
                raise Cancelled
            if self._overtakes_watermark(envelope):
                self._queue[-1] = envelope
            else:
                self._queue.append(envelope)
                self._nbytes += envelope.nbytes
            if self._readers:
                self.condition.notify_all()

    def get_many(self, timeout: float | None = None, most: int = 64) -> list[Envelope]:
        """Up to `most` envelopes, at least one; an empty list after `timeout` seconds or `wake`."""
        with self.condition:
            deadline = None if timeout is None else self._clock.monotonic() + timeout
            while not self._queue:
                if self._cancelled:
                    raise Cancelled
                if self._producers == 0:
                    raise ChannelClosed
                if self._woken:
                    break
                left = None if deadline is None else deadline - self._clock.monotonic()
                if left is not None and left <= 0:
                    break
                self._readers += 1
                self._clock.wait(self.condition, left)
                self._readers -= 1
            if self._cancelled:
                raise Cancelled
            self._woken = False
            return [self.pop_held() for _ in range(min(most, len(self._queue)))]

    def waiting(self) -> int:
        """How many envelopes are inside."""
        return len(self._queue)

    def wake(self) -> None:
        """Makes the consumer's `get_many` return, now or at its next call. Any thread."""
        with self.condition:
            self._woken = True
            self.condition.notify_all()

    def close(self) -> None:
        """One producer is done."""
        with self.condition:
            self._producers -= 1
            self.condition.notify_all()

    def cancel(self) -> None:
        """Ends every call with `Cancelled`."""
        with self.condition:
            self._cancelled = True
            self.condition.notify_all()

    def depth(self) -> tuple[int, int]:
        """(items, bytes) inside."""
        with self.condition:
            return len(self._queue), self._nbytes

    # The rest is for a consumer that holds `condition`: the merge.

    def held(self) -> deque[Envelope]:
        """The queue, to look at; `condition` is held by the caller."""
        return self._queue

    def pop_held(self) -> Envelope:
        """Takes the first envelope; `condition` is held by the caller."""
        envelope = self._queue.popleft()
        self._nbytes -= envelope.nbytes
        if self._writers:
            self.condition.notify_all()
        return envelope

    def expect_held(self, readers: int) -> None:
        """A consumer starts (+1) or ends (-1) waiting on `condition`, which it holds."""
        self._readers += readers

    @property
    def ended_held(self) -> bool:
        """No producer is left and nothing is inside; `condition` is held by the caller."""
        return self._producers == 0 and not self._queue

    @property
    def cancelled(self) -> bool:
        """True after `cancel`."""
        return self._cancelled

    def _has_room(self, envelope: Envelope) -> bool:
        if not self._queue:
            return True
        bound = self.bound
        if bound.items is not None and len(self._queue) >= bound.items:
            return False
        return bound.nbytes is None or self._nbytes + envelope.nbytes <= bound.nbytes

    def _overtakes_watermark(self, envelope: Envelope) -> bool:
        # A watermark says "nothing at or below": the newer one says it all, so an idle branch never piles them up.
        if not self._queue or not isinstance(envelope.message, Watermark):
            return False
        last = self._queue[-1]
        return isinstance(last.message, Watermark) and last.partition == envelope.partition
