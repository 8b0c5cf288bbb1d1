"""Every SQL type and every class of DDL goes out and comes back: what the source holds is what the copy holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from afterbay.messages import DdlKind
from afterbay.node import Transform
from afterbay.schema import INTEGER_TYPES, LOGICAL_TYPES
from afterbay_nodes.apply.engine import Apply, ApplyOptions
from afterbay_nodes.apply.report import ApplyReport
from afterbay_nodes.apply.targets.open import open_target
from afterbay_nodes.apply.type_table import Temporal
from afterbay_nodes.bucket.bucket import open_bucket
from afterbay_nodes.decoders.csv_form import CsvForm
from afterbay_nodes.decoders.debezium_form import DebeziumReading
from afterbay_nodes.decoders.decode import Decoders
from afterbay_nodes.decoders.stored_form import StoredForm
from afterbay_nodes.encoders.csv_dialect import CsvDialect
from afterbay_nodes.encoders.encode_avro import EncodeAvro
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.encoders.encode_debezium_json import EncodeDebeziumJson
from afterbay_nodes.encoders.encode_parquet import EncodeParquet
from afterbay_nodes.transforms.table_rules import TableRules
from tests.apply.conftest import Makes
from tests.layouts.ddl_cases import CASES
from tests.layouts.test_dates import Turns
from tests.roundtrip.every_type import NUL, ZERO
from tests.roundtrip.history import history
from tests.roundtrip.landing import differences
from tests.roundtrip.layouts import LAST_SECOND, LAYOUTS, NONE, Layout
from tests.roundtrip.upstream import Table
from tests.support import faulty_store
from tests.support.clock import ManualClock
from tests.support.landed import Landed
from tests.support.road import Road

FORMATS: dict[str, Transform[Any, Any]] = {
    "csv": EncodeCsv(include_commit_ts=True),
    "canal-json": EncodeCanalJson(),
    "parquet": EncodeParquet(),
    "avro": EncodeAvro(),
    "debezium-json": EncodeDebeziumJson(),
}
# The same formats with what a user may ask of them, for the way into PostgreSQL.
WITH_OPTIONS: dict[str, Transform[Any, Any]] = {
    "csv": EncodeCsv(include_commit_ts=True, delimiter="|+|", quote="'", binary_encoding_method="hex"),
    "canal-json": EncodeCanalJson(content_compatible=True, delete_only_output_handle_key_columns=True),
    "parquet": EncodeParquet(output_old_value=True, wide_decimals="decimal256", compression="snappy"),
    "avro": EncodeAvro(output_old_value=True, codec="zstandard"),
    "debezium-json": EncodeDebeziumJson(envelope="payload", output_old_value=False, decimal_mode="precise"),
}
TOLD = Decoders(StoredForm(CsvForm(CsvDialect("|+|", "'", "\\N", "\r\n"), "hex"), DebeziumReading("precise")))


def applied(road: Road, landed: Landed, temporal: Temporal = Temporal.NATIVE, **more: Any) -> ApplyReport:
    """One call of apply. `more`: `decoders`, and what `ApplyOptions` takes."""
    decoders = more.pop("decoders", None)
    target = open_target(landed.uri, temporal)
    try:
        with open_bucket(str(road.lake)) as bucket:
            work = Apply(bucket, target, ApplyOptions(**more), decoders=decoders)
            work.round()
    finally:
        target.close()
    return work.report


def compare(landed: Landed, tables: Mapping[str, Table], layout: Layout = LAYOUTS["by day"]) -> None:
    wrong = differences(tables, landed, layout.named)
    assert not wrong, "\n".join(wrong)


def assert_looks(road: Road, layout: Layout) -> None:
    """The store has the layout that was asked for."""
    keys = [key for key in road.objects() if re.search(r"/CDC[^/]*$", key) and not key.endswith(".index")]
    assert len(keys) > 100
    assert [key for key in keys if not re.fullmatch(layout.files, key)] == []
    assert ({key.split("/")[-2] for key in keys} if layout.dates else set()) == set(layout.dates)
    files = [road.schema_file(key) for key in road.objects(".json") if "/meta/schema_" in key]
    columns = [column for file in files for column in file["TableColumns"] or []]
    assert {"ColumnId" in column for column in columns} == {bool(layout.sink.get("output_column_id"))}


def held(layout: Layout) -> Mapping[str, Table]:
    """What the source has.

    With table ids the store has no file of a database (protocol §1), so nothing in it says that one was dropped: its
    tables stay in the copy. That is the one thing that a layout cannot carry.
    """
    up = history()
    return up.tables if layout.has_databases else up.tables | up.unheard


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("encoding", FORMATS)
def test_what_the_source_holds_comes_back(
    encoding: str, layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_target: Makes
) -> None:
    """The year ends behind the 40th file."""
    shape, clock = LAYOUTS[layout], ManualClock(LAST_SECOND)
    faulty_store.install(monkeypatch, Turns(clock, {40: 1.0}))
    sink = {"file_size": "1KiB", "time_zone": "UTC", "upload_concurrency": 1, **shape.sink}
    road = Road(tmp_path, sink, shape.between, clock, encoder=FORMATS[encoding])
    road.run(*history().lines)
    assert_looks(road, shape)
    landed = make_target("sqlite")
    applied(road, landed)
    compare(landed, held(shape), shape)


# What a target cannot hold: the only tables that are left out. `tests/apply/test_types.py` has how they are refused.
UNFIT = {("duckdb", "native"): {ZERO}, ("postgres", "native"): {ZERO, NUL}, ("postgres", "text"): {NUL}}


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
@pytest.mark.parametrize("encoding", FORMATS)
def test_it_comes_back_to_every_target(encoding: str, kind: str, tmp_path: Path, make_target: Makes) -> None:
    """In two calls, so that DDLs meet rows of an earlier one; a third finds nothing to do."""
    encoders, told = (FORMATS, {}) if kind == "duckdb" else (WITH_OPTIONS, {"decoders": TOLD})
    road = Road(tmp_path, NONE | {"file_size": "1KiB"}, encoder=encoders[encoding])
    road.run(*history().lines)
    temporal = Temporal.TEXT if encoding in ("csv", "parquet") else Temporal.NATIVE
    landed, unfit = make_target(kind), UNFIT.get((kind, temporal), set())
    rules = TableRules.parse(["*.*", *(f"!{name}" for name in unfit)])
    half = applied(road, landed, temporal, rules=rules, until_ts=history().middle, **told)
    rest = applied(road, landed, temporal, rules=rules, **told)
    assert min(half.ddls, rest.ddls, half.rows, rest.rows) > 50
    compare(landed, {name: table for name, table in history().tables.items() if name not in unfit})
    again = applied(road, landed, temporal, rules=rules, **told)
    assert (again.rows, again.ddls) == (0, 0)


def test_every_sql_type_is_in_the_log() -> None:
    types = {(c.facts.type, c.facts.unsigned) for t in history().tables.values() for c in t.columns}
    unsigned = (*INTEGER_TYPES, "decimal", "float", "double")
    assert types >= {(name, False) for name in LOGICAL_TYPES} | {(name, True) for name in unsigned}


def test_every_class_of_ddl_is_in_the_log(tmp_path: Path) -> None:
    """By the numbers that the store has of it. TiDB's number for a rename of several tables is no file's (§4)."""
    road = Road(tmp_path)
    road.run(*history().lines)
    stored = {road.schema_file(key)["Type"] for key in road.objects(".json") if "/meta/schema_" in key}
    assert stored >= {file.type for case in CASES.values() for file in case.files}
    assert stored >= set(DdlKind) - {DdlKind.RENAME_TABLES}
