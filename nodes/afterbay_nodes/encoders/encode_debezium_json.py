"""The Debezium JSON encoder: the node and its operator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from pydantic import Field, field_validator

from afterbay.clock import Clock
from afterbay.errors import Diagnostic
from afterbay.messages import ChangeBatch, EncodedBatch, FileFormat, Op
from afterbay.node import Capabilities, Transform, TransformContext, TransformOperator
from afterbay.printable import visible
from afterbay.schema import Json
from afterbay_nodes.encoders.debezium_lines import DebeziumForm, DebeziumImages, Envelope, debezium_lines
from afterbay_nodes.encoders.debezium_table import DebeziumModes, DebeziumTable, DecimalMode, TemporalMode
from afterbay_nodes.encoders.envelope import encoded
from afterbay_nodes.encoders.epoch import is_known_zone
from afterbay_nodes.encoders.intake import before_images, first_failing, is_wide, op_counts, refused, widened
from afterbay_nodes.encoders.joining import body_of
from afterbay_nodes.encoders.line_end import LineEnd
from afterbay_nodes.encoders.wall_time import now_ms
from afterbay_nodes.per_schema import PerSchema

_FORMAT = FileFormat("json")
_UTC = "UTC"
_SHOWN = 40  # characters of a value in an error
_HINTS = {
    "decimal": "write decimals as text (`decimal_mode: string`), or let the source tell the column's scale",
    "bit": "the column is wider than the schema says: let the source tell its width",
} | dict.fromkeys(
    ("date", "datetime", "timestamp", "time"),
    "write dates and times as text (`temporal_mode: string`); a zero date is on no calendar",
)


class EncodeDebeziumJson(Transform[ChangeBatch, EncodedBatch]):
    """Writes changes as Debezium change events: one JSON object a row, with `before`, `after`, `source` and `op`.

    The envelope is that of Debezium's MySQL connector without schemas; `source` has the commit-ts and the ordinal, by
    which a reader orders and deduplicates. Nothing is lost by default: decimals, dates and times are text. With
    `temporal_mode: debezium` they are Debezium's numbers, which a zero date does not have: it is refused.
    """

    type_name: ClassVar[str] = "encode_debezium_json"
    summary: ClassVar[str] = "change batches as Debezium change events, one JSON object a line"
    capabilities: ClassVar[Capabilities] = Capabilities(parallel=True)

    terminator: LineEnd = "\r\n"
    envelope: Envelope = Field(
        "bare", description="`bare`: the event itself, as Debezium writes it; `payload`: inside one, as TiCDC does."
    )
    source_name: str = Field("afterbay", description="The logical name of the source: `source.name`.")
    output_old_value: bool = Field(True, description="Writes the row before an update; else `before` is null there.")
    decimal_mode: DecimalMode = Field(
        "string", description="`string`: decimals as text; `precise`: as base64 of their unscaled bytes."
    )
    temporal_mode: TemporalMode = Field(
        "string",
        description="`string`: dates and times as text; `debezium`: as days, milli- and microseconds, and UTC.",
    )
    time_zone: str = Field(
        _UTC,
        description="The time zone of TIMESTAMP text, with `temporal_mode: debezium`.",
        examples=["UTC", "Asia/Shanghai"],
    )

    @field_validator("source_name")
    @classmethod
    def _is_text(cls, name: str) -> str:
        name.encode()  # a lone surrogate raises a ValueError
        return name

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, zone: str) -> str:
        if not is_known_zone(zone):
            raise ValueError(f"the time zone {zone!r} is not known here")
        return zone

    def check(self) -> Iterable[Diagnostic]:
        """A time zone that is not used is a misunderstanding."""
        if self.time_zone != _UTC and self.temporal_mode == "string":
            yield Diagnostic(
                "node.option",
                "`time_zone` is set, but timestamps are written as the text that they are",
                hint="set `temporal_mode: debezium`, or leave `time_zone` out",
                field="time_zone",
            )

    def identity(self) -> Mapping[str, Json]:
        """Every option changes the bytes."""
        return self.model_dump(mode="json")

    def facts(self) -> Mapping[str, str]:
        """The options that differ from their defaults."""
        return {name: visible(str(value)) for name, value in self.model_dump(exclude_defaults=True).items()}

    def open(self, context: TransformContext) -> DebeziumJsonEncoder:
        """One instance, for one thread."""
        return DebeziumJsonEncoder(self, context.node, context.clock)


class DebeziumJsonEncoder(TransformOperator[ChangeBatch, EncodedBatch]):
    """Encodes batch by batch; keeps only what it knows of each table. Used by one thread."""

    def __init__(self, options: EncodeDebeziumJson, node: str, clock: Clock) -> None:
        self._node = node
        self._clock = clock
        self._old_values = options.output_old_value
        self._form = DebeziumForm(options.envelope, options.terminator.encode())
        modes = DebeziumModes(options.decimal_mode, options.temporal_mode, options.time_zone)
        name = options.source_name
        self._tables: PerSchema[DebeziumTable] = PerSchema(
            lambda schema: DebeziumTable.of(schema, node, name, modes),
        )

    def process(self, item: ChangeBatch) -> EncodedBatch:
        """`item` as events. Raises RunFailed if a row is not what its schema says, or has a value without a form."""
        table = self._tables[item.schema]
        table.intake.check(item, self._node, before=self._old_values)
        images = self._images(item)
        try:
            lines = debezium_lines(item, images, table, self._form, now_ms(self._clock))
        except ValueError:
            self._refuse_row(item, images, table)
            raise
        return encoded(item, _FORMAT, (body_of(lines),))

    def _images(self, batch: ChangeBatch) -> DebeziumImages:
        wide = is_wide(batch)
        image = widened(batch.rows) if wide else batch.rows
        if not self._old_values or not op_counts(batch)[Op.UPDATE]:
            return DebeziumImages(image, None)
        before = before_images(batch, self._node)
        return DebeziumImages(image, widened(before) if wide else before)

    def _refuse_row(self, batch: ChangeBatch, images: DebeziumImages, table: DebeziumTable) -> None:
        """Finds the value that has no form, and raises RunFailed with its place."""
        for image in (images.image, images.before):
            if image is None:
                continue
            for column in table.columns:
                values = image.column(column.index)
                row = first_failing(values, column.kernel)
                if row is None:
                    continue
                raise refused(
                    batch,
                    self._node,
                    f"encode.{column.column.type}",
                    f"column '{visible(column.column.name)}' holds the {column.column.type} "
                    f"'{visible(str(values[row])[:_SHOWN])}', which these options have no form for",
                    row=row,
                    hint=_HINTS.get(column.column.type),
                )
