"""What the sink writes under any layout, the product's reader and the tests' own reader see alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afterbay_nodes.bucket.bucket import open_bucket
from afterbay_nodes.bucket.steps import FileStep
from afterbay_nodes.decoders.decode import Decoders
from tests.reader.bucket import read_bucket
from tests.reader.paths import StoreShape
from tests.support.buckets import schema_steps
from tests.support.cli import afterbay
from tests.support.nasty_log import nasty_log
from tests.support.nasty_pipeline import NastyPipeline, avro_pipeline, canal_pipeline, csv_pipeline, parquet_pipeline

ROWS = 4000
LAYOUTS: dict[str, tuple[dict[str, Any], StoreShape]] = {
    "days": ({}, StoreShape("csv")),
    "months": ({"date_separator": "month"}, StoreShape("csv", date="month")),
    "years, short numbers": (
        {"date_separator": "year", "file_index_digit": 6},
        StoreShape("csv", date="year", digits=6),
    ),
    "no dates, across nodes": (
        {"date_separator": "none", "enable_table_across_nodes": True},
        StoreShape("csv", date="none", across_nodes=True),
    ),
}
Row = tuple[str, int | None, tuple[str | None, ...]]


def rows_of(lake: Path) -> tuple[dict[tuple[str, str], list[Row]], list[str]]:
    """(rows by table as the product reads them, what was in which order)."""
    rows: dict[tuple[str, str], list[Row]] = defaultdict(list)
    order: list[str] = []
    decoders = Decoders()
    with open_bucket(str(lake)) as bucket:
        snapshot = bucket.snapshot()
        assert snapshot.findings == ()
        for step in snapshot.steps:
            if not isinstance(step, FileStep):
                order.append(f"{step.version}")
                continue
            order.append(f"{step.version} rows")
            for chunk in decoders.rows(bucket.load(step), step.extension, step.schema, step.key):
                assert chunk.commit_ts is not None
                keys = [column.to_pylist() for column in chunk.rows.columns]
                text = [tuple(None if value is None else "" for value in row) for row in zip(*keys, strict=True)]
                ops = ("IUD"[op] for op in chunk.ops.to_pylist())
                rows[step.table] += zip(ops, chunk.commit_ts.to_pylist(), text, strict=True)
    assert order == sorted(order, key=lambda told: (int(told.split()[0]), "rows" in told))
    return rows, [step.query for step in schema_steps(snapshot) if step.is_ddl]


def seen_alike(pipeline: NastyPipeline, shape: StoreShape) -> None:
    done = afterbay("run", pipeline.file, "--json", cwd=pipeline.folder)
    assert done.exit_code == 0, done.err
    other = read_bucket(pipeline.lake, shape, pipeline.form[1])
    assert other.findings == ()
    rows, ddls = rows_of(pipeline.lake)
    assert ddls == [file.query for file in other.ddls]
    for name in other.tables:
        wanted = [
            (row.op, row.commit_ts, tuple(None if value is None else "" for value in row.values))
            for row in other.rows(*name)
        ]
        assert rows.pop(name, []) == wanted, name
    assert rows == {}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_csv_under_every_layout(layout: str, tmp_path: Path) -> None:
    events = nasty_log(ROWS).write(tmp_path / "events.jsonl")
    options, shape = LAYOUTS[layout]
    seen_alike(csv_pipeline(tmp_path, events, lake=options), shape)


@pytest.mark.parametrize(
    ("pipeline", "extension"), [(canal_pipeline, "json"), (parquet_pipeline, "parquet"), (avro_pipeline, "avro")]
)
def test_other_formats(pipeline: Callable[[Path, Path], NastyPipeline], extension: str, tmp_path: Path) -> None:
    events = nasty_log(ROWS).write(tmp_path / "events.jsonl")
    seen_alike(pipeline(tmp_path, events), StoreShape(extension))


def test_renames_are_told_with_their_old_names(tmp_path: Path) -> None:
    log = nasty_log(ROWS)
    pipeline = csv_pipeline(tmp_path, log.write(tmp_path / "events.jsonl"))
    assert afterbay("run", pipeline.file, cwd=tmp_path).exit_code == 0
    with open_bucket(str(pipeline.lake)) as bucket:
        steps = schema_steps(bucket.snapshot())
    assert {step.table: step.renamed_from for step in steps if step.renamed_from is not None} == log.renamed
