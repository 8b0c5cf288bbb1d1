"""Tiny node types for tests of the compiler. They are declared, never opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal

from pydantic import Field, SecretStr, field_validator

from afterbay.compile.registry import Registry
from afterbay.errors import Diagnostic, PipelineInvalid
from afterbay.messages import ChangeBatch, EncodedBatch, SpoolEntry
from afterbay.node import (
    Capabilities,
    Sink,
    SinkContext,
    SinkOperator,
    Source,
    SourceContext,
    SourceOperator,
    Transform,
    TransformContext,
    TransformOperator,
)
from afterbay.schema import Json
from afterbay.units import ByteSize, Duration, format_bytes


class Numbers(Source[ChangeBatch]):
    """Counts. It has as many partitions as `parts`, which share a clock if `clock` names one."""

    type_name: ClassVar[str] = "numbers"
    summary: ClassVar[str] = "counts"

    rows: int = Field(10, ge=0)
    parts: int = 1
    clock: str | None = None

    def partitions(self) -> tuple[str, ...]:
        return ("",) if self.parts == 1 else tuple(str(part) for part in range(self.parts))

    def clock_group(self) -> str | None:
        return self.clock

    @property
    def ends(self) -> bool:
        return True

    def open(self, context: SourceContext) -> SourceOperator:
        raise AssertionError("the compiler opens nothing")


class Keep(Transform[ChangeBatch, ChangeBatch]):
    """Drops what `rules` leave out."""

    type_name: ClassVar[str] = "keep"
    capabilities: ClassVar[Capabilities] = Capabilities(filters=True)

    rules: tuple[str, ...] = ()

    def open(self, context: TransformContext) -> TransformOperator[ChangeBatch, ChangeBatch]:
        raise AssertionError("the compiler opens nothing")


class Same(Transform[ChangeBatch, ChangeBatch]):
    """Passes everything."""

    type_name: ClassVar[str] = "same"

    def open(self, context: TransformContext) -> TransformOperator[ChangeBatch, ChangeBatch]:
        raise AssertionError("the compiler opens nothing")


class Split(Transform[ChangeBatch, ChangeBatch]):
    """Two outputs; a table goes to one of them."""

    type_name: ClassVar[str] = "split"
    out_ports: ClassVar[tuple[str, ...]] = ("east", "west")

    def open(self, context: TransformContext) -> TransformOperator[ChangeBatch, ChangeBatch]:
        raise AssertionError("the compiler opens nothing")


class Encode(Transform[ChangeBatch, EncodedBatch]):
    """Makes bytes."""

    type_name: ClassVar[str] = "encode"
    capabilities: ClassVar[Capabilities] = Capabilities(parallel=True)

    style: Literal["long", "short"] = "long"
    delimiter: str = Field(",", description="between two columns")

    @field_validator("delimiter")
    @classmethod
    def _short(cls, value: str) -> str:
        if not 1 <= len(value) <= 3:
            raise ValueError("a delimiter has 1 to 3 characters")
        return value

    def open(self, context: TransformContext) -> TransformOperator[ChangeBatch, EncodedBatch]:
        raise AssertionError("the compiler opens nothing")


class Rest(Transform[EncodedBatch, SpoolEntry]):
    """A spool."""

    type_name: ClassVar[str] = "rest"
    capabilities: ClassVar[Capabilities] = Capabilities(spools=True)

    disk_quota: ByteSize = 1 << 30
    segment: ByteSize | None = None

    def check(self) -> Iterable[Diagnostic]:
        if self.segment is not None and self.segment > self.disk_quota:
            yield Diagnostic(
                "spool.segment",
                f"segment {format_bytes(self.segment)} is larger than disk_quota {format_bytes(self.disk_quota)}",
                hint="give segment at most disk_quota",
                field="segment",
            )

    def open(self, context: TransformContext) -> TransformOperator[EncodedBatch, SpoolEntry]:
        raise AssertionError("the compiler opens nothing")


class Store(Sink[SpoolEntry]):
    """Keeps everything, in one commit order."""

    type_name: ClassVar[str] = "store"
    capabilities: ClassVar[Capabilities] = Capabilities(sharded=True, settles=True, single_clock=True)

    uri: str = Field(description="where to store")
    shards: int = 16
    file_size: ByteSize = 64 << 20
    flush_interval: Duration = 5.0
    password: SecretStr | None = None

    @field_validator("uri")
    @classmethod
    def _known(cls, value: str) -> str:
        if value.startswith("ftp:"):
            raise PipelineInvalid("uri.scheme", "ftp is no store", hint="use file")
        return value

    @property
    def shard_count(self) -> int:
        return self.shards

    def exclusive_root(self) -> str:
        return self.uri

    def identity(self) -> Mapping[str, Json]:
        return {"root": self.uri}

    def open(self, context: SinkContext) -> SinkOperator[SpoolEntry]:
        raise AssertionError("the compiler opens nothing")


class Hole(Sink[ChangeBatch | EncodedBatch | SpoolEntry]):
    """Takes anything."""

    type_name: ClassVar[str] = "hole"
    capabilities: ClassVar[Capabilities] = Capabilities(settles=True)

    def open(self, context: SinkContext) -> SinkOperator[ChangeBatch | EncodedBatch | SpoolEntry]:
        raise AssertionError("the compiler opens nothing")


class Leak(Sink[ChangeBatch]):
    """Takes changes and settles none."""

    type_name: ClassVar[str] = "leak"

    def open(self, context: SinkContext) -> SinkOperator[ChangeBatch]:
        raise AssertionError("the compiler opens nothing")


REGISTRY = Registry().with_nodes(Numbers, Keep, Same, Split, Encode, Rest, Store, Hole, Leak)
