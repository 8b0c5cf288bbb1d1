"""Requests of obstore from any thread, each with a deadline, and each ended at once by a cancel.

obstore's blocking calls cannot be left before they are done. Its asynchronous ones can: they run on one event loop, and
dropping one ends its request.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

from obstore.exceptions import BaseError

from afterbay_nodes.storage.obstore_errors import fault, late
from afterbay_nodes.storage.retry import Cancel

T = TypeVar("T")

LOOK = 0.2
"""Seconds between two looks at the cancel while a request is under way."""


class ObstoreCalls:
    """Owns an event loop and its thread, from the first call until `close`. The work is obstore's own threads'."""

    def __init__(self, name: str, cancel: Cancel) -> None:
        self._name = name
        self._cancel = cancel
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, ask: Callable[[], Awaitable[T]], seconds: float) -> T:
        """What `ask` gives. Raises Fault for errors and after `seconds`, Cancelled as soon as the run is cancelled."""

        async def bounded() -> T:
            try:
                async with asyncio.timeout(seconds):
                    return await ask()
            except TimeoutError:
                raise late(seconds) from None
            except (BaseError, OSError, ValueError) as error:
                raise fault(error) from None  # not as its cause: that would be printed with its secrets

        answer = asyncio.run_coroutine_threadsafe(bounded(), self._running())
        try:
            while True:
                self._cancel.check()
                try:
                    return answer.result(LOOK)
                except TimeoutError:
                    continue  # `bounded` itself raises none
        finally:
            answer.cancel()

    def close(self) -> None:
        """Ends the thread. Called once, when no call is under way."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # It has nothing to finish: a process whose store was never closed can end in spite of it.
                self._thread = threading.Thread(target=self._loop.run_forever, name=self._name, daemon=True)
                self._thread.start()
            return self._loop
