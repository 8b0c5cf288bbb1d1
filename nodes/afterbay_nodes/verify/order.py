"""The rules that hold from file to file: along an index, from one date to the next, and for transactions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise

from afterbay.schema import TableName
from afterbay_nodes.bucket.steps import FileStep, SchemaStep
from afterbay_nodes.verify.fault import Fault
from afterbay_nodes.verify.file_check import FileFacts
from afterbay_nodes.verify.report import Unchecked

TRANSACTION_LIMIT = 256 << 20
"""The sink's own default for files of the default size."""

_PARTITION = re.compile(r"\bPARTITION(S|ED)?\b", re.IGNORECASE | re.ASCII)


class Order:
    """Holds a store's files against each other. One thread.

    Files are followed along a *track*: one series of one version through all its dates.
    """

    def __init__(self, steps: Iterable[SchemaStep], transaction_limit: int) -> None:
        self._limit = transaction_limit
        self._parted = {step.table for step in steps if step.table is not None and _PARTITION.search(step.query)}
        self._mixed: dict[TableName, None] = {}
        self._cut: dict[TableName, int] = defaultdict(int)

    def faults(self, files: Sequence[FileFacts]) -> Iterator[Fault]:
        """What is wrong between files, of which each was checked alone. `files` are in a reader's order."""
        for _, track in groupby(sorted(files, key=_along), key=lambda facts: _track(facts.step)):
            dated = [facts for facts in track if facts.dated]
            shared = self._shares(dated)
            for before, after in pairwise(dated):
                if before.broken:
                    continue
                if shared is not None:
                    self._mixed[shared] = None
                    break
                yield from self._step(before, after)
            yield from self._splits(dated if shared is None else [])

    def unchecked(self) -> Iterator[Unchecked]:
        """What was left open."""
        if self._mixed:
            yield Unchecked(
                "the order of commits from file to file",
                "partitions may share a folder; commit-ts rises within each of them only",
                tuple(map(str, self._mixed)),
            )
        if self._cut:
            yield Unchecked(
                "whether a transaction that lies in several files was cut by the rules",
                "the sink may cut one past its transaction_limit; no file says how large it was",
                tuple(f"{name} ({count})" for name, count in self._cut.items()),
            )

    def _shares(self, track: Sequence[FileFacts]) -> TableName | None:
        """The table, if its partitions may share this track: it has partitions, and no level or stem for them."""
        if not track:
            return None
        step = track[0].step
        alone = step.partition or step.owner.isdecimal() or step.series.rpartition("/")[2] != "CDC"
        return step.table if step.table in self._parted and not alone else None

    def _step(self, before: FileFacts, after: FileFacts) -> Iterator[Fault]:
        if after.first.commit_ts < before.last.commit_ts:
            code = "commit_ts.order" if before.step.series == after.step.series else "date.order"
            message = f"commit-ts {after.first.commit_ts} comes after {before.last.commit_ts} in '{before.step.key}'"
            yield Fault(after.step.key, 1, code, message, str(after.step.table))
        elif before.ordinals and after.ordinals and after.first <= before.last:
            first, last = (f"{at.commit_ts}/{at.ordinal}" for at in (after.first, before.last))
            message = f"{first} comes after {last} in '{before.step.key}'"
            yield Fault(after.step.key, 1, "ordinal.order", message, str(after.step.table))

    def _splits(self, track: Sequence[FileFacts]) -> Iterator[Fault]:
        """Transactions in more than one file. Ordinals that rise prove a cut; else only a large one may be cut."""
        at = 0
        while at + 1 < len(track):
            begun, commit_ts = track[at], track[at].last.commit_ts
            end = at + 1
            size, proven = begun.tail_bytes, begun.ordinals
            while end < len(track) and track[end].first.commit_ts == commit_ts:
                size += track[end].head_bytes
                proven = proven and track[end].ordinals
                end += 1
                if track[end - 1].last.commit_ts != commit_ts:
                    break
            if end > at + 1:
                step = track[at + 1].step
                if proven or size >= self._limit:
                    self._cut[step.table] += 1
                else:
                    message = f"the transaction {commit_ts} began in '{begun.step.key}' (about {size} bytes in all)"
                    yield Fault(step.key, 1, "transaction.split", message, str(step.table))
            at = max(at + 1, end - 1)


def _track(step: FileStep) -> tuple[str, int, str, str]:
    return step.owner, step.version, step.partition, step.series.rpartition("/")[2]


def _along(facts: FileFacts) -> tuple[object, ...]:
    step = facts.step
    return (*_track(step), step.date, step.number)
