"""`redact`: a transform that hides the values of columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from afterbay import Capabilities, ChangeBatch, Transform, TransformContext, TransformOperator
from afterbay.schema import Json


class Redact(Transform[ChangeBatch, ChangeBatch]):
    """Writes `instead` over every value of the text columns `columns`, in rows and before-images; NULL stays NULL."""

    type_name: ClassVar[str] = "redact"
    summary: ClassVar[str] = "hides the values of columns"
    capabilities: ClassVar[Capabilities] = Capabilities(parallel=True)

    columns: Annotated[tuple[str, ...], Field(min_length=1, description="names of text columns, of any table")]
    instead: Annotated[str, Field(description="what is written over them")] = "***"

    def identity(self) -> Mapping[str, Json]:
        """Other columns would hide what earlier files show: the state refuses them."""
        return {"columns": list(self.columns)}

    def open(self, context: TransformContext) -> TransformOperator[ChangeBatch, ChangeBatch]:
        """One instance a thread."""
        return _Redact(self)


class _Redact(TransformOperator[ChangeBatch, ChangeBatch]):
    def __init__(self, node: Redact) -> None:
        self._columns = frozenset(node.columns)
        self._instead = pa.scalar(node.instead)

    def process(self, item: ChangeBatch) -> ChangeBatch:
        before = None if item.before is None else self._hidden(item.before)
        return replace(item, rows=self._hidden(item.rows), before=before)

    def _hidden(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        for at, field in enumerate(rows.schema):
            if field.name in self._columns and pa.types.is_string(field.type):
                column = rows.column(at)
                over = pc.if_else(pc.is_valid(column), self._instead, pa.scalar(None, pa.utf8()))
                rows = rows.set_column(at, field, over)
        return rows
