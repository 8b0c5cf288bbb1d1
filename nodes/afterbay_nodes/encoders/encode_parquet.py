"""The Parquet encoder: the node and its operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from afterbay.messages import ChangeBatch, EncodedBatch, FileFormat
from afterbay.node import Capabilities, Transform, TransformContext, TransformOperator
from afterbay.printable import visible
from afterbay.schema import Json, TableSchema
from afterbay_nodes.constants import constants
from afterbay_nodes.encoders.described import (
    BEFORE,
    COMMIT_TS,
    LETTERS,
    OPERATION,
    ORDINAL,
    TABLE_KEY,
    as_text,
    table_facts,
    updates,
)
from afterbay_nodes.encoders.envelope import encoded
from afterbay_nodes.encoders.intake import Intake, before_images
from afterbay_nodes.encoders.parquet_columns import (
    ParquetColumn,
    ParquetForms,
    TemporalForm,
    WideDecimalForm,
    parquet_columns,
)
from afterbay_nodes.encoders.parquet_file import Compression, ParquetAssembler, message_of
from afterbay_nodes.per_schema import PerSchema

_LETTERS = constants(*LETTERS)


class EncodeParquet(Transform[ChangeBatch, EncodedBatch]):
    """Writes changes as Parquet: `_op`, `_commit_ts` and `_ordinal`, then the table's columns in types true to theirs.

    One flush is one file. Until then the rows rest in the spool as Arrow columns, and `file_size` of `cloud_storage`
    counts those: a Parquet file is several times smaller. Dates and times are text, because zero dates have no other
    form; decimals of up to 38 digits are exact decimals. Each column's logical type is in its field's metadata.
    """

    type_name: ClassVar[str] = "encode_parquet"
    summary: ClassVar[str] = "change batches as Parquet, one file a flush"
    capabilities: ClassVar[Capabilities] = Capabilities(parallel=True)

    compression: Compression = Field("zstd", description="of the column chunks")
    temporal: TemporalForm = Field(
        "text",
        description="dates and times as text, or native: date32, timestamp, time64; a value without such a form, like "
        "a zero date, then ends the run",
    )
    wide_decimals: WideDecimalForm = Field(
        "text",
        description="decimals of more than 38 digits: text, or decimal256, which Polars refuses and DuckDB rounds",
    )
    output_old_value: bool = Field(False, description="Adds `_before`, the row before an update.")

    @property
    def forms(self) -> ParquetForms:
        """How values that readers disagree about are stored."""
        return ParquetForms(self.temporal, self.wide_decimals)

    def identity(self) -> Mapping[str, Json]:
        """The options that change the columns. Any reader takes files of several compressions side by side."""
        return self.model_dump(mode="json", exclude={"compression"})

    def facts(self) -> Mapping[str, str]:
        """The options that differ from their defaults."""
        return {name: visible(str(value)) for name, value in self.model_dump(exclude_defaults=True).items()}

    def open(self, context: TransformContext) -> ParquetEncoder:
        """One instance, for one thread."""
        return ParquetEncoder(self, context.node)


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """What an encoder knows of one table at one schema version. `schema` is that of its files."""

    intake: Intake
    columns: tuple[ParquetColumn, ...]
    schema: pa.Schema
    format: FileFormat


class ParquetEncoder(TransformOperator[ChangeBatch, EncodedBatch]):
    """Turns batches into the file's columns; keeps only what it knows of each table. Used by one thread."""

    def __init__(self, options: EncodeParquet, node: str) -> None:
        self._options = options
        self._node = node
        self._tables: PerSchema[ParquetTable] = PerSchema(self._table)

    def process(self, item: ChangeBatch) -> EncodedBatch:
        """`item` as an Arrow message. Raises RunFailed if its rows are not what its schema says, or have no form."""
        table = self._tables[item.schema]
        table.intake.check(item, self._node, before=self._options.output_old_value)
        columns = [_LETTERS.take(item.ops), item.commit_ts, item.ordinals, *self._image(item, item.rows, table)]
        if self._options.output_old_value:
            columns.append(self._before(item, table))
        rows = pa.RecordBatch.from_arrays(columns, schema=table.schema)
        return encoded(item, table.format, (message_of(rows),))

    def _table(self, schema: TableSchema) -> ParquetTable:
        intake = Intake.of(schema, self._node)
        columns = parquet_columns(schema.stored_columns, self._options.forms)
        fields = [column.field for column in columns]
        own = [
            pa.field(OPERATION, pa.utf8(), nullable=False),
            pa.field(COMMIT_TS, pa.uint64(), nullable=False),
            pa.field(ORDINAL, pa.uint32(), nullable=False),
        ]
        before = [pa.field(BEFORE, pa.struct(fields))] if self._options.output_old_value else []
        metadata = {TABLE_KEY: as_text(table_facts(schema))}
        arrow = pa.schema([*own, *fields, *before], metadata)
        assembler = ParquetAssembler(arrow, self._options.compression)
        return ParquetTable(intake, columns, arrow, FileFormat("parquet", assembler=assembler))

    def _image(self, batch: ChangeBatch, image: pa.RecordBatch, table: ParquetTable) -> list[pa.Array]:
        return [
            column.of(stored, batch, self._node) for column, stored in zip(table.columns, image.columns, strict=True)
        ]

    def _before(self, batch: ChangeBatch, table: ParquetTable) -> pa.Array:
        """The before-images of updates, null for the other changes."""
        type_ = table.schema.field(BEFORE).type
        changed = updates(batch)
        if not changed.true_count:
            return pa.nulls(batch.num_rows, type_)
        image = self._image(batch, before_images(batch, self._node), table)
        return pa.StructArray.from_arrays(image, fields=list(type_), mask=pc.invert(changed))
