"""Crashes a small run at every call that touches a file: `python -m tests.crash [power] [kills] [--rows N] [--seed S]`.

::

    recorder <- calls <- strace of a real run          kills: strace kills a real run at the n-th call of a kind
        |
      disk: what may be left at a moment -> story: lay it out, read it, run on, read it again

`power` loses the power at every moment, in three ways, and again while a death at every twentieth moment is mended;
`kills` kills a real process at every write, fsync, rename, link and unlink. Both by default. Prints what is wrong; the
exit code says whether anything was. The tests beside it try the same on fewer moments.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser

from tests.crash.kills import kill, points, starts
from tests.crash.story import Story, lost_power, record, story
from tests.crash.warm import WarmRuns, memory_folder
from tests.support.nasty_log import small_log

EVERY = 20
WAYS = {"nothing unsynced is left": False, "everything is left": True, "some is left": None}


def power(told: Story, warm: WarmRuns) -> list[str]:
    """Loses the power everywhere."""
    wrong: list[str] = []
    recording = record(told, warm)
    for way, choice in WAYS.items():
        wrong += lost_power(told, recording, choice)
        print(f"power: {way}: {len(recording.moments)} moments, {len(wrong)} wrong so far", flush=True)
    for moment in recording.moments[::EVERY]:
        again = record(told, warm, recording.killed(moment))
        for choice in WAYS.values():
            wrong += lost_power(told, again, choice)
        print(f"power: killed at {moment}, then {len(again.moments)} moments, {len(wrong)} wrong so far", flush=True)
    return wrong


def kills(told: Story, warm: WarmRuns) -> list[str]:
    """Kills everywhere."""
    on = starts(told)
    every = points(told, warm, on)
    wrong: list[str] = []
    died = 0
    for point in every:
        dead, found = kill(told, warm, on, point)
        died += dead
        wrong += found
    print(f"kills: {len(every)} points, {died} deaths, {len(wrong)} wrong", flush=True)
    return wrong


def main() -> int:
    """The command."""
    parser = ArgumentParser(prog="python -m tests.crash", description=__doc__.partition("::")[0])
    parser.add_argument("what", nargs="*", choices=["power", "kills", []], help="default: both")
    parser.add_argument("--rows", type=int, default=24, help="rows of the log that is played")
    parser.add_argument("--seed", type=int, default=3, help="of that log")
    given = parser.parse_args()
    wrong: list[str] = []
    for what, search in {"power": power, "kills": kills}.items():
        if not given.what or what in given.what:
            with memory_folder() as folder, WarmRuns() as warm:
                wrong += search(story(folder, small_log(given.rows, given.seed)), warm)
    print("\n".join(wrong) if wrong else "nothing is wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
