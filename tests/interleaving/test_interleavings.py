"""Ledger, barriers, the encoding group's line and the spool under any interleaving of their threads' lines.

The scheduler's seed is hypothesis's, so that what is found is found again, by fewer steps. `test_mutants` shows that
planted defects are found.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.interleaving import barrier_model, ledger_model, sequencer_model, spool_model
from tests.interleaving.barrier_model import SOURCES, BarrierModel
from tests.interleaving.ledger_model import LedgerModel, Mint, Promise
from tests.interleaving.scheduler import scheduled
from tests.interleaving.sequencer_model import SequencerModel
from tests.interleaving.spool_model import SpoolModel

SEEDS = st.integers(0, (1 << 32) - 1)
STEPS = st.one_of(
    st.builds(Mint, st.integers(1, 4), st.sampled_from("ab"), st.integers(1, 3)), st.builds(Promise, st.integers(1, 4))
)


class LedgerRounds(RuleBasedStateMachine):
    """Rounds of four threads on one ledger; between them it must say exactly what the model does."""

    @initialize()
    def begin(self) -> None:
        self.closing = contextlib.ExitStack()
        self.model = LedgerModel(self.closing.enter_context(scheduled(*ledger_model.MODULES)))

    @rule(seed=SEEDS, steps=st.lists(STEPS, max_size=8), settles=st.integers(0, 12), looks=st.integers(0, 4))
    def round(self, seed: int, steps: list[Mint | Promise], settles: int, looks: int) -> None:
        self.model.round(seed, steps, settles, looks)

    def teardown(self) -> None:
        if hasattr(self, "model"):
            for token, _ in self.model.handed:
                token.abandon()
            self.closing.close()


LedgerRounds.TestCase.settings = settings(max_examples=60, stateful_step_count=6, deadline=None)
TestLedgerRounds = LedgerRounds.TestCase


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 3), st.lists(st.integers(0, 2), max_size=3), st.lists(st.integers(0, 2), max_size=3))
def test_barriers_open_when_all_is_stored_and_never_before(seed: int, shards: int, p: list[int], q: list[int]) -> None:
    with scheduled(*barrier_model.MODULES) as turns:
        BarrierModel(turns, shards, dict(zip(SOURCES, (p, q), strict=True))).run(seed)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(2, 4), st.integers(1, 5), st.integers(0, 12), st.sets(st.integers(0, 11)))
def test_a_line_keeps_its_order_and_moves(seed: int, workers: int, most: int, count: int, born: set[int]) -> None:
    with scheduled(*sequencer_model.MODULES) as turns:
        SequencerModel(turns, workers, most, count, born).run(seed)


SIZES = st.lists(st.one_of(st.integers(0, 600), st.integers(600, 9_000), st.just(60_000)), max_size=12)


@settings(max_examples=40, deadline=None)
@given(SEEDS, SIZES, st.integers(0, 6))
def test_a_spool_keeps_bytes_and_bounds_and_moves(seed: int, sizes: list[int], holds: int) -> None:
    with TemporaryDirectory() as folder, scheduled(*spool_model.MODULES) as turns:
        SpoolModel(turns, Path(folder) / "spool", sizes, holds).run(seed)
