"""Runs the `afterbay` command in a process that is disturbed at one chosen step::

    python disturbed.py link:7:before run pipeline.yaml

The step is the n-th call of a system function (`link`, `rename`, `fsync`, `fdatasync`, `unlink`), counted over all
threads, or the n-th COMMIT of the checkpoint database. `before` and `after` it the process kills itself with SIGKILL;
any other word is a FIFO that the call waits for. Nothing else of the process is changed.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]


def disturbs(number: int, how: str) -> Wrap:
    """A wrapper that disturbs the `number`-th call of what it wraps."""
    lock = threading.Lock()
    count = 0

    def wrap(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            nonlocal count
            with lock:
                count += 1
                chosen = count == number
            if chosen and how == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            elif chosen and how != "after":
                Path(how).read_bytes()
            result = call(*given, **named)
            if chosen and how == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return counted

    return wrap


def counted_connections(wrap: Wrap) -> Callable[..., Any]:
    """`sqlite3.connect` whose connections to the checkpoint database count their commits."""
    plain = sqlite3.connect
    commit = wrap(sqlite3.Connection.execute)

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
    """Prepares the step and runs the command."""
    name, number, how = step.split(":", 2)
    wrap = disturbs(int(number), how)
    module, attribute = (sqlite3, "connect") if name == "commit" else (os, name)
    made = counted_connections(wrap) if name == "commit" else wrap(getattr(os, name))
    setattr(module, attribute, made)
    from afterbay.cli import main as afterbay

    sys.argv = ["afterbay", *arguments]
    return afterbay()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
