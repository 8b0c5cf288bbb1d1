"""The options of a sink that shape paths, as a `Layout`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from afterbay_nodes.storage.dates import DateSeparator
from afterbay_nodes.storage.layout import Layout

if TYPE_CHECKING:
    from afterbay_nodes.sinks.cloud_storage import CloudStorage


def layout_of(node: CloudStorage) -> Layout:
    """Where `node` puts everything."""
    return Layout(
        date_separator=DateSeparator(node.date_separator),
        enable_partition_separator=node.enable_partition_separator,
        file_index_digit=node.file_index_digit,
        use_table_id_as_path=node.use_table_id_as_path,
        enable_table_across_nodes=node.enable_table_across_nodes,
        output_column_id=node.output_column_id,
    )
