"""Every layout of a store (protocol §1), and what keys of data files look like under it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from afterbay.node import Transform
from afterbay_nodes.transforms.route import Route

LAST_SECOND = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
"""When the runs begin; the clock stands still until somebody turns it."""

NAMES, ID = r"[^/]+/[^/]+/\d+", r"\d+/\d+"
PART, BARE = r"(/\d+)?", r"/CDC"
NODE = r"/CDC_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}_"
EXTENSION = r"\.(csv|json|parquet|avro)"


@dataclass(frozen=True)
class Layout:
    """Keys of the sink, nodes before the encoder, and what is to be seen of it in the store.

    `files` is what every key of a data file matches. `dates` must all be met. `named` gives a table's name in the copy.
    """

    sink: Mapping[str, Any]
    files: str
    dates: Sequence[str] = ()
    between: Sequence[Transform[Any, Any]] = ()
    named: Callable[[str], str] = field(default=lambda name: name)

    @property
    def has_databases(self) -> bool:
        """False where nothing of the store speaks of a database (§1): under table ids."""
        return not self.sink.get("use_table_id_as_path")


def _routed(name: str) -> str:
    schema, _, bare = name.partition(".")
    return f"lake_{schema}.copy_of_{bare}"


NONE = {"date_separator": "none"}
DAYS, MONTHS = ("2026-12-31", "2027-01-01"), ("2026-12", "2027-01")
ROUTE = Route(rules=[{"match": "*.*", "schema": "lake_{schema}", "table": "copy_of_{table}"}])  # type: ignore[list-item]
LAYOUTS = {
    "by day": Layout({}, rf"{NAMES}{PART}/\d{{4}}-\d\d-\d\d{BARE}\d{{20}}{EXTENSION}", DAYS),
    "by month, with column ids": Layout(
        {"date_separator": "month", "output_column_id": True},
        rf"{NAMES}{PART}/\d{{4}}-\d\d{BARE}\d{{20}}{EXTENSION}",
        MONTHS,
    ),
    "by year, across nodes": Layout(
        {"date_separator": "year", "enable_table_across_nodes": True},
        rf"{NAMES}{PART}/\d{{4}}{NODE}\d{{20}}{EXTENSION}",
        ("2026", "2027"),
    ),
    "no dates, six digits": Layout(NONE | {"file_index_digit": 6}, rf"{NAMES}{PART}{BARE}\d{{6}}{EXTENSION}"),
    "no level for partitions": Layout(
        NONE | {"enable_partition_separator": False}, rf"{NAMES}{BARE}\d{{20}}{EXTENSION}"
    ),
    "across nodes, no level for partitions": Layout(
        NONE | {"enable_table_across_nodes": True, "enable_partition_separator": False},
        rf"{NAMES}{NODE}\d{{20}}{EXTENSION}",
    ),
    "table ids": Layout({"use_table_id_as_path": True}, rf"{ID}/\d{{4}}-\d\d-\d\d{BARE}\d{{20}}{EXTENSION}", DAYS),
    "routed": Layout(
        NONE,
        rf"lake_[^/]+/copy_of_[^/]+/\d+{PART}{BARE}\d{{20}}{EXTENSION}",
        between=[ROUTE],
        named=_routed,
    ),
    "everything at once": Layout(
        {
            "date_separator": "month",
            "file_index_digit": 6,
            "use_table_id_as_path": True,
            "enable_table_across_nodes": True,
            "output_column_id": True,
        },
        rf"{ID}/\d{{4}}-\d\d{NODE}\d{{6}}{EXTENSION}",
        MONTHS,
        between=[ROUTE],
        named=_routed,
    ),
}
