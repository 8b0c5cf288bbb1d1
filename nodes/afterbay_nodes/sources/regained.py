"""The way into the graph of a source that reads again from its start, because the cursor is lost.

Everything at or below the commit-ts that is resumed at is stored: it is read, so that the source knows what it would
know, and not sent. What the state has to know for later starts, the schemas in force, it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.errors import RunFailed
from afterbay.messages import ChangeBatch, SchemaChange
from afterbay.node import Outlet
from afterbay.schema import Json, TableSchema


class RegainedOutlet:
    """An `Outlet` that lets nothing through at or below `commit_ts`. Used by the source's thread."""

    def __init__(self, out: Outlet, commit_ts: int, gap: Callable[[], RunFailed] | None) -> None:
        """`gap` is the error of an input that begins above `commit_ts`, or None where that is no fault."""
        self._out = out
        self._commit_ts = commit_ts
        self._gap = gap
        self._schemas: dict[str, TableSchema] = {}  # in force at `commit_ts`, as far as it was read

    @property
    def stopping(self) -> bool:
        return self._out.stopping

    def batch(self, batch: ChangeBatch) -> None:
        """Sends the rows above the place."""
        if batch.first.commit_ts <= self._commit_ts:
            self.saw(batch.first.commit_ts)
            stored = int(pc.sum(pc.less_equal(batch.commit_ts, pa.scalar(self._commit_ts, pa.uint64()))).as_py() or 0)
            self._out.repeated(stored)
            if stored == batch.num_rows:
                return
            batch = batch.slice(stored, batch.num_rows)
        self._tell(batch.dispatcher)
        self._out.batch(batch)

    def schema_change(self, change: SchemaChange) -> None:
        """Sends a DDL above the place; of one below it only what it makes is kept."""
        if change.commit_ts > self._commit_ts:
            for table in change.tables:
                self._tell(table.dispatcher_before)
            self._out.schema_change(change)
            return
        self.saw(change.commit_ts)
        for table in change.tables:
            if table.dispatcher_before is not None:
                self._schemas.pop(table.dispatcher_before, None)
            if table.dispatcher_after is not None and table.after is not None:
                self._schemas[table.dispatcher_after] = table.after

    def announce(self, dispatcher: str, schema: TableSchema) -> None:
        """Keeps or sends a schema that no DDL made."""
        if schema.version > self._commit_ts:
            self._out.announce(dispatcher, schema)
        else:
            self._schemas[dispatcher] = schema

    def promise(self, commit_ts: int, cursor: Mapping[str, Json]) -> None:
        """Promises from the place on; at it, the state gets its cursor back.

        Only here it is certain that an input has nothing at or below the place: changes may be out of step before it.
        Raises what `gap` makes of that; no checkpoint has moved then.
        """
        self.saw(commit_ts)
        if commit_ts < self._commit_ts:
            return
        if self._gap is not None:
            raise self._gap()
        # All at or below the place was read, and no checkpoint is without the schemas in force at it (I3).
        for dispatcher in list(self._schemas):
            self._tell(dispatcher)
        self._out.promise(commit_ts, cursor)

    def saw(self, commit_ts: int) -> None:
        """The input tells something of this commit-ts, which need not be sent."""
        if commit_ts <= self._commit_ts:
            self._gap = None

    def repeated(self, rows: int) -> None:
        """See `Outlet.repeated`."""
        self._out.repeated(rows)

    def wait(self, seconds: float) -> None:
        """See `Outlet.wait`."""
        self._out.wait(seconds)

    def _tell(self, dispatcher: str | None) -> None:
        """Says which schema is in force at the place, before anything of the dispatcher above it."""
        if dispatcher is not None and (schema := self._schemas.pop(dispatcher, None)) is not None:
            self._out.announce(dispatcher, schema)
