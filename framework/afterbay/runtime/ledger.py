"""The ledger: counts outstanding tokens; its frontier is the only thing that a checkpoint may say (I1, I5).

One ledger per source partition. Its clock is commit-ts::

    mint(t) ------> [ outstanding at t ] --- settle ---> gone
                          |        ^
                          +-split--+          promise(p): nothing at or below p will be minted again

    frontier = min(promise, oldest outstanding - 1), monotone

Proof that everything at or below the frontier f is settled. (1) Every change at t travels under a token minted at
some t' <= t, the first row of its batch. (2) A token is outstanding from mint until settle, and `split` counts up
before anything is forwarded, so no change <= f is ever without an outstanding token until it is durable. (3) Nothing
is minted at or below the promise, and f <= promise: no change <= f is still to come. (4) No outstanding token is at or
below f, by its definition as a minimum. (5) So every change <= f was minted and settled. Monotone: the promise only
rises, new tokens are above it, hence above every earlier f.

A token that is collected unsettled while the run is healthy freezes the ledger: from then on the frontier stands
still and `check` raises. (Collection only appends to a deque: it may happen inside any lock.)
"""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from afterbay.errors import RunFailed
from afterbay.positions import ResumePoint
from afterbay.schema import Json

MAX_PROMISES = 4096


@dataclass(frozen=True, slots=True)
class _Lost:
    dispatcher: str
    commit_ts: int


class Token:
    """The claim "this batch is not durable yet". Settled exactly once; a second settle raises RunFailed."""

    __slots__ = ("_ledger", "_open", "commit_ts", "dispatcher")

    def __init__(self, ledger: Ledger, commit_ts: int, dispatcher: str) -> None:
        self._ledger = ledger
        self.commit_ts = commit_ts
        self.dispatcher = dispatcher
        self._open = True

    @property
    def partition(self) -> str:
        """The source partition whose ledger holds it."""
        return self._ledger.partition

    def split(self, branches: int) -> tuple[Token, ...]:
        """This claim as `branches` claims, all counted before any is handed out. The original is used up."""
        return self._ledger.split(self, branches)

    def settle(self) -> None:
        """The claim is met: durable, or dropped with a reason that the caller counts."""
        self._ledger.settle(self)

    def abandon(self) -> None:
        """Gives the claim up unmet: it stays counted, so that no frontier of this run can pass it (close, I1)."""
        self._ledger.abandon(self)

    def __repr__(self) -> str:
        return f"Token({self.partition}, {self.dispatcher}, {self.commit_ts}, {'open' if self._open else 'settled'})"

    def __del__(self) -> None:
        if self._open:
            self._ledger.lost.append(_Lost(self.dispatcher, self.commit_ts))


