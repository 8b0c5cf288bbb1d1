"""The CPU time of threads by their names, as Linux tells it; read only when somebody looks."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection
from pathlib import Path


def cpu_seconds(names: Collection[str], prefix: str) -> float | None:
    """Seconds that the threads called one of `names`, or `prefix` and something, have used. None: not told here.

    A thread that has ended counts no more. The clock of a thread could be asked for directly, but not safely: one that
    ends meanwhile takes the process with it.
    """
    found: float | None = None
    for thread in threading.enumerate():
        if thread.native_id is None or not (thread.name in names or thread.name.startswith(prefix)):
            continue
        try:
            text = Path(f"/proc/self/task/{thread.native_id}/stat").read_text()
        except OSError:
            continue  # it has just ended, or this is no Linux
        # After the name, which may hold anything, in parentheses: fields 14 and 15 of the whole.
        fields = text.rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        found = (found or 0.0) + ticks / os.sysconf("SC_CLK_TCK")
    return found
