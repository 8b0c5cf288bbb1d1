"""The chaos run: random pipelines under random faults, killed and restarted, and held against I1 to I8.

    python -m tests.chaos --seed 7 --minutes 5

A *scenario* is one pipeline with its roots and state; its *lives* are processes that run it, one after the other, each
with faults of its own, until they end or are killed. After each life an independent checker looks at what a consumer
and an operator would see; the last life is left alone, and after it everything must be there, once.

upstream, wanted   what the sources have, and what of it must be stored
scenario           a random pipeline
faults             random faults of one life
life               one process, from start to death
checker            the invariants, read from the outside
stores             folders, the S3 server, and the network in front of it
play               the lives of one scenario
tally              what happened, counted

A seed gives the same pipelines, logs, faults and signals. Not given by it: how threads interleave, and so which call is
the n-th of a point, which request the network spoils, and where the process is when a signal comes by time.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.chaos.play import Play
from tests.chaos.scenario import draw
from tests.chaos.stores import Servers
from tests.chaos.tally import Tally

SOURCES = ("change_log", "demo")
STORES = ("file", "s3")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, or 1 if an invariant did not hold: what there is to look at is then kept."""
    asked = _parser().parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir=asked.folder))
    tally, began = Tally(asked.seed), time.monotonic()

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    say(f"seed {asked.seed}")
    with Servers() as servers:
        number = asked.scenario or 1
        while True:
            random = Random(f"{asked.seed}/{number}")
            scenario = draw(random, sources=asked.sources, stores=asked.stores)
            say(f"scenario {number}: {scenario}")
            place = folder / f"scenario-{number}"
            held = Play(random, scenario, place, servers, tally, say).run(random.randint(*asked.lives))
            tally.scenarios += 1
            tally.seconds = time.monotonic() - began
            if held:
                shutil.rmtree(place)
            else:
                say(f"  kept in {place}; again: python -m tests.chaos --seed {asked.seed} --scenario {number}")
                if not asked.go_on:
                    break
            number += 1
            enough = asked.scenarios or (1 if asked.scenario else 0)
            if tally.scenarios >= enough if enough else tally.seconds >= asked.minutes * 60:
                break
    if not tally.violations:
        folder.rmdir()
    print(tally.json() if asked.json else tally.markdown() if asked.markdown else tally.text())
    return 1 if tally.violations else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Runs random pipelines under faults.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=5.0, help="no scenario begins after that")
    parser.add_argument("--scenarios", type=int, default=0, help="that many instead of minutes")
    parser.add_argument("--scenario", type=int, default=0, help="only this one, as a line of an earlier run names it")
    parser.add_argument("--lives", type=int, nargs=2, default=(3, 8), metavar=("FROM", "TO"), help="of a scenario")
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=SOURCES)
    parser.add_argument("--stores", nargs="+", choices=STORES, default=STORES)
    parser.add_argument("--folder", default=None, help="where to work; default: the system's folder for such")
    parser.add_argument("--go-on", action="store_true", help="go on after a violation")
    parser.add_argument("--json", action="store_true", help="the summary as JSON on stdout")
    parser.add_argument("--markdown", action="store_true", help="the summary as the table of docs/reliability.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
