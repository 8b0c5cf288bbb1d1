"""The upload pool: `upload_concurrency` threads that do what lanes have due, most urgent first.

::

    lane due -> enqueue -> slot free -> lane.take (decided now) -> perform -> lane.done -> the shard looks again

Urgency, then age: a DDL, barrier or close first (they hold a source up); then size, interval and oversized, the oldest
first; then quota, the oldest and largest first; last what can go only by cutting a transaction, and that only when
nothing else is queued or under way. A lane stands in the queue at most once: a more urgent place makes the former one
stale. No lane starves: within an urgency the oldest pending row goes first, and a flush makes its lane the youngest.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

from afterbay.clock import Clock
from afterbay.errors import Cancelled
from afterbay.sight import Waits
from afterbay.telemetry import FlushReason
from afterbay_nodes.sinks.lane import Ddl, Due, FlushJob, Lane


class Urgency(IntEnum):
    """The order of the queue."""

    BARRIER = 0
    DUE = 1
    QUOTA = 2
    CUT = 3


class Jobs(Protocol):
    """What the pool does with a lane; called in an upload thread."""

    def perform(self, lane: Lane, job: FlushJob | Ddl) -> None:
        """Does the job. Blocks on the store. Raises to end the run."""
        ...


def urgency(due: Due) -> Urgency:
    """How urgent a lane's wish is."""
    if due.cuts:
        return Urgency.CUT
    if due.reason in (None, FlushReason.BARRIER, FlushReason.CLOSE):
        return Urgency.BARRIER
    return Urgency.QUOTA if due.reason is FlushReason.QUOTA else Urgency.DUE


class UploadPool:
    """Owns its threads, its queue and its condition. A thread is started when there is work for it."""

    def __init__(
        self,
        name: str,
        slots: int,
        jobs: Jobs,
        clock: Clock,
        pressed: Callable[[], bool],
        fail: Callable[[BaseException], None],
    ) -> None:
        """`pressed`: a spool before the sink is over its high watermark; `fail`: ends the run."""
        self._name = name
        self._slots = slots
        self._jobs = jobs
        self._clock = clock
        self._pressed = pressed
        self._fail = fail
        self._changed = threading.Condition()
        self._queue: list[tuple[Urgency, float, int, Lane, Callable[[Lane], None]]] = []
        self._places: dict[Lane, tuple[Urgency, int]] = {}  # the one valid place of each queued lane
        self._numbers = itertools.count()
        self._busy = 0
        self._idle = 0
        self._threads: list[threading.Thread] = []
        self._closed = False
        self.at_work = Waits(clock)

    def enqueue(self, lane: Lane, due: Due, performed: Callable[[Lane], None]) -> None:
        """Gives the lane a place, or a more urgent one. `performed(lane)`: it is idle again. Any thread."""
        wanted = urgency(due)
        since, nbytes = lane.weight()
        age = self._clock.monotonic() - since
        order = since if wanted is not Urgency.QUOTA else -(age + 0.001) * nbytes
        with self._changed:
            held = self._places.get(lane)
            if self._closed or (held is not None and held[0] <= wanted):
                return
            number = next(self._numbers)
            self._places[lane] = (wanted, number)
            heapq.heappush(self._queue, (wanted, order, number, lane, performed))
            if self._idle:
                self._changed.notify()
            elif len(self._threads) < self._slots:
                thread = threading.Thread(target=self._work, name=f"{self._name}/upload[{len(self._threads)}]")
                self._threads.append(thread)
                thread.start()

    def close(self) -> None:
        """Ends the threads once their jobs are over; what is queued is not done. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        while (place := self._next()) is not None:
            lane, performed = place
            try:
                job = lane.take(self._clock.monotonic(), self._pressed())
                if job is not None:
                    with self.at_work:
                        self._jobs.perform(lane, job)
                    lane.done()
            except Cancelled:
                return
            except BaseException as error:  # whatever ends this thread ends the run: nobody else would do the job (I9)
                self._fail(error)
                return
            with self._changed:
                self._busy -= 1
                if self._queue and self._idle:
                    self._changed.notify()  # a cut may have waited for this
            performed(lane)

    def _next(self) -> tuple[Lane, Callable[[Lane], None]] | None:
        with self._changed:
            while not self._closed:
                while self._queue and self._places.get(self._queue[0][3], (None, -1))[1] != self._queue[0][2]:
                    heapq.heappop(self._queue)  # a stale place
                if self._queue and (self._queue[0][0] is not Urgency.CUT or self._busy == 0):
                    _, _, _, lane, performed = heapq.heappop(self._queue)
                    del self._places[lane]
                    self._busy += 1
                    return lane, performed
                self._idle += 1
                self._clock.wait(self._changed, None)
                self._idle -= 1
            return None
