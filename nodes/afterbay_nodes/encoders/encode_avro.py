"""The Avro encoder: the node and its operator."""

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
from afterbay_nodes.encoders.avro_block import block
from afterbay_nodes.encoders.avro_rows import AvroChanges, Pieces, column_pieces, rows_of
from afterbay_nodes.encoders.avro_schema import Codec, avro_schema, header_of, library, marker_of
from afterbay_nodes.encoders.described import updates
from afterbay_nodes.encoders.envelope import encoded
from afterbay_nodes.encoders.intake import Intake, before_images, refused
from afterbay_nodes.encoders.joining import body_of
from afterbay_nodes.per_schema import PerSchema

_LARGEST_LONG = (1 << 63) - 1


class EncodeAvro(Transform[ChangeBatch, EncodedBatch]):
    """Writes changes as Avro object container files: the schema in the file, a block a batch, no registry.

    A record has `_op`, `_commit_ts` and `_ordinal`, then the table's columns, each a union with null. Numbers are
    numbers; unsigned bigint, bit, decimals, dates and times are text, because Avro has no number that holds them all;
    enum and set are their names. Each column's true name and logical type is in its field's properties.
    """

    type_name: ClassVar[str] = "encode_avro"
    summary: ClassVar[str] = "change batches as Avro, the schema in the file"
    capabilities: ClassVar[Capabilities] = Capabilities(parallel=True)
    extras: ClassVar[tuple[str, ...]] = ("avro",)

    codec: Codec = Field("deflate", description="how blocks are compressed; every Avro reader knows none and deflate")
    output_old_value: bool = Field(False, description="Adds `_before`, the row before an update.")

    def identity(self) -> Mapping[str, Json]:
        """The options that change the record. Each file names its codec, so that may change."""
        return self.model_dump(mode="json", exclude={"codec"})

    def facts(self) -> Mapping[str, str]:
        """The options that differ from their defaults."""
        return {name: visible(str(value)) for name, value in self.model_dump(exclude_defaults=True).items()}

    def open(self, context: TransformContext) -> AvroEncoder:
        """One instance, for one thread. Raises EnvironmentRefused if fastavro is not installed."""
        library()
        return AvroEncoder(self, context.node)


@dataclass(frozen=True, slots=True)
class AvroTable:
    """What an encoder knows of one table at one schema version."""

    intake: Intake
    columns: tuple[Pieces, ...]
    marker: bytes
    format: FileFormat


class AvroEncoder(TransformOperator[ChangeBatch, EncodedBatch]):
    """Turns each batch into one block; keeps only what it knows of each table. Used by one thread."""

    def __init__(self, options: EncodeAvro, node: str) -> None:
        self._options = options
        self._node = node
        self._tables: PerSchema[AvroTable] = PerSchema(self._table)

    def process(self, item: ChangeBatch) -> EncodedBatch:
        """`item` as a block. Raises RunFailed if its rows are not what its schema says."""
        table = self._tables[item.schema]
        table.intake.check(item, self._node, before=self._options.output_old_value)
        self._check_commit_ts(item)
        rows = rows_of(self._changes(item), table.columns)
        body = block(item.num_rows, body_of(rows), self._options.codec, table.marker)
        return encoded(item, table.format, body)

    def _table(self, schema: TableSchema) -> AvroTable:
        intake = Intake.of(schema, self._node)
        record = avro_schema(schema, before=self._options.output_old_value)
        header = header_of(record, self._options.codec)
        columns = tuple(column_pieces(column) for column in schema.stored_columns)
        return AvroTable(intake, columns, marker_of(record), FileFormat("avro", header))

    def _changes(self, batch: ChangeBatch) -> AvroChanges:
        plain = AvroChanges(batch.ops, batch.commit_ts, batch.ordinals, batch.rows.columns)
        if not self._options.output_old_value:
            return plain
        changed = updates(batch)
        before = before_images(batch, self._node).columns if changed.true_count else None
        return AvroChanges(plain.ops, plain.commit_ts, plain.ordinals, plain.columns, changed, before)

    def _check_commit_ts(self, batch: ChangeBatch) -> None:
        if pc.max(batch.commit_ts).as_py() > _LARGEST_LONG:
            row = pc.index(pc.greater(batch.commit_ts, pa.scalar(_LARGEST_LONG, pa.uint64())), True).as_py()
            raise refused(
                batch,
                self._node,
                "encode.commit_ts",
                "the commit-ts needs 64 bits, and Avro's long has 63 for it",
                row=row,
                hint="encode_parquet, encode_csv and encode_canal_json hold it",
            )
