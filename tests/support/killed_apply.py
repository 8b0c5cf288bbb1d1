"""Runs `afterbay apply …` in a process that kills itself at one statement to its target::

    python killed_apply.py 17:before sqlite:///copy.db …

The statement is the n-th that the target is told (queries not counted); `before` or `after` it the process dies by
SIGKILL. `0` only counts: the number of statements goes to stderr. Nothing else of the process is changed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

CLASSES = {"sqlite": "SqliteTarget", "duckdb": "DuckdbTarget", "postgres": "PostgresTarget"}


def main(step: str, kind: str, arguments: list[str]) -> int:
    """Prepares the step and runs the command."""
    number, _, how = step.partition(":")
    target = getattr(import_module(f"afterbay_nodes.apply.targets.{kind}"), CLASSES[kind])
    told = target.run
    count = 0

    def run(self: object, sql: str, values: Sequence[object] = ()) -> int:
        nonlocal count
        count += 1
        if count == int(number) and how == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        touched: int = told(self, sql, values)
        if count == int(number) and how == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return touched

    target.run = run
    from afterbay.cli import main as afterbay

    sys.argv = ["afterbay", *arguments]
    code = afterbay()
    sys.stderr.write(f"{count}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
