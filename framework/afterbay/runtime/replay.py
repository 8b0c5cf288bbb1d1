"""Replay: what a sink has stored already is not stored again (I6).

After a restart a source sends everything above the checkpoint, and some of it is stored: at or below the sink's
position of its dispatcher. Batches are cut at every sink's position here, at the source, so that further down a batch
is wholly stored or wholly new, and a sink drops it by one comparison. What every sink has stored is not sent at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.messages import ChangeBatch
from afterbay.schema import RowPosition


class ReplayCutter:
    """Positions of all sinks for one source partition. Used by that source's thread; forgets what it has passed."""

    def __init__(self, positions: Iterable[Mapping[str, RowPosition]]) -> None:
        """`positions`: for each sink that this partition reaches, dispatcher -> its last stored change."""
        sinks = list(positions)
        self._cuts: dict[str, Sequence[RowPosition]] = {}
        self._stored_everywhere: dict[str, RowPosition] = {}
        for dispatcher in {name for sink in sinks for name in sink}:
            found = [sink[dispatcher] for sink in sinks if dispatcher in sink]
            self._cuts[dispatcher] = sorted(set(found))
            if len(found) == len(sinks):
                self._stored_everywhere[dispatcher] = min(found)

    def cut(self, batch: ChangeBatch) -> Iterator[tuple[ChangeBatch, bool]]:
        """The batch in pieces, each with True if every sink has stored it."""
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


def rows_at_or_below(batch: ChangeBatch, position: RowPosition) -> int:
    """How many of the batch's rows, from its start, are at or below `position`. O(rows), after a restart only."""
    commit_ts = pa.scalar(position.commit_ts, pa.uint64())
    below = pc.less(batch.commit_ts, commit_ts)
    at = pc.and_(
        pc.equal(batch.commit_ts, commit_ts), pc.less_equal(batch.ordinals, pa.scalar(position.ordinal, pa.uint32()))
    )
    return int(pc.sum(pc.or_(below, at)).as_py() or 0)
