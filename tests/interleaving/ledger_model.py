"""The ledger under threads: a source that mints and promises, two that split and settle, one that looks (I1, I5)."""

from __future__ import annotations

from dataclasses import dataclass

from afterbay.runtime import ledger as under_test
from afterbay.runtime.ledger import Ledger, Token
from tests.interleaving.scheduler import Turns

MODULES = (under_test,)


@dataclass(frozen=True)
class Mint:
    """A batch `above` the promise, for so many branches."""

    above: int
    dispatcher: str
    branches: int


@dataclass(frozen=True)
class Promise:
    by: int


class LedgerModel:
    """A ledger, and every claim that is surely outstanding. Rounds follow each other on the same ledger."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.ledger = Ledger("p")
        self.handed: list[tuple[Token, int]] = []  # to be settled in so many branches
        self.open: list[int] = []
        self.promises: list[int] = []
        self.seen = -1

    def round(self, seed: int, source: list[Mint | Promise], settles: int, looks: int) -> None:
        """One interleaving of all of them."""
        self.minting = True
        self.quota = settles

        def main() -> None:
            self.turns.spawn("source", lambda: self._source(source))
            for number in range(2):
                self.turns.spawn(f"settler {number}", self._settler)
            self.turns.spawn("looker", lambda: [self._look() for _ in range(looks)] and None)

        self.turns.run(seed, main)
        self.settled()

    def settled(self) -> None:
        """What must hold when nobody is at it: the ledger says exactly what the model does."""
        oldest = min(self.open, default=None)
        expected = max((ts for ts in self.promises if oldest is None or ts < oldest), default=None)
        point = self.ledger.frontier()
        assert (None if point is None else point.commit_ts) == expected
        assert self.ledger.oldest() == oldest
        assert self.ledger.outstanding() == len(self.open)
        self.ledger.check()

    def _source(self, steps: list[Mint | Promise]) -> None:
        for step in steps:
            reached = self.promises[-1] if self.promises else -1
            if isinstance(step, Promise):
                self.promises.append(reached + step.by)
                self.ledger.promise(reached + step.by, {})
                continue
            token = self.ledger.mint(reached + step.above, step.dispatcher)
            self.open.append(token.commit_ts)
            self.handed.append((token, step.branches))
        self.minting = False

    def _settler(self) -> None:
        while True:
            self.turns.until("a claim", lambda: bool(self.handed) or not self.minting)
            if not self.handed or not self.quota:
                return
            self.quota -= 1
            token, branches = self.handed.pop(0)
            if branches > 1:
                parts = token.split(branches)
                self.open += [token.commit_ts] * (branches - 1)
                self.handed += [(part, 1) for part in parts]
            else:
                self.open.remove(token.commit_ts)
                token.settle()

    def _look(self) -> None:
        point = self.ledger.frontier()
        if point is None:
            return
        assert all(ts > point.commit_ts for ts in self.open), f"{point} is ahead of a claim of {min(self.open)} (I1)"
        assert point.commit_ts >= self.seen, "the frontier fell"
        self.seen = point.commit_ts
