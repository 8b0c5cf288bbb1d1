"""Runs from asyncio: what blocks takes place in threads, and a task that is cancelled leaves no run behind."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from afterbay.runtime.report import RunReport
    from afterbay.runtime.run import Run

log = logging.getLogger("afterbay.run")


async def started(start: Callable[[], Run]) -> Run:
    """The run that `start` starts, in a thread. If the task is cancelled meanwhile, the run is cancelled, too."""
    gone = threading.Event()
    begun: list[Run] = []

    def begin() -> Run:
        run = start()
        begun.append(run)
        if gone.is_set():  # asked after it is known, and set before it is looked for: one of the two sees the other
            run.cancel()
        return run

    try:
        return await asyncio.to_thread(begin)
    except asyncio.CancelledError:
        gone.set()
        for run in begun:
            run.cancel()
        raise


async def ended(run: Run, stop_timeout: float) -> RunReport:
    """The report of `run`. A cancelled task drains it within `stop_timeout` seconds; cancelled again, it stops it."""
    try:
        return await run
    except asyncio.CancelledError:
        run.drain(stop_timeout)
        try:
            await run
        except asyncio.CancelledError:
            run.cancel()
            raise
        except Exception:
            log.exception("the run failed while it was being drained")
        raise
