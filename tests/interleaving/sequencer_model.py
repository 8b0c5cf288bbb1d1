"""The encoding group's line under threads: many workers, a short line, one order (I4, I9)."""

from __future__ import annotations

from afterbay.runtime import sequencer
from afterbay.runtime.sequencer import Sequencer
from tests.interleaving.scheduler import ScheduledLock, Turns

MODULES = (sequencer,)


class SequencerModel:
    """`count` pieces of work for `workers`; those in `born` are finished when they get their place, as markers are."""

    def __init__(self, turns: Turns, workers: int, most: int, count: int, born: set[int]) -> None:
        self.turns, self.workers, self.count, self.born = turns, workers, count, born
        self.sent: list[int] = []
        self.sending = 0
        self.line: Sequencer[int] = Sequencer(self._send, most, turns)
        self.taking = ScheduledLock(turns)
        self.taken = 0

    def run(self, seed: int) -> None:
        """One interleaving to the end."""

        def main() -> None:
            for number in range(self.workers):
                self.turns.spawn(f"worker {number}", self._worker)

        self.turns.run(seed, main)
        assert self.sent == list(range(self.count)), f"sent {self.sent}"

    def _worker(self) -> None:
        while True:
            with self.taking:
                number = self.taken
                if number >= self.count:
                    return
                self.taken += 1
                [place] = self.line.places([[number] if number in self.born else None])
            if number not in self.born:
                self.turns.hand_over()  # the work
                self.line.finish(place, [number])

    def _send(self, number: int) -> None:
        self.sending += 1
        assert self.sending == 1, "two threads send at a time"
        self.turns.hand_over()
        self.sent.append(number)
        self.sending -= 1
