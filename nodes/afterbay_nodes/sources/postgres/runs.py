"""Committed rows of one table on their way to a batch: many transactions, one buffer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from afterbay.errors import Place, RunFailed
from afterbay.messages import ChangeBatch
from afterbay.printable import visible
from afterbay_nodes.sources.postgres.key_changes import split_key_changes
from afterbay_nodes.sources.postgres.lsn import lsn_text
from afterbay_nodes.sources.postgres.row_run import XLOG_HEAD, RowRun
from afterbay_nodes.sources.postgres.tables import Table
from afterbay_nodes.sources.postgres.tuples import DecodedRows, OldKind, decode_rows

PIECE_BYTES = 2 << 20
"""Of messages in one batch, about: their columns are of a like size."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A transaction (or a segment of one) as its rows carry it."""

    commit_ts: int
    commit_ms: int


class Ordinals:
    """Counts one dispatcher's changes within their commit-ts.

    Over all batches, in the order of the messages and behind the splitting of key changes, so that they are the same
    however the rows were cut into batches (I6).
    """

    def __init__(self) -> None:
        self._commit_ts = 0
        self._next = 0

    def of(self, stamps: np.ndarray) -> np.ndarray:
        """The numbers of changes with these commit-ts, which rise."""
        count = len(stamps)
        begins = np.flatnonzero(np.concatenate((np.ones(1, np.bool_), stamps[1:] != stamps[:-1])))
        lengths = np.diff(np.append(begins, count))
        ordinals = np.arange(count, dtype=np.int64) - begins.repeat(lengths)
        if stamps[0] == self._commit_ts:
            ordinals[: lengths[0]] += self._next
        self._commit_ts, self._next = stamps[-1], int(ordinals[-1]) + 1
        return ordinals.astype(np.uint32)


class TableRun:
    """The pending rows of one table version. Owned by the player."""

    def __init__(self, table: Table, partition: str, ordinals: Ordinals) -> None:
        self.table = table
        self.nbytes = 0
        self._partition = partition
        self._ordinals = ordinals
        self._messages: list[bytes] = []
        self._stamps: list[Stamp] = []
        self._counts: list[int] = []
        self._last_ts = 0

    def add(self, messages: Sequence[bytes], nbytes: int, stamp: Stamp) -> None:
        """Rows of a transaction that is committed, all that it has of this table."""
        self._messages += messages
        self._stamps.append(stamp)
        self._counts.append(len(messages))
        self.nbytes += nbytes

    def batches(self, *, open: bool = False) -> Iterator[ChangeBatch]:
        """All that is pending, in pieces of a good size. `open`: the last transaction goes on behind it."""
        messages, counts = self._messages, np.asarray(self._counts, np.int64)
        stamps = np.asarray([stamp.commit_ts for stamp in self._stamps], np.uint64).repeat(counts)
        millis = np.asarray([stamp.commit_ms for stamp in self._stamps], np.int64).repeat(counts)
        self._messages, self._stamps, self._counts, self.nbytes = [], [], [], 0
        for start, stop in _pieces(messages):
            cut = stamps[stop] == stamps[stop - 1] if stop < len(messages) else open
            run = RowRun.of(messages[start:stop], head=XLOG_HEAD)
            yield self._batch(run, stamps[start:stop], millis[start:stop], open=bool(cut))

    def batch(self, run: RowRun, stamp: Stamp, *, open: bool) -> ChangeBatch:
        """Rows of one large transaction, which do not become pending. Nothing is."""
        assert not self._messages, "rows of earlier transactions are pending (I4)"
        count = len(run)
        stamps = np.full(count, stamp.commit_ts, np.uint64)
        return self._batch(run, stamps, np.full(count, stamp.commit_ms, np.int64), open=open)

    def _batch(self, run: RowRun, stamps: np.ndarray, millis: np.ndarray, *, open: bool) -> ChangeBatch:
        table = self.table
        decoded, source = split_key_changes(decode_rows(table.relation, run, table.columns), table.key)
        _refuse_unknown(decoded, table, run, source)
        if source is not None:
            picked = source.to_numpy()
            stamps, millis = stamps[picked], millis[picked]
        return ChangeBatch.of(
            partition=self._partition,
            dispatcher=table.dispatcher,
            schema=table.schema,
            rows=decoded.rows,
            ops=decoded.ops,
            commit_ts=pa.array(stamps),
            ordinals=pa.array(self._ordinals.of(stamps)),
            before=_whole_rows(decoded),
            commit_ms=pa.array(millis),
            open=open,
        )


def _pieces(messages: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Cuts into pieces of about `PIECE_BYTES`."""
    if not messages:
        return
    ends = np.cumsum(np.fromiter(map(len, messages), np.int64, len(messages)))
    start = 0
    while start < len(messages):
        base = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, base + PIECE_BYTES, "right")))
        yield start, stop
        start = stop


def _whole_rows(decoded: DecodedRows) -> pa.RecordBatch | None:
    """The rows before updates, if the server sent whole ones: a key alone is no row."""
    if decoded.before is None or not pc.any(pc.equal(decoded.old, OldKind.FULL)).as_py():
        return None
    return decoded.before


def _refuse_unknown(decoded: DecodedRows, table: Table, run: RowRun, source: pa.Array | None) -> None:
    """A TOAST value that the server did not send is not known, and never taken for NULL (I10)."""
    for index, mask in decoded.unchanged.items():
        at = pc.index(mask, True).as_py()
        if at < 0:
            continue
        row = at if source is None else source[at].as_py()
        name = visible(str(table.schema.name))
        raise RunFailed(
            "postgres.unchanged",
            f"an update left the large value of column '{visible(table.schema.columns[index].name)}' as it was, and "
            "the server sends such a value only with the whole row",
            place=Place(table=name, position=lsn_text(run.lsn_of(row))),
            hint=f"ALTER TABLE {name} REPLICA IDENTITY FULL; changes before it cannot be read: start afresh behind it",
        )
