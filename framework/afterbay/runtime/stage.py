"""Stages: a transform's threads. They take envelopes, let the operator see the messages, and keep the claims.

Whatever an operator returns, every claim goes on: one output takes the token, several share it (counted up before the
first is forwarded, I5), none settles it with the reason `filtered`. The order of the inbox is the order of the output.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from afterbay.clock import Clock
from afterbay.errors import Place, RunFailed
from afterbay.messages import DrainMarker, SchemaChange, Watermark
from afterbay.node import Emit, SpoolOperator, TransformOperator
from afterbay.runtime.channel import ChannelClosed
from afterbay.runtime.envelope import CONTROL_BYTES, Envelope, last_commit_ts, rows_of, watermark
from afterbay.runtime.sequencer import Sequencer
from afterbay.telemetry import NodeMeter

MOST_TAKEN = 4
"""Messages that a parallel worker takes at once, at most."""


class Inbox(Protocol):
    """Where a stage reads: a channel or a merge."""

    def get_many(self, timeout: float | None = None, most: int = 64) -> list[Envelope]: ...
    def waiting(self) -> int: ...


class Outbox(Protocol):
    """Where a stage writes: a channel or a router."""

    def put(self, envelope: Envelope) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Outputs:
    """The edges that leave a node, per port. `marks` says that a merge follows, which needs watermarks."""

    ports: Mapping[str, Sequence[Outbox]]
    marks: bool

    def send(self, port: str, envelope: Envelope) -> None:
        """To every edge of `port`."""
        edges = self.ports[port]
        for edge, branch in zip(edges, envelope.branches(len(edges)), strict=True):
            edge.put(branch)

    def send_all(self, envelope: Envelope) -> None:
        """Control goes to every edge of every port; a DDL's token is split over them."""
        edges = [edge for port in self.ports.values() for edge in port]
        for edge, branch in zip(edges, envelope.branches(len(edges)), strict=True):
            edge.put(branch)

    def mark(self, partition: str, sequence: int) -> None:
        """Something ended here: says so to a merge further down."""
        if self.marks:
            self.send_all(watermark(partition, sequence))

    def close(self) -> None:
        """This node is done."""
        for edges in self.ports.values():
            for edge in edges:
                edge.close()


@dataclass(frozen=True, slots=True)
class Work:
    """What one instance of a transform does with an envelope. `forward` gets (port or None for all, envelope)."""

    node: str
    operator: TransformOperator[Any, Any]
    meter: NodeMeter
    clock: Clock
    ports: tuple[str, ...]

    def outcome(self, envelope: Envelope) -> list[tuple[str | None, Envelope]]:
        """The envelopes that leave the node for this one, in order, with their port (None: every port)."""
        message = envelope.message
        if isinstance(message, Watermark):
            return [(None, envelope)]
        if isinstance(message, DrainMarker):
            if message.change is None:
                return [(None, envelope)]
            marker = replace(message, change=self.operator.schema_change(message.change))
            return [(None, replace(envelope, message=marker))]
        if isinstance(message, SchemaChange):
            return self._schema_change(envelope, message)
        return self._data(envelope)

    def _schema_change(self, envelope: Envelope, change: SchemaChange) -> list[tuple[str | None, Envelope]]:
        after = self.operator.schema_change(change)
        if after is None:
            assert envelope.token is not None
            envelope.token.settle()
            return [(None, watermark(envelope.partition, envelope.sequence))]
        return [(None, replace(envelope, message=after))]

    def _data(self, envelope: Envelope) -> list[tuple[str | None, Envelope]]:
        assert envelope.token is not None, "data has a token"
        started = self.clock.monotonic()
        result = self.operator.process(envelope.message)
        items = _as_list(result)
        busy = self.clock.monotonic() - started
        if not items:
            envelope.token.settle()
            if envelope.credit is not None:
                envelope.credit.give_back()
            self.meter.filtered(rows_of(envelope.message))
            return [(None, watermark(envelope.partition, envelope.sequence))]
        branches = envelope.branches(len(items))
        spools = isinstance(self.operator, SpoolOperator)
        out: list[tuple[str | None, Envelope]] = []
        for number, (item, claims) in enumerate(zip(items, branches, strict=True), 1):
            port, message = (item.port, item.item) if isinstance(item, Emit) else (self.ports[0], item)
            if port not in self.ports:
                raise RunFailed(
                    "node.port",
                    f"emitted to port '{port}', which it does not have",
                    place=Place(node=self.node),
                    hint=f"its ports are {', '.join(self.ports)}",
                )
            credit = claims.credit
            if spools and (last := last_commit_ts(message)) is not None:
                self.meter.sight.reached(envelope.partition, last)
            if isinstance(self.operator, SpoolOperator) and credit is not None:
                # At rest: the source may go on. This acknowledgement never moves the checkpoint.
                self.operator.enqueued(credit)
                credit = None
            if (tap := self.meter.sight.tap) is not None:
                tap.passed(message)
            self.meter.passed(rows_of(message), message.nbytes, busy if number == 1 else 0.0)
            final = number == len(items) and len(self.ports) == 1
            out.append((port, replace(claims, message=message, credit=credit, nbytes=message.nbytes, final=final)))
        if len(self.ports) > 1:
            # The ports that got nothing, or not the last of it, learn that this sequence is over.
            out.append((None, watermark(envelope.partition, envelope.sequence)))
        return out


