"""The one retry ladder of all stores: exponential pauses with jitter, until a deadline or a cancel.

A store says of each of its errors whether it may pass (`Verdict`); the ladder waits, counts and gives up. Time
and randomness come in from outside, so that tests climb it without waiting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from afterbay.clock import Clock
from afterbay.errors import AfterbayError, Cancelled, RunFailed
from afterbay_nodes.storage.outage import Failing, Outages

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an error means: may it pass, what happened (without secrets), and what a person can do."""

    transient: bool
    reason: str
    hint: str | None = None


Judge = Callable[[Exception], Verdict]


class RetryMeter(Protocol):
    """Counts retries; a node's meter is one."""

    def retried(self, operation: str) -> None: ...


class Cancel:
    """Ends waits: a store that is out of reach must not delay a shutdown. Owns its condition."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._set = False

    def set(self) -> None:
        """From now on every wait and every new try raises `Cancelled`."""
        with self._changed:
            self._set = True
            self._changed.notify_all()

    def check(self) -> None:
        """Raises `Cancelled` once set."""
        with self._changed:
            if self._set:
                raise Cancelled

    def wait(self, seconds: float) -> None:
        """Waits `seconds`; raises `Cancelled` as soon as it is set."""
        until = self._clock.monotonic() + seconds
        with self._changed:
            while not self._set:
                left = until - self._clock.monotonic()
                if left <= 0:
                    return
                self._clock.wait(self._changed, left)
            raise Cancelled


@dataclass(frozen=True, slots=True)
class Ladder:
    """The pauses between tries, seconds. Each is shortened by up to half at random, so that clients spread out."""

    first: float = 0.1
    factor: float = 2.0
    longest: float = 20.0
    deadline: float = 900.0


class Retry:
    """Runs store operations until they succeed, fail for good, or the ladder's deadline is over."""

    def __init__(
        self,
        where: str,
        ladder: Ladder,
        *,
        clock: Clock,
        meter: RetryMeter,
        cancel: Cancel,
        random: Callable[[], float],
        outages: Outages | None = None,
    ) -> None:
        """`outages`: who is told of what fails for longer; default: the log alone."""
        self.clock = clock
        self.cancel = cancel
        self._where = where
        self._ladder = ladder
        self._meter = meter
        self._random = random
        self._outages = outages or Outages(where, clock)

    def within(self, seconds: float) -> Retry:
        """The same with another deadline over all tries."""
        return Retry(
            self._where,
            replace(self._ladder, deadline=seconds),
            clock=self.clock,
            meter=self._meter,
            cancel=self.cancel,
            random=self._random,
            outages=self._outages,
        )

    def run(self, operation: str, key: str, attempt: Callable[[], T], judge: Judge) -> T:
        """What `attempt` returns. `AfterbayError`s are final; of other errors `judge` tells.

        Raises RunFailed `store.refused` (permanent) or `store.gave_up` (deadline), naming operation and key.
        """
        failing = Failing(operation, key, self.clock.monotonic())
        try:
            return self._climb(failing, attempt, judge)
        finally:
            if failing.tries:
                self._outages.over(failing)

    def _climb(self, failing: Failing, attempt: Callable[[], T], judge: Judge) -> T:
        pause = self._ladder.first
        operation, key = failing.operation, failing.key
        while True:
            self.cancel.check()
            try:
                result = attempt()
            except AfterbayError:
                failing.answered = True
                raise
            except Exception as error:
                verdict = judge(error)
                rest = pause * (1 - self._random() / 2)
                spent = self.clock.monotonic() - failing.since
                if not verdict.transient:
                    raise RunFailed(
                        "store.refused",
                        f"{operation} of '{key}' in {self._where} failed: {verdict.reason}",
                        hint=verdict.hint,
                    ) from error
                if spent + rest > self._ladder.deadline:
                    raise RunFailed(
                        "store.gave_up",
                        f"{operation} of '{key}' in {self._where} failed {failing.tries + 1} times in {spent:.0f} s: "
                        f"{verdict.reason}",
                        hint=verdict.hint or "the checkpoint stands; run again when the store is back",
                    ) from error
            else:
                failing.answered = True
                return result
            self._meter.retried(operation)
            self._outages.failed(failing, verdict.reason, self._ladder.deadline, rest)
            self.cancel.wait(rest)
            pause = min(pause * self._ladder.factor, self._ladder.longest)
