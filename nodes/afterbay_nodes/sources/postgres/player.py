"""Whole transactions become batches, schema changes and promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from afterbay.messages import SchemaChange, TableChange
from afterbay.node import Outlet
from afterbay.schema import Json, TableSchema
from afterbay_nodes.sources.dispatcher import dispatcher_of
from afterbay_nodes.sources.postgres.runs import PIECE_BYTES, Ordinals, Stamp, TableRun
from afterbay_nodes.sources.postgres.scratch_rows import ScratchRows, in_pieces
from afterbay_nodes.sources.postgres.tables import PENDING, Step, Table
from afterbay_nodes.sources.postgres.transactions import Rows, Transaction

PENDING_BYTES = 16 << 20
"""Of messages of all tables that wait for their batches."""


class Player:
    """Plays transactions into an outlet. Used by the source's thread; owns the pending rows."""

    def __init__(self, partition: str, out: Outlet) -> None:
        self._partition = partition
        self._out = out
        self._runs: dict[str, TableRun] = {}  # by dispatcher
        self._ordinals: dict[str, Ordinals] = {}
        self.nbytes = 0

    def play(self, whole: Transaction) -> None:
        """Takes a transaction in. With n schema changes it has n + 1 commit-ts: its commit LSN, and the n below it."""
        commit_ts = whole.commit.commit_lsn - whole.steps
        for segment in whole.segments:
            stamp = Stamp(commit_ts, whole.commit.commit_ms)
            for rows in segment.rows:
                self._rows(rows, stamp, whole.scratch)
            for step in segment.steps:
                self._in_force(step.before, commit_ts)
                self.flush()
                commit_ts += 1
                self._step(step, commit_ts)
        if self.nbytes >= PENDING_BYTES:
            self.flush()

    def flush(self) -> None:
        """Sends all rows that are pending."""
        for run in self._runs.values():
            self._send(run)
        self._runs.clear()
        self.nbytes = 0

    def promise(self, commit_ts: int, cursor: Mapping[str, Json]) -> None:
        """All at or below `commit_ts` was played."""
        self.flush()
        self._out.promise(commit_ts, cursor)

    def _rows(self, rows: Rows, stamp: Stamp, scratch: ScratchRows) -> None:
        table = rows.table
        self._in_force(table, stamp.commit_ts)
        run = self._runs.get(table.dispatcher)
        if run is not None and run.table is not table:
            # The table in another form (its identity changed): what is pending in the one before leaves first (I4).
            self._send(run)
            run = None
        if run is None:
            ordinals = self._ordinals.setdefault(table.dispatcher, Ordinals())
            run = self._runs[table.dispatcher] = TableRun(table, self._partition, ordinals)
        if rows.stretches:
            self._send(run)
            last = rows.stretches[-1]
            for some in in_pieces(rows.stretches, PIECE_BYTES):
                more = some[-1] is not last or rows.goes_on
                self._out.batch(run.batch(scratch.get(some), stamp, open=more))
            return
        nbytes = sum(map(len, rows.messages))
        run.add(rows.messages, nbytes, stamp)
        self.nbytes += nbytes
        if rows.goes_on or run.nbytes >= PIECE_BYTES:
            self._send(run, open=rows.goes_on)

    def _send(self, run: TableRun, *, open: bool = False) -> None:
        self.nbytes -= run.nbytes
        for batch in run.batches(open=open):
            self._out.batch(batch)

    def _step(self, step: Step, commit_ts: int) -> None:
        before = step.before.schema if isinstance(step.before, Table) else step.before
        after = step.after
        if after is not None:
            after.schema = replace(after.schema, version=commit_ts)
        change = TableChange(
            None if before is None else dispatcher_of(before.name),
            before,
            None if after is None else after.dispatcher,
            None if after is None else after.schema,
        )
        self._out.schema_change(
            SchemaChange(self._partition, commit_ts, step.alteration.kind, step.alteration.query, (change,))
        )

    def _in_force(self, table: Table | TableSchema | None, commit_ts: int) -> None:
        """A table that no DDL made is told when its first rows come."""
        if isinstance(table, Table) and table.schema.version == PENDING:
            table.schema = replace(table.schema, version=commit_ts)
            self._out.announce(table.dispatcher, table.schema)
