"""Defects of locking, planted one at a time: each is found by some seed, and the same seed passes without it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from afterbay.runtime.barrier import Barriers
from afterbay.runtime.channel import Channel
from afterbay.runtime.ledger import Ledger
from afterbay.runtime.sequencer import Sequencer
from afterbay.spool.budget import Budget
from afterbay.spool.segments import Segments
from tests.interleaving import barrier_model, ledger_model, sequencer_model, spool_model
from tests.interleaving.barrier_model import BarrierModel
from tests.interleaving.ledger_model import LedgerModel, Mint, Promise
from tests.interleaving.mutants import mutated
from tests.interleaving.scheduler import scheduled
from tests.interleaving.sequencer_model import SequencerModel
from tests.interleaving.spool_model import SpoolModel

TRIES = 300


def ledger(seed: int, _: Path) -> None:
    random = Random(seed)
    steps: list[Mint | Promise] = []
    for _step in range(8):
        mint = Mint(random.randint(1, 4), random.choice("ab"), random.randint(1, 3))
        steps.append(random.choice([mint, mint, Promise(random.randint(1, 4))]))
    with scheduled(*ledger_model.MODULES) as turns:
        model = LedgerModel(turns)
        try:
            model.round(seed, steps, settles=20, looks=4)
        finally:
            model.ledger.unhealthy()


def barriers(seed: int, _: Path) -> None:
    random = Random(seed)
    loads = {source: [random.randint(0, 2) for _ in range(2)] for source in barrier_model.SOURCES}
    with scheduled(*barrier_model.MODULES) as turns:
        BarrierModel(turns, random.randint(1, 3), loads).run(seed)


def line(seed: int, _: Path) -> None:
    with scheduled(*sequencer_model.MODULES) as turns:
        SequencerModel(turns, workers=3, most=3, count=10, born={2, 3, 7}).run(seed)


def spool(seed: int, folder: Path) -> None:
    random = Random(seed)
    choices, holds = random.choice([([100, 2_000, 3_000, 7_000], 2), ([7_000, 9_000], 9)])
    sizes = [random.choice(choices) for _ in range(14)]
    with scheduled(*spool_model.MODULES) as turns:
        SpoolModel(turns, folder / f"spool-{seed}", sizes, random.randint(0, holds)).run(seed)


Play = Callable[[int, Path], None]
LOCK, NO_LOCK = "with self._lock:", "if True:"
WITH, WITHOUT = "with self._changed:", "if True:"
SENDS = """\
                    self._sending = False
                    return
                done = self._line.popleft().result
                self._changed.notify_all()
            for item in done or ():
                self._send(item)
"""
Mutant = tuple[str, Play, type, str, str, str]
MUTANTS: list[Mutant] = [
    ("settle counts without the lock", ledger, Ledger, "settle", LOCK, NO_LOCK),
    ("split counts without the lock", ledger, Ledger, "split", LOCK, NO_LOCK),
    ("the frontier moves without the lock", ledger, Ledger, "frontier", LOCK, NO_LOCK),
    ("a promise is made without the lock", ledger, Ledger, "promise", LOCK, NO_LOCK),
    (
        *("split gives its claim up before it counts the branches", ledger, Ledger, "split"),
        "        self._count(token.commit_ts, token.dispatcher, branches - 1)\n",
        "        self._count(token.commit_ts, token.dispatcher, -1)\n"
        "    with self._lock:\n"
        "        self._count(token.commit_ts, token.dispatcher, branches)\n",
    ),
    (
        *("mint counts when the lock is released", ledger, Ledger, "mint"),
        "        self._count(commit_ts, dispatcher, 1)\n",
        "    self._count(commit_ts, dispatcher, 1)\n",
    ),
    ("an arrival wakes nobody", barriers, Barriers, "arrive", "self._changed.notify_all()", "pass"),
    (
        "the gate opens one arrival early",
        barriers,
        Barriers,
        "wait",
        "barrier.waits_for and",
        "len(barrier.waits_for) > 1 and",
    ),
    (
        "the gate opens without asking for arrivals",
        barriers,
        Barriers,
        "wait",
        "barrier.waits_for and not",
        "False and not",
    ),
    ("a ticket given back wakes nobody", barriers, Barriers, "ticket", "self._changed.notify_all()", "pass"),
    (
        *("a ticket is looked at and taken under two locks", barriers, Barriers, "ticket"),
        "        self._ticket_taken = True\n",
        "    with self._changed:\n        self._ticket_taken = True\n",
    ),
    ("a waiting ticket looks once", barriers, Barriers, "ticket", "while self._ticket_taken", "if self._ticket_taken"),
    ("a reader that waits is not told of", barriers, Channel, "get_many", "self._readers += 1", "pass"),
    ("a writer that waits is not told of", barriers, Channel, "put", "self._writers += 1", "pass"),
    ("the last producer's end wakes nobody", barriers, Channel, "close", "self.condition.notify_all()", "pass"),
    ("places are taken without the lock", line, Sequencer, "places", WITH, WITHOUT),
    ("a sent place makes no room known", line, Sequencer, "_send_finished", "self._changed.notify_all()", "pass"),
    (
        *("the sender stops being it after its last look", line, Sequencer, "_send_finished"),
        SENDS,
        SENDS.replace(f"self._sending = False\n{' ' * 20}return", "break")
        + f"{' ' * 8}with self._changed:\n{' ' * 12}self._sending = False\n",
    ),
    ("two may send at a time", line, Sequencer, "_send_finished", "if self._sending:", "if False:"),
    ("room that is given back wakes nobody", spool, Budget, "_give_back", "self._changed.notify_all()", "pass"),
    ("room is given back without the lock", spool, Budget, "_give_back", WITH, WITHOUT),
    ("withheld credits are forgotten", spool, Budget, "_give_back", "credit.give_back()", "pass"),
    (
        *("a segment is left without a live entry, and stays", spool, Segments, "_drop_if_dead"),
        "if segment.live:",
        "if segment.live or self._active is segment:",
    ),
    ("an entry is released without the lock", spool, Segments, "release", LOCK, NO_LOCK),
    ("a place in a segment is taken without the lock", spool, Segments, "_reserve", LOCK, NO_LOCK),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant[0] for mutant in MUTANTS])
def test_a_planted_defect_is_found(mutant: Mutant, tmp_path: Path) -> None:
    _, play, owner, method, old, new = mutant
    with mutated(owner, method, old, new):
        found = next((seed for seed in range(TRIES) if _fails(play, seed, tmp_path)), None)
    assert found is not None, f"none of {TRIES} interleavings showed it"
    play(found, tmp_path / "sound")


def _fails(play: Play, seed: int, folder: Path) -> bool:
    try:
        play(seed, folder)
    except Exception:  # of any kind: a defect shows as what it breaks
        return True
    return False
