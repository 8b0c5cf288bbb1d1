"""A store that fails for longer than a moment is told of: once when it begins and once when it is over.

::

    fine --an operation has failed for TOLD_AFTER seconds--> out --no operation is failing any more--> fine
              one WARNING, `on_change`                              one WARNING, `on_change`

Many threads fail side by side in an outage and each tries many times: neither is worth a line of its own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from afterbay.clock import Clock
from afterbay.errors import AfterbayError
from afterbay.instruments import StoreOutage
from afterbay.printable import visible
from afterbay.sight import Failing as SeenFailing

log = logging.getLogger("afterbay.store")

TOLD_AFTER = 5.0
"""Seconds that an operation may fail before it is news: a store that is asked too fast says so for a second or two."""


@dataclass(slots=True, eq=False)
class Failing:
    """An operation that failed and is being tried again. Written by its own thread, under the lock of `Outages`."""

    operation: str
    key: str
    since: float  # when its first try began, monotonic seconds
    tries: int = 0
    reason: str = ""
    next_try: float = 0.0  # monotonic seconds
    answered: bool = False  # at last: done, or refused for a reason of its own


class Outages:
    """What of one store is failing now. Any thread; owns its lock, under which nothing is logged and nobody called."""

    def __init__(self, where: str, clock: Clock, on_change: Callable[[StoreOutage | None], None] | None = None) -> None:
        """`where`: the store's name in messages. `on_change` gets an outage as it is told of, and None at its end."""
        self._where = where
        self._clock = clock
        self._on_change = on_change
        self._lock = threading.Lock()
        self._failing: dict[int, Failing] = {}
        self._out_since: float | None = None  # of the outage that was told of

    def now(self) -> StoreOutage | None:
        """The outage that was told of and is not over, as it is now."""
        with self._lock:
            return self._oldest() if self._out_since is not None else None

    def failing(self) -> list[SeenFailing]:
        """All that is failing now, the longest first, whether it was told of or not."""
        with self._lock:
            now = self._clock.monotonic()
            return [
                SeenFailing(
                    item.operation, item.key, item.reason, now - item.since, item.tries, max(0.0, item.next_try - now)
                )
                for item in sorted(self._failing.values(), key=lambda item: item.since)
            ]

    def failed(self, failing: Failing, reason: str, deadline: float, pause: float = 0.0) -> None:
        """The operation has failed once more, for a `reason` without secrets; it is tried again for `deadline` s.

        `pause`: seconds until the next try.
        """
        with self._lock:
            failing.tries += 1
            failing.reason = reason
            self._failing[id(failing)] = failing
            now = self._clock.monotonic()
            failing.next_try = now + pause
            seconds = now - failing.since
            if self._out_since is not None or seconds < TOLD_AFTER:
                return
            self._out_since = failing.since
            outage = self._told(failing)
        log.warning(
            "%s: %s of '%s' has been failing since %s (%.0f s, try %d): %s; it is tried again, for %.0f min in all",
            self._where,
            outage.operation,
            visible(outage.key),
            outage.since.astimezone().strftime("%H:%M:%S"),
            outage.seconds,
            outage.tries,
            visible(outage.reason),
            deadline / 60,
        )
        self._changed(outage)

    def over(self, failing: Failing) -> None:
        """The operation was answered or given up. Where it was the last one that failed, the outage is over too."""
        with self._lock:
            self._failing.pop(id(failing), None)
            if self._failing or self._out_since is None:
                return
            seconds = self._clock.monotonic() - self._out_since
            self._out_since = None
        if failing.answered:
            log.warning("%s: works again after %.0f s", self._where, seconds)
        self._changed(None)

    def _told(self, failing: Failing) -> StoreOutage:
        seconds = self._clock.monotonic() - failing.since
        since = self._clock.now() - timedelta(seconds=seconds)
        return StoreOutage(failing.operation, failing.key, failing.reason, since, seconds, failing.tries)

    def _oldest(self) -> StoreOutage | None:
        oldest = min(self._failing.values(), key=lambda failing: failing.since, default=None)
        return None if oldest is None else self._told(oldest)

    def _changed(self, outage: StoreOutage | None) -> None:
        if self._on_change is not None:
            try:
                self._on_change(outage)
            except AfterbayError as error:
                # The news is a courtesy: whoever cannot take it down fails where its own work is.
                log.debug("%s: not taken down: %s", self._where, error)
