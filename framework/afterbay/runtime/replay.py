"""Replay: what a sink has stored already is not stored again (I6).

After a restart a source sends everything above the checkpoint, and some of it is stored: at or below the sink's
position of its dispatcher. Batches are cut at every sink's position here, at the source, so that further down a batch
is wholly stored or wholly new, and a sink drops it by one comparison. What every sink has stored is not sent at all.

A position that was read back from a store may be *counted*: so many changes of its commit-ts are stored, whatever their
ordinals. Its ordinal is found as the changes come again, which they do in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.errors import Place, RunFailed
from afterbay.messages import ChangeBatch
from afterbay.schema import RowPosition


class ReplayCutter:
    """Positions of all sinks for one source partition. Used by that source's thread; forgets what it has passed."""

    def __init__(
        self, positions: Iterable[Mapping[str, RowPosition]], counted: Mapping[str, RowPosition] | None = None
    ) -> None:
        """`positions`: for each sink that this partition reaches, dispatcher -> its last stored change.

        `counted`: where the only sink has `ordinal` + 1 changes at `commit_ts`, and all below.
        """
        sinks = list(positions)
        self._cuts: dict[str, Sequence[RowPosition]] = {}
        self._stored_everywhere: dict[str, RowPosition] = {}
        for dispatcher in {name for sink in sinks for name in sink}:
            found = [sink[dispatcher] for sink in sinks if dispatcher in sink]
            self._cuts[dispatcher] = sorted(set(found))
            if len(found) == len(sinks):
                self._stored_everywhere[dispatcher] = min(found)
        self._left = {dispatcher: position.ordinal + 1 for dispatcher, position in (counted or {}).items()}
        for dispatcher, position in (counted or {}).items():
            self._know(dispatcher, RowPosition(position.commit_ts, -1))

    def cut(self, batch: ChangeBatch) -> Iterator[tuple[ChangeBatch, bool]]:
        """The batch in pieces, each with True if every sink has stored it.

        Raises RunFailed `replay.count` if the source sends fewer changes of a commit-ts than are stored.
        """
        if batch.dispatcher in self._left:
            self._count(batch)
        cuts = self._cuts.get(batch.dispatcher)
        if cuts is None:
            yield batch, False
            return
        everywhere = self._stored_everywhere.get(batch.dispatcher, RowPosition(-1, -1))
        start = 0
        for position in cuts:
            if batch.first <= position < batch.last:
                stop = rows_at_or_below(batch, position)
                if stop > start:
                    piece = batch.slice(start, stop)
                    yield piece, piece.last <= everywhere
                    start = stop
        rest = batch if start == 0 else batch.slice(start, batch.num_rows)
        yield rest, rest.last <= everywhere
        if rest.last > cuts[-1]:
            del self._cuts[batch.dispatcher]

    def _know(self, dispatcher: str, position: RowPosition) -> None:
        self._cuts[dispatcher] = [position]
        self._stored_everywhere[dispatcher] = position

    def _count(self, batch: ChangeBatch) -> None:
        """Moves a counted position behind the changes of this batch that are stored."""
        commit_ts, left = self._cuts[batch.dispatcher][0].commit_ts, self._left[batch.dispatcher]
        below = rows_at_or_below(batch, RowPosition(commit_ts, -1))
        here = int(pc.sum(pc.equal(batch.commit_ts, pa.scalar(commit_ts, pa.uint64()))).as_py() or 0)
        if taken := min(left, here):
            self._know(batch.dispatcher, RowPosition(commit_ts, batch.ordinals[below + taken - 1].as_py()))
            left -= taken
        if left and batch.last.commit_ts > commit_ts:
            raise RunFailed(
                "replay.count",
                f"the store has {left} changes more at {commit_ts} than the source sends: what is stored already "
                "cannot be told from what is new (I6)",
                place=Place(table=batch.dispatcher, position=str(commit_ts)),
                hint="the source is not the one that the store was written from: bring it back, or start anew with "
                "another state directory and an empty root",
            )
        self._left[batch.dispatcher] = left
        if not left:
            del self._left[batch.dispatcher]


def rows_at_or_below(batch: ChangeBatch, position: RowPosition) -> int:
    """How many of the batch's rows, from its start, are at or below `position`. O(rows), after a restart only."""
    commit_ts = pa.scalar(position.commit_ts, pa.uint64())
    below = pc.less(batch.commit_ts, commit_ts)
    at = pc.and_(
        pc.equal(batch.commit_ts, commit_ts), pc.less_equal(batch.ordinals, pa.scalar(position.ordinal, pa.int64()))
    )
    return int(pc.sum(pc.or_(below, at)).as_py() or 0)
