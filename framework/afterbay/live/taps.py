"""Taps: a few of the rows that pass a node, for a person to look at; what is sensitive is left out before it leaves.

A tap is in the way of a batch for as long as it takes to read one attribute, and for a few rows ten times a second to
make them text. It keeps no batch. It says how many rows passed and how many of them it did not show.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from afterbay.clock import Clock
from afterbay.errors import PipelineInvalid
from afterbay.live.redaction import Redaction
from afterbay.live.sampled import head_of, rows_of
from afterbay.messages import ChangeBatch
from afterbay.schema import Json
from afterbay.telemetry import Telemetry

MOST_ROWS = 100
"""Rows between two looks."""
ROWS_A_BATCH = 3
SAMPLE_SECONDS = 0.1


class NodeTap:
    """One tap on one node (`afterbay.sight.Tap`). Owns its lock; `passed` is called by the node's threads."""

    def __init__(self, most: int, redaction: Redaction, clock: Clock) -> None:
        self._most = most
        self._redaction = redaction
        self._clock = clock
        self._lock = threading.Lock()
        self._samples: list[Json] = []
        self._passed = 0
        self._shown = 0
        self._next = 0.0

    def passed(self, message: object) -> None:
        """See `Tap.passed`."""
        count = rows_of(message)
        with self._lock:
            self._passed += count
            room = self._most - self._shown
            now = self._clock.monotonic()
            if room <= 0 or now < self._next or count == 0:
                return
            self._next = now + SAMPLE_SECONDS
            start = self._passed % count  # another place in each batch
            if isinstance(message, ChangeBatch):
                stop = min(count, start + min(room, ROWS_A_BATCH))
                found = self._redaction.rows(message, start, stop)
                self._samples.extend(found)
                self._shown += len(found)
            else:
                self._samples.append(head_of(message))
                self._shown += 1

    def take(self, most: int) -> dict[str, Json]:
        """What was seen since the last time; from now on `most` rows until the next."""
        with self._lock:
            samples, self._samples = self._samples, []
            passed = self._passed
            self._passed = self._shown = 0
            self._most = most
        rows = sum(1 for item in samples if isinstance(item, dict) and "row" in item)
        return {"samples": samples, "rows_passed": passed, "rows_not_shown": passed - rows}


class Taps:
    """The taps of a run. Used by the listener's thread alone."""

    def __init__(self, telemetry: Telemetry, nodes: Sequence[str], sensitive: Sequence[str], clock: Clock) -> None:
        self._telemetry = telemetry
        self._nodes = frozenset(nodes)
        self._sensitive = tuple(sensitive)
        self._clock = clock
        self._taps: dict[str, tuple[int, NodeTap]] = {}

    def look(self, asker: int, question: Mapping[str, Json]) -> Json:
        """The rows since the asker's last look at the node; the first look puts the tap on. Raises PipelineInvalid."""
        node, most, redact = question.get("node"), question.get("rows", 10), question.get("redact", [])
        if node not in self._nodes or not isinstance(node, str):
            raise PipelineInvalid("tap.node", "the pipeline has no node of that name")
        if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MOST_ROWS:
            raise PipelineInvalid("ask.invalid", f"`rows` is 1 to {MOST_ROWS}")
        if not isinstance(redact, list) or not all(isinstance(item, str) for item in redact):
            raise PipelineInvalid("ask.invalid", "`redact` is a list of column names")
        held = self._taps.get(node)
        if held is None:
            redaction = Redaction((*self._sensitive, *map(str, redact)))
            held = self._taps[node] = (asker, NodeTap(most, redaction, self._clock))
            self._telemetry.node(node).sight.tap = held[1]
        if held[0] != asker:
            raise PipelineInvalid("tap.taken", "somebody else has a tap on that node: one at a time")
        return held[1].take(most)

    def gone(self, asker: int) -> None:
        """The asker's taps are taken off."""
        for node, (owner, _) in list(self._taps.items()):
            if owner == asker:
                self._telemetry.node(node).sight.tap = None
                del self._taps[node]
