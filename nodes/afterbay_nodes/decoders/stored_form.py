"""What a reader is told about a store's files."""

from __future__ import annotations

from dataclasses import dataclass, field

from afterbay_nodes.decoders.csv_form import CsvForm
from afterbay_nodes.decoders.debezium_form import DebeziumReading


@dataclass(frozen=True, slots=True)
class StoredForm:
    """What a reader is told about files that they do not tell by themselves."""

    csv: CsvForm = field(default_factory=CsvForm)
    debezium: DebeziumReading = field(default_factory=DebeziumReading)