def _as_list(result: Any) -> list[Any]:
    if result is None:
        return []
    if isinstance(result, Iterable) and not hasattr(result, "nbytes"):
        return list(result)
    return [result]


def forward(outputs: Outputs, port: str | None, envelope: Envelope) -> None:
    """Sends one outcome on."""
    if port is not None:
        outputs.send(port, envelope)
    elif isinstance(envelope.message, Watermark):
        outputs.mark(envelope.partition, envelope.sequence)
    else:
        outputs.send_all(replace(envelope, nbytes=CONTROL_BYTES))


def run_serial(inbox: Inbox, work: Work, outputs: Outputs) -> None:
    """One thread: takes, works, sends, until the inbox has ended. Raises `Cancelled`."""
    while True:
        try:
            envelopes = inbox.get_many()
        except ChannelClosed:
            break
        for envelope in envelopes:
            for port, out in work.outcome(envelope):
                forward(outputs, port, out)
    outputs.close()


class Chain:
    """A serial transform that is run by the one thread that feeds it: no thread, no channel, no change of threads.

    `connect` comes before the first `put`. One thread at a time puts, in order: a serial stage, or the sender of a
    parallel one's line.
    """

    def __init__(self) -> None:
        self._work: Work | None = None
        self._outputs: Outputs | None = None

    def connect(self, work: Work, outputs: Outputs) -> None:
        """Says what is done here, and where it goes."""
        self._work, self._outputs = work, outputs

    def put(self, envelope: Envelope) -> None:
        """Works and sends on. Raises `Cancelled`, and what the work raises."""
        assert self._work is not None, "connected before the run starts"
        assert self._outputs is not None
        for port, out in self._work.outcome(envelope):
            forward(self._outputs, port, out)

    def close(self) -> None:
        """Whoever feeds it is done."""
        assert self._outputs is not None
        self._outputs.close()


class ParallelStage:
    """An encoding group: `workers` instances side by side, output in submission order. Owns the taking lock."""

    def __init__(self, inbox: Inbox, outputs: Outputs, workers: int, clock: Clock) -> None:
        self._inbox = inbox
        self._outputs = outputs
        self._taking = threading.Lock()
        self._left = workers
        self.sequencer: Sequencer[tuple[str | None, Envelope]] = Sequencer(
            lambda item: forward(outputs, *item), most=MOST_TAKEN * workers, clock=clock
        )
        self._workers = workers

    def run_worker(self, work: Work) -> None:
        """One worker's thread, until the inbox has ended. The last one closes the outputs. Raises `Cancelled`."""
        while True:
            with self._taking:
                # Taking and getting places are one step: places are in submission order.
                try:
                    envelopes = self._inbox.get_many(most=self._share())
                except ChannelClosed:
                    break
                # Control is no work: its places are born finished.
                results = [work.outcome(item) if _is_control(item) else None for item in envelopes]
                places = self.sequencer.places(results)
            for envelope, place in zip(envelopes, places, strict=True):
                if place.result is None:
                    self.sequencer.finish(place, work.outcome(envelope))
        with self._taking:
            self._left -= 1
            last = self._left == 0
        if last:
            self._outputs.close()

    def _share(self) -> int:
        """How many to take: several at once cost one change of threads, but nobody else's share is taken."""
        return max(1, min(MOST_TAKEN, self._inbox.waiting() // self._workers))


def _is_control(envelope: Envelope) -> bool:
    return envelope.token is None or isinstance(envelope.message, SchemaChange)
