"""`ticker`: a source that counts. One table, one row a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import pyarrow as pa
from pydantic import Field

from afterbay import (
    Capabilities,
    ChangeBatch,
    Column,
    DdlKind,
    Op,
    Outlet,
    ResumePoint,
    SchemaChange,
    Source,
    SourceContext,
    SourceOperator,
    TableChange,
    TableName,
    TableSchema,
)
from afterbay.schema import Json

COLUMNS = (
    Column("id", "bigint", nullable=False, primary_key=True),
    Column("said", "varchar", length=40),
)
DISPATCHER = "ticker.ticks"


class Ticker(Source[ChangeBatch]):
    """Inserts `ticks` rows into the table `ticker.ticks`, `at_once` in a batch, each in a transaction of its own."""

    type_name: ClassVar[str] = "ticker"
    summary: ClassVar[str] = "counts"
    capabilities: ClassVar[Capabilities] = Capabilities()

    ticks: Annotated[int, Field(ge=1, description="rows to send")] = 100
    at_once: Annotated[int, Field(ge=1, description="rows in a batch")] = 10

    @property
    def ends(self) -> bool:
        """True: without `until`, a run ends at the last tick."""
        return True

    def identity(self) -> Mapping[str, Json]:
        """What shapes the stream, so that a state of another stream is refused. More `ticks` only lengthen it."""
        return {}

    def open(self, context: SourceContext) -> SourceOperator:
        """Starts at `context.resume`."""
        return _Ticking(self, context.partition, context.resume)


class _Ticking(SourceOperator):
    """At work, in its own thread. The cursor is ``{"next": the next tick}``."""

    def __init__(self, node: Ticker, partition: str, resume: ResumePoint | None) -> None:
        self._node = node
        self._partition = partition
        self._next = 0 if resume is None else int(str(resume.cursor["next"]))
        self._fresh = resume is None
        self._schema = TableSchema(TableName("ticker", "ticks"), 1, COLUMNS)

    def run(self, out: Outlet) -> None:
        if self._fresh:
            out.schema_change(self._creation())
            out.promise(1, {"next": 0})
        while self._next < self._node.ticks and not out.stopping:
            stop = min(self._next + self._node.at_once, self._node.ticks)
            out.batch(self._batch(self._next, stop))
            # Everything at or below this commit-ts was sent: a run that resumes with this cursor sends the rest.
            out.promise(_commit_ts(stop - 1), {"next": stop})
            self._next = stop

    def _creation(self) -> SchemaChange:
        query = "CREATE TABLE `ticks` (`id` BIGINT PRIMARY KEY, `said` VARCHAR(40))"
        made = TableChange(None, None, DISPATCHER, self._schema, query)
        return SchemaChange(self._partition, 1, DdlKind.CREATE_TABLE, query, (made,), "ticker")

    def _batch(self, start: int, stop: int) -> ChangeBatch:
        ids = range(start, stop)
        rows = pa.RecordBatch.from_arrays(
            [pa.array(ids, pa.int64()), pa.array([f"tick {number}" for number in ids], pa.utf8())],
            schema=self._schema.arrow_schema,
        )
        return ChangeBatch.of(
            partition=self._partition,
            dispatcher=DISPATCHER,
            schema=self._schema,
            rows=rows,
            ops=pa.array([int(Op.INSERT)] * len(ids), pa.uint8()),
            commit_ts=pa.array([_commit_ts(number) for number in ids], pa.uint64()),
            ordinals=pa.array([0] * len(ids), pa.uint32()),
        )


def _commit_ts(tick: int) -> int:
    """Commit-ts rise with the order of commits, and are the same in every run."""
    return 2 + tick
