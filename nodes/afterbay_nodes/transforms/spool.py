"""The `spool` node: the reservoir between the encoders and a sink."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator

from afterbay.errors import Diagnostic
from afterbay.messages import EncodedBatch, SpoolEntry
from afterbay.node import Capabilities, SpoolOperator, Transform, TransformContext
from afterbay.spool.limits import DEFAULT_QUOTA, Limits
from afterbay.units import ByteSize, format_bytes


class Spool(Transform[EncodedBatch, SpoolEntry]):
    """Takes encoded batches to rest, so that a slow or absent store does not stop the source.

    Batches stay in memory up to three quarters of `memory`, then go to segment files; both together stay within
    `disk_quota`. Above 80 % of it the source is held back and the sink flushes, until 60 %. What lies here can be sent
    again by the source: a start discards what the last run left and goes on from the checkpoint.

    Each batch costs 1.5 KiB of `memory` beside its rows, on disk too; the last quarter is kept for that. So small
    batches use up `memory` before `disk_quota`: with the defaults 43 690 batches are sure of their place on disk, and
    10 GiB are full only with batches of 240 KiB or more. `plan` tells the number; four times the `memory` is four times
    the batches. A run that is held back for its memory says so, once as a warning and in its progress.
    """

    type_name: ClassVar[str] = "spool"
    summary: ClassVar[str] = "absorbs a slow store: memory first, then segment files, within a quota"
    capabilities: ClassVar[Capabilities] = Capabilities(spools=True)

    disk_quota: ByteSize = Field(
        DEFAULT_QUOTA, gt=0, description="bytes it may hold, memory and disk together", examples=["10GiB"]
    )
    memory: ByteSize | None = Field(
        None,
        description="bytes of that in memory, 1.5 KiB a batch included; default: min(0.2 x disk_quota, 256MiB)",
        examples=["256MiB"],
    )
    segment: ByteSize | None = Field(
        None, gt=0, description="bytes of one segment file; default: min(64MiB, disk_quota / 4)", examples=["64MiB"]
    )
    dir: Path | None = Field(
        None, description="a folder of its own for the segments; default: under the state directory"
    )

    @field_validator("dir")
    @classmethod
    def _is_path(cls, value: Path | None) -> Path | None:
        if value is not None and "\0" in str(value):
            raise ValueError("a path cannot hold a NUL character")
        return value

    @property
    def limits(self) -> Limits:
        """The limits in force, defaults filled in."""
        return Limits.of(self.disk_quota, self.memory, self.segment)

    def check(self) -> Iterable[Diagnostic]:
        """A part must not be larger than the whole."""
        for name, size in (("segment", self.segment), ("memory", self.memory)):
            if size is not None and size > self.disk_quota:
                yield Diagnostic(
                    f"spool.{name}",
                    f"{name} {format_bytes(size)} is larger than disk_quota {format_bytes(self.disk_quota)}",
                    hint=f"give {name} at most disk_quota, or leave it out",
                    field=name,
                )

    def facts(self) -> Mapping[str, str]:
        """Quota, memory, and how many batches are sure of a place on disk."""
        limits = self.limits
        return {
            "quota": format_bytes(limits.quota),
            "memory": format_bytes(limits.memory),
            "on disk": f"{limits.sure_on_disk:,} batches",
        }

    def folders(self) -> Iterable[Path]:
        """The folder that `dir` names."""
        return () if self.dir is None else (Path.cwd() / self.dir,)

    @property
    def spool_quota(self) -> int:
        """Bytes that its folder may hold."""
        return self.disk_quota

    def spool_folder(self, work_dir: Path) -> Path:
        """Where the segments are."""
        return Path.cwd() / self.dir if self.dir is not None else work_dir / "spool"

    def open(self, context: TransformContext) -> SpoolOperator[EncodedBatch, SpoolEntry]:
        """Takes its folder and starts empty."""
        from afterbay.spool.spool import Reservoir  # the catalog's imports are for runs only

        return Reservoir.open(self.spool_folder(context.work_dir), self.limits, context.clock, context.meter)
