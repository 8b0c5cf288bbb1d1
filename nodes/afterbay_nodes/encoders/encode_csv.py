"""The CSV encoder: the node and its operator."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from afterbay.messages import ChangeBatch, EncodedBatch, Op
from afterbay.node import Capabilities, Transform, TransformContext, TransformOperator
from afterbay.printable import visible
from afterbay.schema import Json
from afterbay_nodes.encoders.csv_dialect import CsvDialect
from afterbay_nodes.encoders.csv_lines import CsvRows, arrow_writer, joined_lines, with_old_values, written
from afterbay_nodes.encoders.csv_table import CLASH_HINT, BinaryEncoding, CsvMeta, CsvTable, csv_table
from afterbay_nodes.encoders.envelope import encoded
from afterbay_nodes.encoders.float_text import in_short_range
from afterbay_nodes.encoders.intake import before_images, is_wide, refused, widened
from afterbay_nodes.per_schema import PerSchema


class EncodeCsv(Transform[ChangeBatch, EncodedBatch]):
    """Writes changes as CSV lines: operation, table, schema, [commit-ts], [is-update], then the table's columns.

    Text is quoted and its quotes doubled; with `quote: ""` it is escaped by backslashes instead. NULL is the bare
    `null` string. Numbers stand bare; decimals, dates, enum and set names are text; bytes are base64 or hex.
    """

    type_name: ClassVar[str] = "encode_csv"
    summary: ClassVar[str] = "change batches as CSV lines"
    capabilities: ClassVar[Capabilities] = Capabilities(parallel=True)

    delimiter: str = Field(",", description="Between fields: 1 to 3 bytes.", examples=[",", "\t", "|+|"])
    quote: str = Field('"', description="Around text: one byte, or empty for backslash escapes.", examples=['"', ""])
    null: str = Field("\\N", description="What stands, unquoted, for NULL.", examples=["\\N", "NULL"])
    terminator: str = Field("\r\n", description="Ends every line.", examples=["\r\n", "\n"])
    include_commit_ts: bool = Field(False, description="Adds the commit-ts as column 4.")
    binary_encoding_method: BinaryEncoding = Field("base64", description="How bytes are written.")
    output_old_value: bool = Field(
        False, description="Writes an update as a delete of the old and an insert of the new row; adds is-update."
    )
    output_field_header: bool = Field(False, description="Opens each file with a line of column names.")

    @model_validator(mode="after")
    def _readable(self) -> EncodeCsv:
        if faults := self.dialect.faults():
            # Each says first which option it is about; the finding is marked there.
            raise PydanticCustomError(
                "csv_dialect", "{text}", {"text": "; ".join(faults), "field": faults[0].split()[0]}
            )
        return self

    @cached_property
    def dialect(self) -> CsvDialect:
        """The options that shape a single value."""
        return CsvDialect(self.delimiter, self.quote, self.null, self.terminator)

    def identity(self) -> Mapping[str, Json]:
        """Every option changes the bytes."""
        return self.model_dump(mode="json")

    def facts(self) -> Mapping[str, str]:
        """The options that differ from their defaults."""
        return {name: visible(str(value)) for name, value in self.model_dump(exclude_defaults=True).items()}

    def open(self, context: TransformContext) -> CsvEncoder:
        """One instance, for one thread."""
        return CsvEncoder(self, context.node)


class CsvEncoder(TransformOperator[ChangeBatch, EncodedBatch]):
    """Encodes batch by batch; keeps only what it knows of each table. Used by one thread."""

    def __init__(self, options: EncodeCsv, node: str) -> None:
        self._node = node
        self._dialect = dialect = options.dialect
        self._meta = meta = CsvMeta(
            commit_ts=options.include_commit_ts,
            is_update=options.output_old_value,
            header=options.output_field_header,
            binary=options.binary_encoding_method,
        )
        self._writer = arrow_writer(dialect) if dialect.suits_arrow else None
        self._tables: PerSchema[CsvTable] = PerSchema(lambda schema: csv_table(schema, dialect, meta, self._node))

    def process(self, item: ChangeBatch) -> EncodedBatch:
        """`item` as lines. Raises RunFailed if its rows are not what its schema says."""
        table = self._tables[item.schema]
        table.intake.check(item, self._node, before=self._meta.is_update)
        rows = self._rows(item, table)
        if self._writer is not None and all(in_short_range(rows.columns[index]) for index in table.floats):
            body = written(rows, item.schema.name, self._writer)
        else:
            body = joined_lines(rows, table, self._dialect)
        return encoded(item, table.format, (body,))

    def _rows(self, batch: ChangeBatch, table: CsvTable) -> CsvRows:
        wide = is_wide(batch)
        image = widened(batch.rows) if wide else batch.rows
        ops, commit_ts, columns = batch.ops, batch.commit_ts, image.columns
        is_update: pa.Array | None = None
        if self._dialect.may_clash:
            self._refuse_clashes(batch, image, table)
        if self._meta.is_update:
            if pc.any(pc.equal(ops, pa.scalar(int(Op.UPDATE), pa.uint8()))).as_py():
                before = before_images(batch, self._node)
                old = widened(before) if wide else before
                if self._dialect.may_clash:
                    self._refuse_clashes(batch, old, table)
                ops, commit_ts, is_update, *columns = with_old_values(batch, old, image)
            else:
                is_update = pa.repeat(False, batch.num_rows)
        texts = (text(column) if text else column for text, column in zip(table.texts, columns, strict=True))
        return CsvRows(ops, commit_ts if self._meta.commit_ts else None, is_update, tuple(texts))

    def _refuse_clashes(self, batch: ChangeBatch, image: pa.RecordBatch, table: CsvTable) -> None:
        """Raises RunFailed at the first text that could not be told from NULL or a line's end."""
        for column, text, values in zip(batch.schema.stored_columns, table.texts, image.columns, strict=True):
            if text is None and pa.types.is_primitive(values.type):
                continue
            if clash := self._dialect.clash(text(values) if text else values):
                raise refused(
                    batch,
                    self._node,
                    "csv.clash",
                    f"column '{visible(column.name)}' holds a value that {clash.why}; it could not be read back",
                    row=clash.row,
                    hint=CLASH_HINT,
                )
