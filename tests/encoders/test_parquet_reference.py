"""A Parquet file gives back the rows that were changed and the schema that they had, for every type."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterbay.messages import ChangeBatch
from afterbay.schema import Column
from afterbay_nodes.encoders.encode_parquet import EncodeParquet
from tests.support.assembled import file_of
from tests.support.batches import batch, table
from tests.support.reference_described import parquet_rows
from tests.support.strategies import change_batches

shared_folder = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def batches() -> st.SearchStrategy[ChangeBatch]:
    """Batches whose decimals are what their columns declare: any others are refused."""
    return change_batches().map(_with_open_decimals)


def _with_open_decimals(changes: ChangeBatch) -> ChangeBatch:
    images = [image for image in (changes.rows, changes.before) if image is not None]

    def column(found: Column) -> Column:
        if found.type != "decimal" or found.virtual:
            return found
        texts = [text for image in images for text in image.column(found.name).to_pylist() if text is not None]
        return found if all(_fits(text, found) for text in texts) else replace(found, length=None, scale=None)

    schema = replace(changes.schema, columns=tuple(map(column, changes.schema.columns)))
    return replace(changes, schema=schema)


def _fits(text: str, column: Column) -> bool:
    whole, _, part = text.lstrip("-").partition(".")
    scale = column.scale or 0
    return column.length is not None and len(part) <= scale and len(whole.lstrip("0")) <= column.length - scale


def read(data: bytes) -> pa.Table:
    return pq.read_table(pa.BufferReader(data), page_checksum_verification=True)


@settings(shared_folder, max_examples=150)
@given(changes=batches())
def test_what_is_read_is_what_was_changed(tmp_path: Path, changes: ChangeBatch) -> None:
    found = read(file_of(EncodeParquet(output_old_value=True), [changes], tmp_path)).to_pylist()
    # By their text: a NaN is not equal to itself.
    assert list(map(repr, found)) == list(map(repr, parquet_rows(changes, before=True)))


@settings(shared_folder, max_examples=60)
@given(changes=batches())
def test_a_file_tells_its_table_s_true_names_and_types(tmp_path: Path, changes: ChangeBatch) -> None:
    schema = read(file_of(EncodeParquet(), [changes], tmp_path)).schema
    facts = json.loads(schema.metadata[b"afterbay.table"])
    name = changes.schema.name
    assert facts == {"schema": name.schema, "table": name.table, "version": changes.schema.version}
    fields = [schema.field(number) for number in range(3, len(schema))]
    columns = tuple(Column.from_json(json.loads(field.metadata[b"afterbay.column"])) for field in fields)
    assert columns == changes.schema.stored_columns


@settings(shared_folder, max_examples=40)
@given(one=batches())
def test_the_batches_of_a_flush_are_one_file_in_their_order(tmp_path: Path, one: ChangeBatch) -> None:
    parts = [one.slice(row, row + 1) for row in range(one.num_rows)]
    whole = read(file_of(EncodeParquet(output_old_value=True), [one], tmp_path))
    cut = read(file_of(EncodeParquet(output_old_value=True), parts, tmp_path))
    assert repr(cut.to_pylist()) == repr(whole.to_pylist())
    assert cut.schema.equals(whole.schema, check_metadata=True)


@pytest.mark.parametrize("compression", ["zstd", "snappy", "lz4", "gzip", "none"])
def test_every_compression_is_read_back(tmp_path: Path, compression: str) -> None:
    changes = batch(table(Column("id", "int"), Column("note", "text")), [(n, "x" * 50) for n in range(100)])
    data = file_of(EncodeParquet(compression=compression), [changes], tmp_path)  # type: ignore[arg-type]
    assert read(data).to_pylist() == parquet_rows(changes, before=False)
    chunk = pq.ParquetFile(pa.BufferReader(data)).metadata.row_group(0).column(4)
    assert chunk.compression == {"none": "UNCOMPRESSED"}.get(compression, compression.upper())
