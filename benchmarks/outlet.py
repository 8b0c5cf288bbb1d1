"""An outlet that counts what a source sends, for measuring sources alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from afterbay.clock import SystemClock
from afterbay.messages import ChangeBatch, SchemaChange
from afterbay.node import Source, SourceContext, Until
from afterbay.schema import Json, TableSchema
from afterbay.telemetry import Telemetry


class CountingOutlet:
    """Counts rows, bytes and batches."""

    stopping = False

    def __init__(self) -> None:
        self.rows = self.nbytes = self.batches = 0

    def batch(self, batch: ChangeBatch) -> None:
        self.rows += batch.num_rows
        self.nbytes += batch.nbytes
        self.batches += 1

    def schema_change(self, change: SchemaChange) -> None:
        """Nothing is measured of it."""

    def announce(self, dispatcher: str, schema: TableSchema) -> None:
        """Nothing is measured of it."""

    def promise(self, commit_ts: int, cursor: Mapping[str, Json]) -> None:
        """Nothing is measured of it."""

    def repeated(self, rows: int) -> None:
        """Nothing is measured of it."""

    def wait(self, seconds: float) -> None:
        """A measured source does not wait."""


def play(source: Source[Any], outlet: CountingOutlet) -> None:
    """Runs a source to its end."""
    meter = Telemetry("bench").node("source")
    operator = source.open(SourceContext("source", "source", Until.END, None, {}, SystemClock(), meter, Path()))
    try:
        operator.run(outlet)
    finally:
        operator.close()
