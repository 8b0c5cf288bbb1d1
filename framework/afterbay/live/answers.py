"""What a run answers on its live socket: the figures, and the commands that it takes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Protocol

from afterbay import __version__
from afterbay.clock import Clock
from afterbay.errors import PipelineInvalid
from afterbay.live.protocol import FRESH, VERSION
from afterbay.live.taps import Taps
from afterbay.schema import Json


class Commanded(Protocol):
    """What of a run can be commanded, from any thread."""

    def drain(self, timeout: float | None = None) -> None: ...
    def flush(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


class RunAnswers:
    """See `listener.Answers`. Keeps the last figures for as long as they are fresh; owns the taps."""

    def __init__(
        self,
        pipeline: str,
        run: Commanded,
        graph: Callable[[], Json],
        figures: Callable[[], Json],
        taps: Taps,
        clock: Clock,
    ) -> None:
        self._pipeline = pipeline
        self._run = run
        self._graph = graph
        self._figures = figures
        self._taps = taps
        self._clock = clock
        self._taken: tuple[float, Json] | None = None

    def answer(self, ask: str, question: Mapping[str, Json], asker: int) -> Json:
        """Raises PipelineInvalid for a question that has no answer."""
        match ask:
            case "hello":
                return {"pipeline": self._pipeline, "version": __version__, "pid": os.getpid(), "protocol": VERSION}
            case "graph":
                return self._graph()
            case "figures":
                return self._fresh()
            case "tap":
                return self._taps.look(asker, question)
            case "drain":
                self._run.drain(_timeout(question.get("timeout")))
            case "flush":
                self._run.flush()
            case "pause":
                self._run.pause()
            case "resume":
                self._run.resume()
            case _:
                raise PipelineInvalid("ask.unknown", "this run does not know that question")
        self._taken = None
        return {}

    def gone(self, asker: int) -> None:
        """Its taps are taken off."""
        self._taps.gone(asker)

    def _fresh(self) -> Json:
        now = self._clock.monotonic()
        if self._taken is None or now - self._taken[0] >= FRESH:
            self._taken = (now, self._figures())
        return self._taken[1]


def _timeout(value: Json) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 86_400:
        raise PipelineInvalid("ask.invalid", "`timeout` is seconds, up to a day")
    return float(value)
