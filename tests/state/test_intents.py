"""Intents: one file a directory, no number twice, nothing stored twice, nothing stored withdrawn (I6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from afterbay.errors import RunFailed
from afterbay.positions import StoredPosition
from afterbay.schema import RowPosition
from afterbay.state.store import Intent
from tests.support.state import SINK, SOURCE, Run, intent, open_state


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    run.state.close()


def test_a_directory_has_one_open_file(run: Run) -> None:
    run.state.begin(intent(5, 1))
    with pytest.raises(RunFailed, match=r"state\.open"):
        run.state.begin(intent(9, 2))
    run.state.begin(intent(9, 1, "d2"))
    run.state.begin(intent(5, 1, sink="mirror"))


def test_a_number_is_not_used_twice(run: Run) -> None:
    run.state.finish(run.state.begin(intent(5, 3)), [])
    for number in (2, 3):
        with pytest.raises(RunFailed, match=r"state\.number"):
            run.state.begin(intent(9, number))
    run.state.begin(intent(9, 4))


def test_stored_changes_are_not_stored_again(run: Run) -> None:
    run.state.finish(run.state.begin(intent(5, 1)), [])
    with pytest.raises(RunFailed, match=r"state\.repeated.*lake.*d1|d1.*state\.repeated"):
        run.state.begin(replace(intent(5, 2), first=RowPosition(5, 3), last=RowPosition(9, 0)))
    run.state.begin(replace(intent(5, 2), first=RowPosition(5, 4), last=RowPosition(5, 9)))  # the rest of the commit


def test_i4_a_position_does_not_fall(run: Run) -> None:
    older = run.state.begin(intent(5, 1))
    newer = run.state.begin(replace(intent(9, 1), directory="bank/d1/2"))
    run.state.finish(newer, [])
    with pytest.raises(RunFailed, match=r"state\.order"):
        run.state.finish(older, [])


def test_an_intent_is_settled_once(run: Run) -> None:
    begun = run.state.begin(intent(5, 1))
    run.state.finish(begun, [])
    again: tuple[Callable[[], None], ...] = (
        lambda: run.state.finish(begun, []),
        lambda: run.state.withdraw(begun),
        lambda: run.state.fence(99),
    )
    for settle in again:
        with pytest.raises(RunFailed, match=r"state\.intent"):
            settle()
    assert run.state.begin(intent(9, 2)) != begun


def test_a_withdrawn_number_is_free_and_a_fenced_one_is_spent(run: Run) -> None:
    run.state.withdraw(run.state.begin(intent(5, 1)))
    assert run.state.directory_number(SINK, "bank/d1/1") is None
    again = run.state.begin(intent(5, 1))
    assert run.state.directory_number(SINK, "bank/d1/1") == 1
    run.state.fence(again)
    assert run.state.directory_number(SINK, "bank/d1/1") == 1
    with pytest.raises(RunFailed, match=r"state\.number"):
        run.state.begin(intent(5, 1))
    run.state.begin(intent(5, 2))


def test_i1_an_intent_that_the_checkpoint_covers_is_not_withdrawn(run: Run) -> None:
    begun = run.state.begin(intent(5, 1))
    run.ledger.promise(4, {})
    run.state.flush()
    above = run.state.begin(intent(6, 1, "d2"))
    run.ledger.promise(5, {})
    run.state.flush()
    for settle in (run.state.withdraw, run.state.fence):
        with pytest.raises(RunFailed, match=r"state\.withdraw"):
            settle(begun)
    run.state.withdraw(above)


def test_a_noted_number_does_not_fall(run: Run) -> None:
    run.state.note_directory(SINK, "bank/d9/1", 7)
    run.state.note_directory(SINK, "bank/d9/1", 3)
    assert run.state.directory_number(SINK, "bank/d9/1") == 7


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (replace(intent(5, 1), dispatcher="\ud800"), r"state\.text"),
        (replace(intent(5, 1), number=1 << 63), r"state\.number"),
        (replace(intent(5, 1), size=-1), r"state\.number"),
        (replace(intent(5, 1), last=RowPosition(1 << 64, 0)), r"state\.commit_ts"),
    ],
)
def test_what_cannot_be_stored_is_refused_to_its_caller_alone(run: Run, wrong: Intent, code: str) -> None:
    with pytest.raises(RunFailed, match=code):
        run.state.begin(wrong)
    run.state.begin(intent(5, 1))
    assert run.failures == []


def test_what_sinks_settle_while_they_open_is_in_restart(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.state.begin(intent(5, 1, "whole"))
    run.state.begin(intent(5, 1, "absent"))
    run.state.close()

    state = open_state(tmp_path)
    whole, absent = state.restart.intents
    assert (whole.intent, absent.intent) == (intent(5, 1, "whole"), intent(5, 1, "absent"))
    state.finish(whole.id, [])
    state.withdraw(absent.id)
    assert state.restart.intents == ()
    assert state.restart.positions == {
        (SINK, SOURCE, "whole"): StoredPosition(RowPosition(5, 3), "bank/whole/1", 1, 100),
    }
    state.close()


def test_a_state_is_fresh_until_a_sink_claims_its_root(tmp_path: Path) -> None:
    state = open_state(tmp_path)
    assert state.restart.fresh
    state.close()
    state = open_state(tmp_path)
    assert state.restart.fresh  # a start that was refused changed nothing
    state.claim(SINK)
    assert not state.restart.fresh
    assert state.restart.claimed == {SINK}
    state.close()
    state = open_state(tmp_path)
    assert not state.restart.fresh
    state.close()


def test_a_claim_may_be_given_back_until_something_is_stored(tmp_path: Path) -> None:
    state = open_state(tmp_path)
    state.claim(SINK, mark="ours")
    assert state.restart.marks == {SINK: "ours"}
    state.disclaim(SINK)
    assert state.restart.fresh
    state.claim(SINK, mark="ours")
    state.close()
    state = open_state(tmp_path)
    assert state.restart.marks == {SINK: "ours"}, "a crash before the mark is there does not forget it"
    state.marked(SINK)
    assert (state.restart.marks, state.restart.claimed) == ({}, {SINK})
    number = state.begin(intent(5, 1))
    state.disclaim(SINK)
    assert state.restart.claimed == {SINK}
    state.withdraw(number)
    state.finish_ddl(SINK, "d1", 5, [])
    state.disclaim(SINK)
    assert state.restart.claimed == {SINK}
    state.close()


def test_an_adopted_root_and_what_it_showed_are_remembered(tmp_path: Path) -> None:
    state = open_state(tmp_path)
    state.claim(SINK, adopted=2**64 - 1)
    state.claim("other")
    state.close()
    state = open_state(tmp_path)
    assert state.restart.adopted == {SINK: 2**64 - 1}
    assert state.restart.claimed == {SINK, "other"}
    state.claim(SINK)
    assert state.restart.adopted == {SINK: 2**64 - 1}
    state.close()


def test_ddls_are_known_until_the_checkpoint_has_passed_them(tmp_path: Path) -> None:
    run = Run(tmp_path)
    token = run.ledger.mint(8, "d1")
    run.state.finish_ddl(SINK, "d1", 5, [])
    run.state.finish_ddl(SINK, "d1", 8, [token])
    run.state.finish_ddl(SINK, "d1", 8, [])
    run.ledger.promise(5, {})
    run.state.close()
    state = open_state(tmp_path)
    assert state.restart.ddls == {(SINK, "d1", 8)}
    state.close()
