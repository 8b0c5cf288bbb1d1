"""Runs the `afterbay` command in a process that kills itself with SIGKILL at a chosen step::

    python dies_at.py link:7:before run pipeline.yaml

The step is the n-th call of a system function (`link`, `rename`, `fsync`, `fdatasync`, `unlink`), counted over all
threads, or the n-th COMMIT of the checkpoint database; `before` or `after` it. Nothing else of the process is changed.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from typing import Any

Step = Callable[[Callable[..., Any]], Callable[..., Any]]


def dies(number: int, when: str) -> Step:
    """A wrapper that makes the `number`-th call of what it wraps the process's last."""
    lock = threading.Lock()
    count = 0

    def wrap(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            nonlocal count
            with lock:
                count += 1
                last = count == number
            if last and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = call(*given, **named)
            if last:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return counted

    return wrap


def dying_connections(step: Step) -> Callable[..., Any]:
    """`sqlite3.connect` whose connections to the checkpoint database count their commits."""
    plain = sqlite3.connect
    commit = step(sqlite3.Connection.execute)

    class Counted(sqlite3.Connection):
        def execute(self, sql: str, *given: Any) -> Any:
            run = commit if sql.strip().upper().startswith("COMMIT") else sqlite3.Connection.execute
            return run(self, sql, *given)

    def connect(database: Any, *given: Any, **named: Any) -> Any:
        if str(database).endswith("checkpoint.db"):
            named["factory"] = Counted
        return plain(database, *given, **named)

    return connect


def main(step: str, arguments: list[str]) -> int:
    """Arms the step and runs the command."""
    name, number, when = step.split(":")
    wrap = dies(int(number), when)
    if name == "commit":
        setattr(sqlite3, "connect", dying_connections(wrap))  # noqa: B010 - it is not assignable for a type checker
    else:
        setattr(os, name, wrap(getattr(os, name)))
    from afterbay.cli import main as afterbay

    sys.argv = ["afterbay", *arguments]
    return afterbay()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
