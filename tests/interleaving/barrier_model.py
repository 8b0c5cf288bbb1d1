"""Graph-wide barriers under threads: two sources, channels to shards that store side by side (I1, I3, I9)."""

from __future__ import annotations

from afterbay.messages import DrainMarker, DrainReason
from afterbay.runtime import barrier, channel, ledger
from afterbay.runtime.barrier import Barriers
from afterbay.runtime.channel import Bound, Channel, ChannelClosed
from afterbay.runtime.envelope import Envelope
from afterbay.runtime.ledger import Ledger, Token
from tests.interleaving.scheduler import Turns
from tests.support.flow import batch

MODULES = (barrier, channel, ledger)
SOURCES = ("p", "q")


class BarrierModel:
    """One run: each source sends `loads` rows to each shard, a barrier behind each load, and waits for it."""

    def __init__(self, turns: Turns, shards: int, loads: dict[str, list[int]]) -> None:
        self.turns = turns
        self.loads = loads
        self.channels = [Channel(f"shard {n}", Bound(2, None), turns, producers=len(SOURCES)) for n in range(shards)]
        self.gate = Barriers(lambda _: [("lake", n) for n in range(shards)], turns)
        self.ledgers = {source: Ledger(source) for source in SOURCES}
        self.open: dict[str, list[int]] = {source: [] for source in SOURCES}
        self.inside = 0
        self.opened = 0
        self.leaves = dict.fromkeys(SOURCES, False)

    def run(self, seed: int) -> None:
        """One interleaving to the end."""

        def main() -> None:
            for source in SOURCES:
                self.turns.spawn(f"source {source}", lambda source=source: self._source(source))  # type: ignore[misc]
            for number in range(len(self.channels)):
                self.turns.spawn(f"shard {number}", lambda number=number: self._shard(number))  # type: ignore[misc]

        self.turns.run(seed, main)
        assert self.opened == sum(map(len, self.loads.values()))
        assert self.gate.status() == ()

    def _source(self, source: str) -> None:
        commit_ts = 0
        for rows in self.loads[source]:
            for _ in range(rows):
                for to in self.channels:
                    commit_ts += 1
                    token = self.ledgers[source].mint(commit_ts, "t")
                    self.open[source].append(commit_ts)
                    to.put(_row(source, commit_ts, token))
            commit_ts += 1
            with self.gate.ticket():
                self.inside += 1
                assert self.inside == 1, "two graph-wide barriers at a time"
                marker = self.gate.open(source, commit_ts, DrainReason.SCHEMA)
                for to in self.channels:
                    to.put(Envelope(source, commit_ts, marker))
                self.gate.wait(marker, self.ledgers[source])
                assert not self.open[source], f"the gate at {commit_ts} is open before {self.open[source]} (I3)"
                self.opened += 1
                self.inside -= 1
        for to in self.channels:
            to.close()

    def _shard(self, number: int) -> None:
        while True:
            try:
                got = self.channels[number].get_many()
            except ChannelClosed:
                return
            for envelope in got:
                if isinstance(envelope.message, DrainMarker):
                    self.gate.arrive(envelope.message, "lake", number)
                else:
                    assert envelope.token is not None
                    self.turns.hand_over()  # the store takes its time
                    self.open[envelope.token.partition].remove(envelope.token.commit_ts)
                    envelope.token.settle()


def _row(source: str, commit_ts: int, token: Token) -> Envelope:
    return Envelope(source, commit_ts, batch(source, "t", [(commit_ts, 0)]), token)
