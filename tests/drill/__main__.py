"""`python -m tests.drill [--minutes 10] [--series FILE] [--graph FILE]`: an outage of a real store under load.

Prints what was seen; the series of the measurements and its graph go into files. `--from FILE` draws a kept series.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.drill.graph import graph_of
from tests.drill.outage import Drill, Plan, drill
from tests.drill.summary import summary

GIB = 1 << 30


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drill", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the store is away")
    parser.add_argument("--rows", type=int, default=2000, help="a second; each of about 1 100 bytes")
    parser.add_argument("--quota", type=int, default=GIB, help="of the spool, bytes")
    parser.add_argument("--after", type=float, default=4.0, help="minutes from its return to the end of the load")
    parser.add_argument("--work", type=Path, help="a folder that is not there; default: a temporary one")
    parser.add_argument("--series", type=Path, help="where the measurements go, as JSON")
    parser.add_argument("--graph", type=Path, help="where the graph goes, as SVG")
    parser.add_argument("--from", dest="kept", type=Path, help="draw this series instead of measuring one")
    given = parser.parse_args()
    if given.kept is not None:
        found = Drill.from_json(given.kept.read_text())
    else:
        plan = Plan(60.0, 60 * given.minutes, 60 * given.after, given.rows, given.quota)
        with tempfile.TemporaryDirectory(prefix="afterbay-drill-") as folder:
            found = drill(given.work or Path(folder) / "drill", plan)
    if given.series is not None:
        given.series.write_text(found.to_json() + "\n")
    if given.graph is not None:
        given.graph.write_text(graph_of(found))
    print(summary(found))
    return 0 if found.verdict == "equal" else 1


if __name__ == "__main__":
    sys.exit(main())
