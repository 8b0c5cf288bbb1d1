"""Debezium JSON as its reader is told: what a file does not tell by itself."""

from __future__ import annotations

from dataclasses import dataclass

from afterbay.errors import PipelineInvalid
from afterbay_nodes.encoders.debezium_table import DecimalMode
from afterbay_nodes.encoders.epoch import is_known_zone


@dataclass(frozen=True, slots=True)
class DebeziumReading:
    """The options of the encoder that a file does not tell.

    `decimal_mode` None: the values of a file are asked. `time_zone`: where the writer was told that timestamps are;
    those that a file has in UTC come back as they were there.
    """

    decimal_mode: DecimalMode | None = None
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        """Raises PipelineInvalid for a time zone that is not known here."""
        if not is_known_zone(self.time_zone):
            raise PipelineInvalid(
                "debezium.time_zone",
                f"the time zone {self.time_zone!r} is not known here",
                hint="a name of the time zone database, such as Europe/Rome, or +02:00",
            )
