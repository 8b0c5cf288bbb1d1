"""One look at the pipeline for all who watch it, twice a second; none while nobody does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.concurrency import run_in_threadpool

from afterbay.errors import AfterbayError
from afterbay.live.look import Looker

SECONDS = 0.5
ENDED_SECONDS = 2.0
"""Between looks at a state that no run is known to change."""
MOST_VIEWERS = 32


class Watch:
    """Owns the looker and the task that looks. All methods are called in the server's event loop."""

    def __init__(self, looker: Looker) -> None:
        self._looker = looker
        self._viewers = 0
        self._changed = asyncio.Condition()
        self._number = 0
        self._seen: dict[str, Any] = {}
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    @property
    def viewers(self) -> int:
        """How many watch."""
        return self._viewers

    async def events(self) -> AsyncIterator[bytes]:
        """Server-sent events for one viewer: `graph` first and when it changes, then `look` or `trouble` each time."""
        self._viewers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._look())
        number, graph = 0, None
        try:
            yield b"retry: 2000\n\n"
            while not self._ended:
                async with self._changed:
                    while self._number == number and not self._ended:
                        await self._changed.wait()
                    number, seen = self._number, self._seen
                if seen.get("graph") not in (graph, None):
                    graph = seen["graph"]
                    yield _event("graph", graph)
                if seen:
                    yield _event("look", {key: value for key, value in seen.items() if key != "graph"})
        finally:
            self._viewers -= 1

    async def end(self) -> None:
        """Every viewer is told no more."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()
        if self._task is not None:
            self._task.cancel()
        self._looker.close()

    async def command(self, ask: str) -> None:
        """Raises AfterbayError."""
        await run_in_threadpool(self._looker.command, ask)

    async def _look(self) -> None:
        while self._viewers and not self._ended:
            try:
                found = await run_in_threadpool(self._looker.look)
            except AfterbayError as error:
                found = {"live": False, "graph": self._seen.get("graph"), "trouble": error.diagnostics[0].message}
            async with self._changed:
                self._number += 1
                self._seen = found
                self._changed.notify_all()
            await asyncio.sleep(SECONDS if found["live"] else ENDED_SECONDS)
        self._task = None


def _event(name: str, content: Any) -> bytes:
    # JSON has no line ends of its own: one line of data.
    return f"event: {name}\ndata: {json.dumps(content)}\n\n".encode()
