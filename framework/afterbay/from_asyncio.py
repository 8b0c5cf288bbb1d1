"""Runs from asyncio: what blocks takes place in threads, and a task that is cancelled leaves no run behind."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from afterbay.errors import EnvironmentRefused

if TYPE_CHECKING:
    from afterbay.runtime.report import RunReport
    from afterbay.runtime.run import Run

log = logging.getLogger("afterbay.run")


async def started(start: Callable[[Callable[[], None]], Run]) -> Run:
    """The run that `start` starts, in a thread; it is given what it is to call before each wait for another run.

    If the task is cancelled meanwhile, the waiting ends, or the run that was started is cancelled and its end awaited.
    """
    gone = threading.Event()

    def look() -> None:
        if gone.is_set():
            raise EnvironmentRefused("run.cancelled", "the task that started the run was cancelled")

    starting = asyncio.ensure_future(asyncio.to_thread(start, look))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        gone.set()
        starting.add_done_callback(_cancel)  # also if this task is cancelled once more
        try:
            await (await asyncio.shield(starting))
        except Exception:
            log.debug("nothing was started, or it failed while it was cancelled", exc_info=True)
        raise


def _cancel(starting: asyncio.Future[Run]) -> None:
    if not starting.cancelled() and starting.exception() is None:
        starting.result().cancel()


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