class Ledger:
    """Counts of one source partition. Owns one lock; every call is O(log n) at worst, O(1) amortised on settle."""

    def __init__(self, partition: str, start: ResumePoint | None = None) -> None:
        self.partition = partition
        self.lost: deque[_Lost] = deque()
        self._lock = threading.Lock()
        self._counts: dict[int, int] = {}  # outstanding tokens per commit-ts
        self._heap: list[int] = []  # commit-ts ever counted; stale heads are dropped lazily
        self._dispatchers: dict[str, int] = {}  # outstanding tokens per dispatcher
        self._promises: deque[ResumePoint] = deque()  # rising; those at or below the frontier collapse into one
        self._promise = start.commit_ts if start is not None else -1
        self._reached: ResumePoint | None = start
        self._frozen: str | None = None
        self._healthy = True

    def mint(self, commit_ts: int, dispatcher: str) -> Token:
        """A new claim at `commit_ts`. At or below the promise it is refused: that would make a checkpoint a lie."""
        with self._lock:
            if commit_ts <= self._promise:
                raise RunFailed(
                    "ledger.mint",
                    f"a change at {commit_ts} came after the source promised that nothing at or below "
                    f"{self._promise} would come (partition '{self.partition}', dispatcher {dispatcher}); I1",
                )
            self._count(commit_ts, dispatcher, 1)
        return Token(self, commit_ts, dispatcher)

    def split(self, token: Token, branches: int) -> tuple[Token, ...]:
        """See `Token.split`."""
        if branches < 1:
            raise ValueError("a token is split into at least one branch")
        with self._lock:
            self._close(token)
            self._count(token.commit_ts, token.dispatcher, branches - 1)
        return tuple(Token(self, token.commit_ts, token.dispatcher) for _ in range(branches))

    def settle(self, token: Token) -> None:
        """See `Token.settle`."""
        with self._lock:
            self._close(token)
            self._count(token.commit_ts, token.dispatcher, -1)

    def abandon(self, token: Token) -> None:
        """See `Token.abandon`."""
        with self._lock:
            self._close(token)

    def promise(self, commit_ts: int, cursor: Mapping[str, Json]) -> None:
        """Nothing at or below `commit_ts` will be minted again; `cursor` resumes right above it. Must not fall."""
        with self._lock:
            if commit_ts < self._promise:
                raise RunFailed("ledger.promise", f"the promise fell from {self._promise} to {commit_ts}; I1")
            self._promise = commit_ts
            point = ResumePoint(commit_ts, cursor)
            if self._promises and self._promises[-1].commit_ts == commit_ts:
                self._promises[-1] = point
            else:
                self._promises.append(point)
            self._advance()
            if len(self._promises) > MAX_PROMISES:
                # Bounded (I8): forgetting a resume point only makes the checkpoint coarser, never wrong.
                newest = self._promises[-1]
                self._promises = deque(list(self._promises)[1::2])
                if self._promises[-1] is not newest:
                    self._promises.append(newest)

    def frontier(self) -> ResumePoint | None:
        """The newest resume point at or below the frontier, or None before the first. Never falls."""
        with self._lock:
            return self._advance()

    def oldest(self) -> int | None:
        """The lowest outstanding commit-ts, or None."""
        with self._lock:
            return self._oldest()

    def outstanding(self, dispatcher: str | None = None) -> int:
        """Outstanding tokens, of one dispatcher or of all."""
        with self._lock:
            if dispatcher is None:
                return sum(self._dispatchers.values())
            return self._dispatchers.get(dispatcher, 0)

    def settled_below(self, commit_ts: int) -> bool:
        """True if nothing below `commit_ts` is outstanding: what a graph-wide gate needs as proof."""
        with self._lock:
            oldest = self._oldest()
            return oldest is None or oldest >= commit_ts

    def unhealthy(self) -> None:
        """The run failed or was cancelled: tokens that are collected from now on are no news."""
        self._healthy = False

    def check(self) -> None:
        """Raises RunFailed if a token was lost (I5)."""
        with self._lock:
            self._look_for_lost()
            if self._frozen is not None:
                raise RunFailed("ledger.lost", self._frozen, hint="this is a defect of a node: it dropped a message")

    def _look_for_lost(self) -> None:
        while self.lost and self._healthy:
            gone = self.lost.popleft()
            self._frozen = (
                f"a batch of dispatcher {gone.dispatcher} at {gone.commit_ts} was dropped unsettled; the checkpoint of "
                f"partition '{self.partition}' is frozen (I5)"
            )

    def _close(self, token: Token) -> None:
        if not token._open:
            raise RunFailed("ledger.twice", f"{token!r} was settled twice (I5)")
        token._open = False

    def _count(self, commit_ts: int, dispatcher: str, by: int) -> None:
        if by == 0:
            return
        before = self._counts.get(commit_ts, 0)
        after = before + by
        if before == 0:
            heapq.heappush(self._heap, commit_ts)
        if after == 0:
            del self._counts[commit_ts]
        else:
            self._counts[commit_ts] = after
        of_table = self._dispatchers.get(dispatcher, 0) + by
        if of_table:
            self._dispatchers[dispatcher] = of_table
        else:
            del self._dispatchers[dispatcher]

    def _oldest(self) -> int | None:
        while self._heap and self._heap[0] not in self._counts:
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else None

    def _advance(self) -> ResumePoint | None:
        self._look_for_lost()
        if self._frozen is None:
            oldest = self._oldest()
            while self._promises and (oldest is None or self._promises[0].commit_ts < oldest):
                self._reached = self._promises.popleft()
        return self._reached
