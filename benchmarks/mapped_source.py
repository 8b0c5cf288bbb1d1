"""The benchmarks' source node: table batches read from mapped files, as a real source would give them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from afterbay.messages import ChangeBatch
from afterbay.node import Outlet, Source, SourceContext, SourceOperator
from afterbay.positions import ResumePoint
from afterbay.schema import Json
from benchmarks.rows import Mapped, Shape, table_schema


class MappedChanges(Source[ChangeBatch]):
    """Sends the rows of `content` in the order of `order`, cut by the shape, and promises at each round's end.

    `before_images` gives updates their before-images, which canal-json needs and CSV does not.
    """

    type_name: ClassVar[str] = "mapped_changes"
    summary: ClassVar[str] = "the benchmarks' mapped rows"

    content: Path
    order: Path
    rows: int
    tables: int
    batch: int
    transaction: int
    before_images: bool = False

    @classmethod
    def of(cls, mapped: Mapped, *, before_images: bool = False) -> MappedChanges:
        """The node for a prepared input."""
        shape = mapped.shape
        return cls(
            content=mapped.content,
            order=mapped.order,
            rows=shape.rows,
            tables=shape.tables,
            batch=shape.batch,
            transaction=shape.transaction,
            before_images=before_images,
        )

    @property
    def ends(self) -> bool:
        return True

    def identity(self) -> Mapping[str, Json]:
        return {"rows": self.rows, "tables": self.tables, "batch": self.batch, "transaction": self.transaction}

    def open(self, context: SourceContext) -> SourceOperator:
        shape = Shape(self.rows, self.tables, self.batch, self.transaction)
        return _MappedOperator(Mapped(self.content, self.order, shape), context, before_images=self.before_images)


class _MappedOperator(SourceOperator):
    """The cursor is the number of the next batch, always the first of a round."""

    def __init__(self, mapped: Mapped, context: SourceContext, *, before_images: bool) -> None:
        self._mapped = mapped
        self._partition = context.partition
        self._resume: ResumePoint | None = context.resume
        self._before_images = before_images

    def run(self, out: Outlet) -> None:
        shape = self._mapped.shape
        schemas = [table_schema(number) for number in range(shape.tables)]
        names = [f"{schema.name.schema}.{schema.name.table}" for schema in schemas]
        start = 0 if self._resume is None else int(str(self._resume.cursor["batch"]))
        if self._resume is None:
            for name, schema in zip(names, schemas, strict=True):
                out.announce(name, schema)
        for part in self._mapped.batches(start):
            out.batch(
                ChangeBatch.of(
                    partition=self._partition,
                    dispatcher=names[part.table],
                    schema=schemas[part.table],
                    rows=part.rows,
                    ops=part.ops,
                    commit_ts=part.commit_ts,
                    ordinals=part.ordinals,
                    before=part.before if self._before_images else None,
                )
            )
            after = part.number + 1
            if after % shape.tables == 0 or after == shape.batches:
                out.promise(shape.last_ts(part.number), {"batch": after})
                if out.stopping:
                    return
