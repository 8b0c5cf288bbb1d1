"""docs/read-elsewhere.md: its lines, run as they stand on a store that a pipeline wrote, give every row and value."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest

from afterbay import Pipeline
from afterbay.schema import Column
from afterbay_nodes.bucket.bucket import open_bucket
from afterbay_nodes.bucket.steps import FileStep
from afterbay_nodes.encoders.encode_parquet import EncodeParquet
from tests.docs.test_snippets import FENCE, ROOT
from tests.layouts.test_variants import LOG, VARIANTS
from tests.roundtrip.upstream import Col, Upstream
from tests.support.batches import batch, table
from tests.support.canal import write
from tests.support.decoded import file_of
from tests.support.road import Road, small_batches

PAGE = (ROOT / "docs" / "read-elsewhere.md").read_text(encoding="utf-8")
(STORE,) = [text for kind, text in FENCE.findall(PAGE) if kind == "yaml"]
FILES, *LINES = [text for kind, text in FENCE.findall(PAGE) if kind == "py"]
TOOLS = dict(zip(product(("csv", "parquet"), ("duckdb", "polars", "pandas")), LINES, strict=True))

COLUMNS = (
    "id BIGINT UNSIGNED NOT NULL, note VARCHAR(3000), amount DECIMAL(20,4), paid_at DATETIME(6), due DATE, took TIME, "
    "photo BLOB, extra JSON, score DOUBLE, flags BIT(64), big DECIMAL(65,30)"
)
TEXTS = (
    *("", " ", "NULL", "null", "NaN", "007", "1e5", "\\", '"', '""', "'", "a,b\tc", "\r\n", "\n", "\r", "x\ny\r\nz\rw"),
    *("🐈 é e\u0301 שלום", "\ufeff", "\0", "<&>", "{}", "x" * 3000, "true", "2026-01-01", "\\\\N", '"\\N"', "\\n"),
)
LIKE_NULL = "\\N"  # the text, which is not NULL
EDGES: dict[str, tuple[Any, ...]] = {
    "amount": ("9999999999999999.9999", "-0.0001", "0.0000", None),
    "paid_at": ("2026-03-01 12:00:00.000001", "1000-01-01 00:00:00.000000", "9999-12-31 23:59:59.999999", None),
    "due": ("2026-03-01", "0000-00-00", None),
    "took": ("-838:59:59", "00:00:00", None),
    "photo": (b"", bytes(range(256)), b"\\N", None),
    "extra": ('{"a": [1, "\\n"]}', "null", None),
    "score": (0.1, 5e-324, 1.7976931348623157e308, -1234567.0, 123456789012345.67, math.nan, math.inf, -math.inf, None),
    "flags": (0, 2**64 - 1, None),
    "big": ("12345678901234567890123456789012345.000000000000000000000000000001", None),
}


def orders() -> Upstream:
    """Texts that break readers, each with other values at an edge; then a column more, changes and a delete."""
    up = Upstream()
    name = "shop.orders"
    up.create(name, COLUMNS, "id")
    for n, text in enumerate((*TEXTS, LIKE_NULL, None)):
        up.insert(name, (2**64 - 1 - n, text, *(values[n % len(values)] for values in EDGES.values())))
    up.update(name, {"id": 2**64 - 1}, note="changed", score=None)
    there = up.table(name)
    up.ddl("ALTER TABLE orders ADD COLUMN stars SMALLINT", name, effect=lambda: there.add(Col.of("stars", "SMALLINT")))
    up.update(name, {"id": 2**64 - 2}, stars=-5)
    up.delete(name, id=2**64 - 3)
    up.watermark()
    return up


def test_the_log_of_the_page_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (log,) = [text for kind, text in FENCE.findall(PAGE) if kind == "json"]
    monkeypatch.chdir(tmp_path)
    Path("orders.jsonl").write_text(log)
    Path("orders.yaml").write_text(STORE)
    assert Pipeline.from_yaml("orders.yaml").run().rows_stored == 4, "two rows in each of the two stores"
    found: dict[str, Any] = {}
    exec(FILES, found)
    assert [len(found[name]) for name in ("csv_files", "parquet_files")] == [1, 1]


@pytest.fixture(scope="module")
def source() -> Upstream:
    return orders()


@pytest.fixture(scope="module")
def folder(source: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the page's pipeline has run."""
    folder, before = tmp_path_factory.mktemp("elsewhere"), Path.cwd()
    write(folder / "orders.jsonl", *source.lines)
    (folder / "orders.yaml").write_text(STORE)
    os.chdir(folder)
    Pipeline.from_yaml("orders.yaml").run()
    yield folder
    os.chdir(before)


