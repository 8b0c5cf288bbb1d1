r"""Cleanup: files whose day lies before the checkpoint's day, less some days, are removed at the moments of a schedule.

A run, and what each step protects::

    checkpoint's day - days = D -> no flush writes before D any more (and the state remembers it)
      -> the checkpoint has passed all that was stored until now -> list -> indexes removed -> data files removed

The second step closes the days: nothing is removed that a flush under way, or an open intent, needs, and a directory
that is gone is never written again, so that its numbers are not used twice (I6). It holds over a restart and whatever
the clock does. The third one needs no clock at all: every row in a directory that is closed is at or below what was
stored when it was closed, hence at or below the checkpoint; nothing above the checkpoint is removed. D is never after
the machine's own day less the days: a source whose clock is ahead expires nothing early.

A store that refuses ends the run, not the pipeline: it is told in the log and counted, and the next moment tries again;
what is half removed lies still before D. Runs never overlap, for one thread does them; a moment that comes up during a
run is passed over, and so is one at which no pipeline runs.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from afterbay.clock import Clock
from afterbay.errors import AfterbayError, Cancelled
from afterbay.state.store import State
from afterbay.telemetry import CleanupResult, NodeMeter
from afterbay_nodes.sinks.flush_days import FlushDays
from afterbay_nodes.sinks.schedule import Schedule
from afterbay_nodes.storage.expiry import expired
from afterbay_nodes.storage.layout import Layout
from afterbay_nodes.storage.store import ObjectStore

LONGEST_SLEEP = 60.0
"""Seconds until the wall clock is looked at again: it may be set, and a sleeping machine's other clock stands still."""

LONGEST_WAIT = 900.0
"""Seconds that a run waits for the checkpoint to pass what was stored."""

log = logging.getLogger("afterbay.cloud_storage")


@dataclass(frozen=True, slots=True)
class Expiry:
    """What a run needs to know. `checkpoint_ms`: see `SinkContext`."""

    sink: str
    days: int
    zone: tzinfo | None
    partitions: Sequence[str]
    checkpoint_ms: Callable[[str], int | None]


class Cleanup:
    """Owns the thread that waits for the schedule and removes. The store is the sink's, and so is its cancel."""

    def __init__(
        self,
        expiry: Expiry,
        schedule: Schedule,
        *,
        store: ObjectStore,
        layout: Layout,
        days: FlushDays,
        state: State,
        clock: Clock,
        meter: NodeMeter,
        fail: Callable[[BaseException], None],
    ) -> None:
        """`fail` ends the pipeline: for a defect, not for a store that refuses."""
        self._expiry = expiry
        self._schedule = schedule
        self._store = store
        self._layout = layout
        self._days = days
        self._state = state
        self._clock = clock
        self._meter = meter
        self._fail = fail
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name=f"{expiry.sink}/cleanup")

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def advance(self) -> None:
        """There is a new checkpoint. Quick; any thread."""
        with self._changed:
            self._changed.notify_all()

    def stop(self) -> None:
        """Asks the thread to end: at once from a wait, from a run after the call under way. Quick; any thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def join(self) -> None:
        """Waits for the end of the thread, after `stop`."""
        self._thread.join()

    def _work(self) -> None:
        try:
            looked = self._clock.now()
            while not self._stopping:
                now = self._clock.now()
                due = self._schedule.after(looked)
                looked = now  # also when the clock was set back: it does not hold runs up
                if due <= now:
                    self._run()
                    looked = self._clock.now()
                else:
                    self._sleep(min((due - now).total_seconds(), LONGEST_SLEEP))
        except Cancelled:
            return
        except Exception as error:
            self._fail(error)

    def _sleep(self, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        with self._changed:
            while not self._stopping and (left := until - self._clock.monotonic()) > 0:
                self._clock.wait(self._changed, left)

    def _run(self) -> None:
        """One run, told in log and telemetry. Raises Cancelled, and defects."""
        run = _Run()
        started = self._clock.monotonic()
        try:
            run.result = self._remove(run)
        except Cancelled:
            run.result = CleanupResult.STOPPED
            raise
        except AfterbayError as error:
            log.warning(
                "%s: removing expired files failed after %d files, the next time of the schedule tries again: %s",
                self._expiry.sink,
                run.files,
                error,
            )
        finally:
            self._meter.cleaned(run.result, run.files, run.nbytes, self._clock.monotonic() - started)

    def _remove(self, run: _Run) -> CleanupResult:
        sink = self._expiry.sink
        before = self._last_day()
        if before is None:
            log.info("%s: no expired files are removed before the first checkpoint with a time", sink)
            return CleanupResult.UNDATED
        closed = self._days.close(before)
        self._state.cleaned_before(sink, before)
        if not self._await(closed.highest):
            if self._stopping:
                return CleanupResult.STOPPED
            log.warning("%s: no expired files are removed, the checkpoint is behind what is stored", sink)
            return CleanupResult.BEHIND
        for batch in expired(self._store.list(""), self._layout, closed.day):
            if self._stopping:
                return CleanupResult.STOPPED
            if batch.indexes:
                self._store.delete(batch.indexes)
            self._store.delete([item.key for item in batch.data])
            run.files += len(batch.data)
            run.nbytes += sum(item.size for item in batch.data)
        self._store.prune(lambda folder: "" < self._layout.day_of_folder(folder) < closed.day)
        log.info("%s: removed %d files (%d bytes) of days before %s", sink, run.files, run.nbytes, closed.day)
        return CleanupResult.DONE

    def _last_day(self) -> str | None:
        """The first day that stays: the checkpoint's in the sink's zone, less the days. None: it has no time."""
        times = [self._expiry.checkpoint_ms(partition) for partition in self._expiry.partitions]
        now = self._clock.now()
        if not times or None in times:
            return None
        seconds = min(time for time in times if time is not None) / 1000
        moment = datetime.fromtimestamp(min(max(seconds, 0.0), now.timestamp()), UTC)
        return str(moment.astimezone(self._expiry.zone).date() - timedelta(days=self._expiry.days))

    def _await(self, highest: Mapping[str, int]) -> bool:
        """Waits until the checkpoint has passed `highest`, by partition. False if it does not in time."""
        until = self._clock.monotonic() + LONGEST_WAIT
        with self._changed:
            while not self._stopping:
                if all(self._reached(partition) >= commit_ts for partition, commit_ts in highest.items()):
                    return True
                left = until - self._clock.monotonic()
                if left <= 0:
                    return False
                self._clock.wait(self._changed, left)
        return False

    def _reached(self, partition: str) -> int:
        point = self._state.checkpoint_of(partition)
        return -1 if point is None else point.commit_ts


@dataclass(slots=True)
class _Run:
    """What a run has done so far."""

    files: int = 0
    nbytes: int = 0
    result: CleanupResult = CleanupResult.FAILED
