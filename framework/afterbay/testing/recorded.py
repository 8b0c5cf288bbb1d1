"""An outlet that keeps what a source sends, and refuses what the contract forbids."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from afterbay.messages import ChangeBatch, SchemaChange
from afterbay.positions import ResumePoint
from afterbay.schema import Json, RowPosition, TableSchema


def broken(message: str) -> AssertionError:
    """The error for a contract that is not kept."""
    return AssertionError(message)


@dataclass(frozen=True, slots=True)
class Change:
    """One change as plain data: `values` as they are stored, `before` where the change has one."""

    at: RowPosition
    op: int
    table: str
    version: int
    values: Mapping[str, Any]
    before: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise, and the schemas in force then: what a run that resumes there is given."""

    point: ResumePoint
    schemas: Mapping[str, TableSchema]


@dataclass(slots=True)
class Recorded:
    """What one run of a source sent: changes by dispatcher, DDLs as (commit-ts, statement), promises."""

    changes: dict[str, list[Change]] = field(default_factory=dict)
    ddls: list[tuple[int, str]] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)

    def above(self, commit_ts: int) -> Recorded:
        """The part above a commit-ts, without promises."""
        rest = {name: [it for it in own if it.at.commit_ts > commit_ts] for name, own in self.changes.items()}
        return Recorded(
            {name: own for name, own in rest.items() if own}, [ddl for ddl in self.ddls if ddl[0] > commit_ts]
        )


class Recorder:
    """An `Outlet`. Raises AssertionError in the source's call that breaks the contract.

    `promises`: after so many, it says that the run is stopping; None: never.
    """

    def __init__(
        self,
        resume: ResumePoint | None = None,
        schemas: Mapping[str, TableSchema] | None = None,
        promises: int | None = None,
    ) -> None:
        self.recorded = Recorded()
        self._schemas = dict(schemas or {})
        self._promised = -1 if resume is None else resume.commit_ts
        self._last: dict[str, RowPosition] = {}
        self._open: dict[str, bool] = {}
        self._most = promises

    @property
    def stopping(self) -> bool:
        """See `afterbay.Outlet`."""
        return self._most is not None and len(self.recorded.promises) >= self._most

    def batch(self, batch: ChangeBatch) -> None:
        """See `afterbay.Outlet`."""
        name = batch.dispatcher
        if batch.schema != self._schemas.get(name):
            raise broken(f"a batch of '{name}' has a schema that no DDL and no `announce` has put in force")
        changes = changes_of(batch)
        stamps = [change.at for change in changes]
        if not all(a < b for a, b in pairwise(stamps)):
            raise broken(f"rows of '{name}' do not rise in (commit-ts, ordinal) within a batch")
        if stamps[0].commit_ts <= self._promised:
            raise broken(f"a change of '{name}' at {stamps[0]} follows the promise of {self._promised}")
        last = self._last.get(name)
        if last is not None and stamps[0] <= last:
            raise broken(f"a change of '{name}' at {stamps[0]} follows one at {last}")
        if last is not None and stamps[0].commit_ts == last.commit_ts and not self._open[name]:
            raise broken(f"the transaction {last.commit_ts} of '{name}' goes on after a batch that did not say `open`")
        self._last[name], self._open[name] = stamps[-1], batch.open
        self.recorded.changes.setdefault(name, []).extend(changes)

    def schema_change(self, change: SchemaChange) -> None:
        """See `afterbay.Outlet`."""
        if change.commit_ts <= self._promised:
            raise broken(f"a DDL at {change.commit_ts} follows the promise of {self._promised}")
        for table in change.tables:
            if table.dispatcher_before is not None and table.dispatcher_before != table.dispatcher_after:
                self._schemas.pop(table.dispatcher_before, None)
            if table.dispatcher_after is not None and table.after is not None:
                self._schemas[table.dispatcher_after] = table.after
        self.recorded.ddls.append((change.commit_ts, change.query))

    def announce(self, dispatcher: str, schema: TableSchema) -> None:
        """See `afterbay.Outlet`."""
        self._schemas[dispatcher] = schema

    def promise(self, commit_ts: int, cursor: Mapping[str, Json]) -> None:
        """See `afterbay.Outlet`."""
        if commit_ts < self._promised:
            raise broken(f"the promise falls from {self._promised} to {commit_ts}")
        kept = json.loads(json.dumps(dict(cursor)))
        if kept != dict(cursor):
            raise broken(f"the cursor of {commit_ts} is another one after it was kept as JSON: {dict(cursor)!r}")
        for name, last in self._last.items():
            if self._open[name] and last.commit_ts <= commit_ts:
                raise broken(f"{commit_ts} is promised while a transaction of '{name}' is open")
        self._promised = commit_ts
        self.recorded.promises.append(Promise(ResumePoint(commit_ts, kept), dict(self._schemas)))

    def repeated(self, rows: int) -> None:
        """See `afterbay.Outlet`."""

    def wait(self, seconds: float) -> None:
        """See `afterbay.Outlet`. Comes back at once: time is not what is checked."""


def changes_of(batch: ChangeBatch) -> list[Change]:
    """The changes of a batch as plain data. Raises AssertionError if its columns do not fit together."""
    rows = batch.num_rows
    if not batch.rows.schema.equals(batch.schema.arrow_schema):
        raise broken(f"the columns of '{batch.dispatcher}' are not those of its schema: {batch.rows.schema}")
    if not len(batch.ops) == len(batch.commit_ts) == len(batch.ordinals) == rows:
        raise broken(f"the columns of '{batch.dispatcher}' are not of one length")
    batch.rows.validate(full=True)
    before: list[Mapping[str, Any] | None] = [None] * rows
    if batch.before is not None:
        batch.before.validate(full=True)
        before = [None if all(v is None for v in row.values()) else row for row in batch.before.to_pylist()]
    columns = (batch.commit_ts, batch.ordinals, batch.ops)
    return [
        Change(RowPosition(commit_ts, ordinal), op, str(batch.schema.name), batch.schema.version, values, image)
        for commit_ts, ordinal, op, values, image in zip(
            *(column.to_pylist() for column in columns), batch.rows.to_pylist(), before, strict=True
        )
    ]
