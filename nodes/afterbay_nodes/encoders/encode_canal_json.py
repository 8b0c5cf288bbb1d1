"""The canal-json encoder: the node and its operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from afterbay.clock import Clock
from afterbay.messages import ChangeBatch, EncodedBatch, FileFormat, Op
from afterbay.node import Capabilities, Transform, TransformContext, TransformOperator
from afterbay.printable import visible
from afterbay.schema import Json
from afterbay_nodes.encoders.canal_lines import CanalForm, CanalRows, canal_lines, interleaved
from afterbay_nodes.encoders.canal_table import CanalTables
from afterbay_nodes.encoders.envelope import encoded
from afterbay_nodes.encoders.intake import before_images, is_wide, widened
from afterbay_nodes.encoders.joining import body_of
from afterbay_nodes.encoders.line_end import LineEnd
from afterbay_nodes.encoders.wall_time import commit_ms, now_ms
from afterbay_nodes.per_schema import PerSchema

_FORMAT = FileFormat("json")


class EncodeCanalJson(Transform[ChangeBatch, EncodedBatch]):
    """Writes changes as canal-json: one JSON object a row, values as strings, with MySQL and Java types.

    An update carries the row before it in `old`. With `enable_tidb_extension` (on here, off in TiCDC) each row carries
    its commit-ts, without which a reader can neither order nor deduplicate.
    """

    type_name: ClassVar[str] = "encode_canal_json"
    summary: ClassVar[str] = "change batches as canal-json, one object a line"
    capabilities: ClassVar[Capabilities] = Capabilities(parallel=True)

    terminator: LineEnd = "\r\n"
    enable_tidb_extension: bool = Field(True, description="Adds `_tidb` with the commit-ts.")
    content_compatible: bool = Field(
        False, description="Writes full MySQL types (`varchar(16)`), and only the changed columns in `old`."
    )
    only_output_updated_columns: bool = Field(False, description="Writes only the changed columns in `old`.")
    delete_only_output_handle_key_columns: bool = Field(
        False, description="Writes only the handle key of a deleted row, if its table has one."
    )

    def identity(self) -> Mapping[str, Json]:
        """Every option changes the bytes."""
        return self.model_dump(mode="json")

    def facts(self) -> Mapping[str, str]:
        """The options that differ from their defaults."""
        return {name: visible(str(value)) for name, value in self.model_dump(exclude_defaults=True).items()}

    def open(self, context: TransformContext) -> CanalJsonEncoder:
        """One instance, for one thread."""
        return CanalJsonEncoder(self, context.node, context.clock)


class CanalJsonEncoder(TransformOperator[ChangeBatch, EncodedBatch]):
    """Encodes batch by batch; keeps only what it knows of each table. Used by one thread."""

    def __init__(self, options: EncodeCanalJson, node: str, clock: Clock) -> None:
        self._node = node
        self._clock = clock
        self._form = CanalForm(
            tidb_extension=options.enable_tidb_extension,
            only_updated=options.only_output_updated_columns or options.content_compatible,
            terminator=options.terminator.encode(),
        )
        self._tables: PerSchema[CanalTables] = PerSchema(
            lambda schema: CanalTables.of(
                schema,
                node,
                full_type=options.content_compatible,
                handle_deletes=options.delete_only_output_handle_key_columns,
            )
        )

    def process(self, item: ChangeBatch) -> EncodedBatch:
        """`item` as lines. Raises RunFailed if its rows are not what its schema says, or updates have no old values."""
        tables = self._tables[item.schema]
        tables.intake.check(item, self._node, before=True)
        return encoded(item, _FORMAT, (body_of(self._lines(self._rows(item), tables)),))

    def _rows(self, batch: ChangeBatch) -> CanalRows:
        wide = is_wide(batch)
        updates = pc.equal(batch.ops, pa.scalar(int(Op.UPDATE), pa.uint8()))
        before: pa.RecordBatch | None = None
        if pc.any(updates).as_py():
            before = before_images(batch, self._node)
            before = widened(before) if wide else before
        image = widened(batch.rows) if wide else batch.rows
        return CanalRows(batch.ops, commit_ms(batch), batch.commit_ts, image, updates, before)

    def _lines(self, rows: CanalRows, tables: CanalTables) -> pa.Array:
        ts = now_ms(self._clock)
        if tables.deletes is None:
            return canal_lines(rows, tables.full, self._form, ts)
        deletes = pc.equal(rows.ops, pa.scalar(int(Op.DELETE), pa.uint8()))
        others = canal_lines(rows.where(pc.invert(deletes)), tables.full, self._form, ts)
        return interleaved(others, canal_lines(rows.where(deletes), tables.deletes, self._form, ts), deletes)
