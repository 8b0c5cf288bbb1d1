"""Every fuzz target for a moment, from the same examples each time. Longer: `python -m tests.fuzz --minutes 10`."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.__main__ import rounds
from tests.fuzz.targets import TARGETS

EXAMPLES = 200


@pytest.mark.parametrize("name", TARGETS)
def test_what_strangers_give_is_refused_or_read_right(name: str) -> None:
    target = TARGETS[name]
    outcomes: set[str] = set()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.examples)
    def one(example: object) -> None:
        outcomes.add(target.run(example))

    one()
    assert "right" in outcomes, "nothing came through: the target tests its own bad examples"
    assert len(outcomes) > 1, "nothing was refused"


def test_a_finding_ends_a_longer_run_with_its_seed(capsys: pytest.CaptureFixture[str]) -> None:
    from hypothesis import strategies as st

    from tests.fuzz.target import Target

    def check(number: int) -> str:
        assert number < 50
        return "right"

    assert rounds("numbers", Target(st.integers(0, 100), check), minutes=1, seed=7) == 1
    out = capsys.readouterr().out
    assert "seed 7" in out
    assert "number < 50" in out or "AssertionError" in out
