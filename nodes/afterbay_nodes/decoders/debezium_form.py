"""Debezium JSON as its reader is told: what a file does not tell by itself."""

from __future__ import annotations

from dataclasses import dataclass

from afterbay.errors import PipelineInvalid
from afterbay_nodes.encoders.debezium_table import DecimalMode
from afterbay_nodes.encoders.epoch import is_known_zone


@dataclass(frozen=True, slots=True)
class DebeziumReading:
    """`decimal_mode` None: told from the values, where they tell. `time_zone`: in which TIMESTAMPs that the file has
    in UTC come back; the one that the writer had.
    """

    decimal_mode: DecimalMode | None = None
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        """Raises PipelineInvalid for a time zone that is not known here."""
        if not is_known_zone(self.time_zone):
            raise PipelineInvalid("debezium.time_zone", f"the time zone {self.time_zone!r} is not known here")
