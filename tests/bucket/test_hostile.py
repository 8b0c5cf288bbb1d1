"""Stores of strangers: names and numbers that no writer gives, and that must neither cost time nor end the reader."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from afterbay.errors import RunFailed
from afterbay.schema import Column, TableName, TableSchema
from afterbay_nodes.bucket.bucket import Bucket
from afterbay_nodes.bucket.findings import Rule
from afterbay_nodes.bucket.steps import FileStep
from afterbay_nodes.storage.schema_file import SchemaFile
from tests.support.buckets import COLUMNS, memory, schema_file, series, snapshot_of

MANY = "9" * 5000
GOOD = schema_file("zoo.pets", 7) | series("zoo/pets/7/2026-01-02", 2)


@pytest.mark.parametrize(
    "key",
    [
        f"zoo/pets/7/2026-01-02/CDC{MANY}.csv",
        f"zoo/pets/{MANY}/2026-01-02/CDC000001.csv",
        f"zoo/pets/7/{MANY}/CDC000001.csv",
        f"{MANY}/7/CDC000001.csv",
        f"zoo/pets/meta/schema_{MANY}_0000000001.json",
    ],
)
def test_numbers_of_thousands_of_digits_are_none(key: str) -> None:
    snapshot = snapshot_of(GOOD, {key: b"x"})
    found = [finding for finding in snapshot.findings if finding.rule is Rule.KEY_UNKNOWN]
    assert len(found) == 1
    assert len(snapshot.steps) == len(snapshot_of(GOOD).steps)


def test_a_gap_is_told_at_once_however_wide_it_is() -> None:
    begun = time.thread_time()
    snapshot = snapshot_of(GOOD, {"zoo/pets/7/2026-01-02/CDC9999999999999999999.csv": b"x"})
    assert time.thread_time() - begun < 5
    assert snapshot.findings


@pytest.mark.parametrize(
    "column",
    [
        Column("c", "binary", length=1 << 31),
        Column("c", "bit", length=65),
        Column("c", "decimal", length=10, scale=1 << 31),
        Column("c", "varchar", length=1 << 32),
        Column("c", "set", elements=tuple(map(str, range(65)))),
    ],
    ids=lambda column: column.type,
)
def test_a_width_that_would_be_allocated_is_not_believed(column: Column) -> None:
    columns = (*COLUMNS, column)
    file = SchemaFile.of(TableSchema(TableName("zoo", "pets"), 7, columns), 7)
    with pytest.raises(RunFailed, match=r"schema_file\.column"):
        SchemaFile.from_bytes(file.to_bytes(), "k").table_schema()
    (finding,) = snapshot_of(schema_file("zoo.pets", 7, columns=columns)).findings
    assert finding.rule is Rule.SCHEMA_UNREADABLE


def test_a_file_that_is_too_large_is_refused_before_memory_is_taken() -> None:
    bucket = Bucket(memory(GOOD))
    file = next(step for step in bucket.snapshot().steps if isinstance(step, FileStep))
    with pytest.raises(RunFailed, match=r"bucket\.large"):
        bucket.load(replace(file, size=1 << 50))
