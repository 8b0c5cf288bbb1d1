"""The tables of a snapshot as schema changes and batches, one table after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from afterbay.messages import ChangeBatch, Op, SchemaChange, TableChange
from afterbay.node import Outlet
from afterbay_nodes.sources.postgres import alterations
from afterbay_nodes.sources.postgres.copy_binary import CopyDecoder, copy_command, forms
from afterbay_nodes.sources.postgres.lsn import lsn_text
from afterbay_nodes.sources.postgres.snapshot import Snapshot
from afterbay_nodes.sources.postgres.tables import Table, Tables


class SnapshotFeed:
    """Sends tables. Each begins with its creation, which takes back what an earlier try has sent of it.

    Used by the source's thread.
    """

    def __init__(self, partition: str, out: Outlet, tables: Tables, snapshot: Snapshot) -> None:
        self._partition = partition
        self._out = out
        self._tables = tables
        self._snapshot = snapshot

    def send(self, oid: int, commit_ts: int, *, again: bool) -> bool:
        """One table, all its rows at `commit_ts`; False if the run is stopping. Raises ConnectionLost.

        `again`: it was begun before, by this run or another one.
        """
        relation = self._snapshot.table(oid)
        if relation is None:
            return True
        table = self._tables.read(relation, self._snapshot, commit_ts)
        created = alterations.created(table.schema, replaces=again)
        change = TableChange(None, None, table.dispatcher, table.schema)
        self._out.schema_change(SchemaChange(self._partition, commit_ts, created.kind, created.query, (change,)))
        columns = forms(relation, table.columns)
        decoder = CopyDecoder(columns, str(table.schema.name), f"the snapshot at {lsn_text(self._snapshot.at)}")
        pieces = self._snapshot.pieces(copy_command(relation, columns), relation, lambda: self._out.stopping)
        ordinal = 0
        for rows, more in _with_more(filter(None, map(decoder.rows, pieces))):
            if self._out.stopping:
                return False
            self._out.batch(self._batch(table, rows, commit_ts, ordinal, open=more))
            ordinal += rows.num_rows
        if self._out.stopping:
            return False
        decoder.end()
        return True

    def _batch(self, table: Table, rows: pa.RecordBatch, commit_ts: int, ordinal: int, *, open: bool) -> ChangeBatch:
        count = rows.num_rows
        return ChangeBatch.of(
            partition=self._partition,
            dispatcher=table.dispatcher,
            schema=table.schema,
            rows=rows,
            ops=pa.array(np.full(count, Op.INSERT, np.uint8)),
            commit_ts=pa.array(np.full(count, commit_ts, np.uint64)),
            ordinals=pa.array(np.arange(ordinal, ordinal + count, dtype=np.uint32)),
            open=open,
        )


def _with_more(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[pa.RecordBatch, bool]]:
    """Each batch, with whether another one follows."""
    held: pa.RecordBatch | None = None
    for rows in batches:
        if held is not None:
            yield held, True
        held = rows
    if held is not None:
        yield held, False