def plain(column: str, value: Any) -> Any:
    """What a tool gives, as one kind of value for each kind of thing. A NaN is one only where there are floats."""
    is_nan = isinstance(value, float) and math.isnan(value)
    if value is None or str(value) in ("<NA>", "NaT") or (is_nan and column != "score"):
        return None
    if is_nan:
        return "NaN"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f").zfill(26)
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.item() if hasattr(value, "item") else value


def rows_of(found: Any, tool: str) -> list[dict[str, Any]]:
    """The rows by column."""
    rows = {
        "duckdb": lambda: found.fetchall(),
        "polars": lambda: found.rows(),
        "pandas": lambda: found.itertuples(index=False, name=None),
    }[tool]()
    return [{name: plain(name, value) for name, value in zip(found.columns, row, strict=True)} for row in rows]


def as_told(form: str, tool: str, row: dict[str, Any]) -> dict[str, Any]:
    """What the page says must come of a row: all of it, but for the first two lines of its last table."""
    told = {name: plain(name, value) for name, value in row.items()}
    if form == "csv" and tool != "duckdb" and row["note"] == LIKE_NULL:
        told["note"] = None
    if form == "csv" and tool == "pandas" and row["score"] is None:
        told["score"] = "NaN"
    return told


@pytest.mark.parametrize(("form", "tool"), TOOLS)
def test_every_row_and_every_value(form: str, tool: str, folder: Path, source: Upstream) -> None:
    names: dict[str, Any] = {}
    exec(FILES, names)
    exec(TOOLS[form, tool], names)
    found = rows_of(names["orders"], tool)
    lead = {"csv": ("ticdc-meta$operation", "ticdc-meta$commit-ts"), "parquet": ("_op", "_commit_ts")}[form]
    changes = source.table("shop.orders").log
    assert len(found) == len(changes) == len(TEXTS) + 5
    for there, (op, commit_ts, row) in zip(found, changes, strict=True):
        assert (there[lead[0]], there[lead[1]]) == (op, commit_ts)
        assert {name: there[name] for name in row} == as_told(form, tool, row)


def test_what_the_page_says_of_wide_decimals(tmp_path: Path) -> None:
    changes = batch(table(Column("big", "decimal", length=65, scale=30)), [(EDGES["big"][0],)])
    path = tmp_path / "wide.parquet"
    path.write_bytes(file_of(EncodeParquet(wide_decimals="decimal256"), changes))
    with pytest.raises(pl.exceptions.PolarsError):
        pl.read_parquet(path)
    ((value,),) = duckdb.sql("SELECT big FROM read_parquet($file)", params={"file": str(path)}).fetchall()
    assert value == float(EDGES["big"][0])


def test_what_the_page_says_of_whole_numbers_in_pandas(folder: Path) -> None:
    names: dict[str, Any] = {}
    exec(FILES, names)
    (first, *_) = names["parquet_files"]
    assert pd.read_parquet(first)["flags"].dtype == "float64"


def test_what_the_page_says_of_zero_dates() -> None:
    with pytest.raises(duckdb.ConversionException):
        duckdb.sql("SELECT CAST('0000-00-00' AS DATE)").fetchall()
    with pytest.raises(pl.exceptions.InvalidOperationError):
        pl.Series(["0000-00-00"]).str.to_date("%Y-%m-%d")
    with pytest.raises(ValueError, match="0000-00-00"):
        pd.to_datetime(pd.Series(["0000-00-00"]))


@pytest.mark.parametrize("layout", VARIANTS)
def test_the_files_to_read_are_found_under_every_layout(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_batches(monkeypatch)
    variant = VARIANTS[layout]
    road = Road(tmp_path, variant.sink | {"file_size": "1KiB"}, variant.between)
    road.run(*LOG)
    names: dict[str, Any] = {}
    exec(FILES, names)
    with open_bucket(str(road.lake)) as bucket:
        steps = [step for step in bucket.snapshot().steps if isinstance(step, FileStep)]
    for owner in {step.owner for step in steps}:
        found = [Path(file).relative_to(road.lake).as_posix() for file in names["files"](road.lake / owner, ".csv")]
        mine = [step for step in steps if step.owner == owner]
        assert sorted(found) == sorted(step.key for step in mine)
        for series in {step.series for step in mine}:
            keys = [step.key for step in mine if step.series == series]
            assert [key for key in found if key in keys] == keys
