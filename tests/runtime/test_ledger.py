"""The ledger (I1, I5): random histories against a plain model, and the ways a claim can go wrong."""

from __future__ import annotations

import gc

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from afterbay.errors import RunFailed
from afterbay.positions import ResumePoint
from afterbay.runtime.ledger import MAX_PROMISES, Ledger, Token


class LedgerHistory(RuleBasedStateMachine):
    """Any interleaving of mint, split, settle and promise. The model keeps every claim in a list."""

    tokens = Bundle("tokens")

    @initialize()
    def begin(self) -> None:
        self.ledger = Ledger("p")
        self.open: list[int] = []
        self.promises: list[int] = []
        self.highest = -1

    @rule(target=tokens, above=st.integers(1, 5), dispatcher=st.sampled_from("ab"))
    def mint(self, above: int, dispatcher: str) -> Token:
        commit_ts = (self.promises[-1] if self.promises else -1) + above
        self.open.append(commit_ts)
        return self.ledger.mint(commit_ts, dispatcher)

    @rule(target=tokens, token=consumes(tokens), branches=st.integers(1, 3))
    def split(self, token: Token, branches: int):
        self.open.extend([token.commit_ts] * (branches - 1))
        return multiple(*token.split(branches))

    @rule(token=consumes(tokens))
    def settle(self, token: Token) -> None:
        self.open.remove(token.commit_ts)
        token.settle()

    @rule(by=st.integers(0, 4))
    def promise(self, by: int) -> None:
        commit_ts = (self.promises[-1] if self.promises else -1) + by
        if commit_ts >= 0:
            self.promises.append(commit_ts)
            self.ledger.promise(commit_ts, {"n": len(self.promises)})

    @invariant()
    def frontier_is_honest_and_never_falls(self) -> None:
        oldest = min(self.open, default=None)
        safe = [ts for ts in self.promises if oldest is None or ts < oldest]
        expected = max(safe, default=None)
        point = self.ledger.frontier()
        assert (point.commit_ts if point else None) == expected
        assert self.ledger.oldest() == oldest
        assert self.ledger.outstanding() == len(self.open)
        assert (expected if expected is not None else -1) >= self.highest
        self.highest = expected if expected is not None else -1
        if point is not None:
            newest = max(i for i, ts in enumerate(self.promises, 1) if ts == expected)
            assert point.cursor == {"n": newest}


LedgerHistory.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLedgerHistory = LedgerHistory.TestCase


def test_a_second_settle_is_refused() -> None:
    ledger = Ledger("p")
    token = ledger.mint(5, "a")
    token.settle()
    with pytest.raises(RunFailed, match="settled twice"):
        token.settle()


def test_a_split_token_is_used_up() -> None:
    ledger = Ledger("p")
    token = ledger.mint(5, "a")
    one, two = token.split(2)
    with pytest.raises(RunFailed, match="settled twice"):
        token.settle()
    one.settle()
    ledger.promise(9, {})
    assert ledger.frontier() is None, "the other branch is still outstanding"
    two.settle()
    assert ledger.frontier() == ResumePoint(9, {})


def test_a_change_below_the_promise_is_refused() -> None:
    ledger = Ledger("p")
    ledger.promise(10, {})
    with pytest.raises(RunFailed, match="promised that nothing at or below 10"):
        ledger.mint(10, "a")


def test_a_promise_that_falls_is_refused() -> None:
    ledger = Ledger("p")
    ledger.promise(10, {})
    with pytest.raises(RunFailed, match="fell"):
        ledger.promise(9, {})


def test_a_lost_token_freezes_the_checkpoint_and_is_an_error() -> None:
    ledger = Ledger("p")
    ledger.promise(3, {})
    ledger.mint(5, "bank.accounts")  # nobody keeps it
    gc.collect()
    ledger.promise(20, {})
    assert ledger.frontier() == ResumePoint(3, {}), "frozen where it was"
    with pytest.raises(RunFailed, match=r"bank\.accounts at 5 was dropped unsettled"):
        ledger.check()


def test_a_token_lost_while_the_run_is_ending_is_no_news() -> None:
    ledger = Ledger("p")
    ledger.unhealthy()
    ledger.mint(5, "a")
    gc.collect()
    ledger.check()


def test_an_abandoned_claim_holds_the_frontier_for_good() -> None:
    ledger = Ledger("p")
    token = ledger.mint(5, "a")
    token.abandon()
    del token
    ledger.promise(4, {"at": 4})
    ledger.promise(9, {"at": 9})
    ledger.check()
    assert ledger.frontier() == ResumePoint(4, {"at": 4})
    assert not ledger.settled_below(6)


def test_promises_are_bounded_while_nothing_is_stored() -> None:
    ledger = Ledger("p")
    token = ledger.mint(0, "a")
    for ts in range(20 * MAX_PROMISES):
        ledger.promise(ts, {})
    assert len(ledger._promises) <= MAX_PROMISES + 1
    token.settle()
    assert ledger.frontier() == ResumePoint(20 * MAX_PROMISES - 1, {}), "the newest is never forgotten"


def test_a_restart_begins_at_the_checkpoint() -> None:
    ledger = Ledger("p", ResumePoint(7, {"offset": 1}))
    assert ledger.frontier() == ResumePoint(7, {"offset": 1})
    with pytest.raises(RunFailed):
        ledger.mint(7, "a")


def test_the_outstanding_of_one_table() -> None:
    ledger = Ledger("p")
    a, b = ledger.mint(1, "a"), ledger.mint(2, "b")
    assert (ledger.outstanding("a"), ledger.outstanding("b"), ledger.outstanding("c")) == (1, 1, 0)
    a.settle()
    assert ledger.outstanding("a") == 0
    assert ledger.settled_below(2)
    assert not ledger.settled_below(3)
    b.settle()
