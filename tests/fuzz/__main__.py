"""Fuzzes for as long as is wanted: `python -m tests.fuzz --target store --minutes 30 [--seed N]`.

Each round has its own seed, which is printed; the first finding ends the run, shrunk, with exit code 1. The same seed
gives the same examples again.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections import Counter

from hypothesis import HealthCheck, given, seed, settings

from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

ROUND = 500
"""Examples with one seed."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "--target", choices=sorted(TARGETS), help="one target; all of them, one after the other, if not given"
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="of each target")
    parser.add_argument("--seed", type=int, help="of the first round; the next ones count up from it")
    given_ = parser.parse_args()
    first = random.SystemRandom().randrange(1 << 32) if given_.seed is None else given_.seed
    names = [given_.target] if given_.target else sorted(TARGETS)
    return max(rounds(name, TARGETS[name], minutes=given_.minutes, seed=first) for name in names)


def rounds(name: str, target: Target, *, minutes: float, seed: int) -> int:
    """Rounds until the time is over. 1 at the first finding, else 0."""
    until, outcomes, number = time.monotonic() + 60 * minutes, Counter[str](), 0
    while number == 0 or time.monotonic() < until:
        print(f"{name}: seed {seed + number}", flush=True)
        try:
            _round(target, seed + number, outcomes, until)
        except BaseException:  # whatever a reader lets through is the finding
            traceback.print_exc(file=sys.stdout)
            print(f"{name}: FOUND with seed {seed + number}, after {outcomes.total()} examples", flush=True)
            return 1
        number += 1
    print(f"{name}: {outcomes.total()} examples, nothing found; {dict(outcomes.most_common(12))}", flush=True)
    return 0


def _round(target: Target, number: int, outcomes: Counter[str], until: float) -> None:
    @seed(number)
    @settings(
        max_examples=ROUND, database=None, deadline=None, print_blob=False, suppress_health_check=list(HealthCheck)
    )
    @given(target.examples)
    def one(example: object) -> None:
        if time.monotonic() < until:
            outcomes[target.run(example)] += 1

    one()


if __name__ == "__main__":
    sys.exit(main())
