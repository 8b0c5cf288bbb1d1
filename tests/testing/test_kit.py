"""The conformance kit: what keeps the contracts passes, and each way to break one is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from afterbay import (
    Capabilities,
    ChangeBatch,
    Outlet,
    Pipeline,
    ResumePoint,
    Sink,
    SinkContext,
    SinkOperator,
    SourceContext,
    SourceOperator,
    Transform,
    TransformContext,
    TransformOperator,
)
from afterbay.example_nodes import to_sqlite
from afterbay.example_nodes.redact import Redact
from afterbay.example_nodes.ticker import Ticker, _Ticking
from afterbay.example_nodes.to_sqlite import ToSqlite
from afterbay.testing import check_sink, check_source, check_transform
from afterbay_nodes.encoders.encode_avro import EncodeAvro
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.encoders.encode_debezium_json import EncodeDebeziumJson
from afterbay_nodes.encoders.encode_parquet import EncodeParquet
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.sources.change_log import ChangeLog
from afterbay_nodes.sources.demo import Demo
from afterbay_nodes.transforms.filter import Filter
from afterbay_nodes.transforms.route import Route
from afterbay_nodes.transforms.select_columns import SelectColumns
from afterbay_nodes.transforms.spool import Spool
from tests.reader.bucket import read_bucket
from tests.reader.csv_rows import CsvDialect
from tests.reader.paths import StoreShape

EVENTS = Path(__file__).parents[2] / "pipelines" / "events"
SOURCES: Mapping[str, Callable[[], Any]] = {
    "demo": lambda: Demo(rows=1_500, tables=3, ddl_every=200, accounts=30),
    "change_log": lambda: ChangeLog(path=str(EVENTS / "*.jsonl")),
    "ticker": lambda: Ticker(ticks=45, at_once=7),
}
TRANSFORMS: Mapping[str, Callable[[], Any]] = {
    "filter": lambda: Filter(rules=("made_up.*", "!*.notes")),
    "route": lambda: Route.model_validate({"rules": [{"match": "made_up.*", "schema": "lake_{schema}"}]}),
    "select_columns": lambda: SelectColumns.model_validate({"rules": [{"match": "*.*", "columns": ["*", "!amount"]}]}),
    "encode_csv": lambda: EncodeCsv(include_commit_ts=True),
    "encode_canal_json": lambda: EncodeCanalJson(enable_tidb_extension=True),
    "encode_debezium_json": lambda: EncodeDebeziumJson(),
    "encode_parquet": lambda: EncodeParquet(),
    "encode_avro": lambda: EncodeAvro(),
    "redact": lambda: Redact(columns=("note",)),
}


def changes(file: Path) -> list[tuple[str, int]]:
    return [(str(it["table"]), int(it["commit_ts"])) for it in to_sqlite.stored(file)]


@pytest.mark.parametrize("name", SOURCES)
def test_our_sources_keep_the_contract(name: str, tmp_path: Path) -> None:
    check_source(SOURCES[name], tmp_path, resumes=12)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_our_transforms_keep_the_contract(name: str, tmp_path: Path) -> None:
    check_transform(TRANSFORMS[name], tmp_path, same_bytes=name != "encode_avro")  # which frames each payload


def test_the_store_keeps_the_contract(tmp_path: Path) -> None:
    root = tmp_path / "lake"

    def through(pipeline: Pipeline) -> str:
        pipeline.add("csv", EncodeCsv(include_commit_ts=True), inputs="source")
        pipeline.add("spool", Spool(disk_quota="64MiB"), inputs="csv")
        return "spool"

    def read() -> Iterator[tuple[str, int]]:
        if not root.exists():
            return
        bucket = read_bucket(root, StoreShape("csv", date="none"), CsvDialect(commit_ts=True))
        for schema, table in bucket.tables:
            yield from ((f"{schema}.{table}", row.commit_ts) for row in bucket.rows(schema, table))

    def make() -> CloudStorage:
        return CloudStorage(uri=str(root), date_separator="none", flush_interval=0.1, shards=2)

    check_sink(make, read, tmp_path, through=through)


def test_the_database_of_the_example_keeps_the_contract(tmp_path: Path) -> None:
    file = tmp_path / "lake.db"
    check_sink(
        lambda: ToSqlite(path=file), lambda: [(it["table"], it["commit_ts"]) for it in to_sqlite.stored(file)], tmp_path
    )


class Broken(Ticker):
    """A ticker with one fault."""

    type_name: ClassVar[str] = "broken"
    fault: str

    def open(self, context: SourceContext) -> SourceOperator:
        return _Broken(self, context.partition, context.resume)


class _Broken(_Ticking):
    runs: ClassVar[int] = 0

    def __init__(self, node: Broken, partition: str, resume: ResumePoint | None) -> None:
        super().__init__(node, partition, resume)
        self.fault = node.fault
        if node.fault == "skips" and resume is not None:
            self._next += 1

    def run(self, out: Outlet) -> None:
        super().run(out if self.fault != "promises early" else _Early(out))

    def _batch(self, start: int, stop: int) -> ChangeBatch:
        batch = super()._batch(start, stop)
        if self.fault == "runs backwards":
            turned = pa.array(list(range(batch.num_rows))[::-1])
            return replace(batch, rows=batch.rows.take(turned), commit_ts=batch.commit_ts.take(turned))
        if self.fault == "is another each time":
            _Broken.runs += 1
            said = pa.array([f"{_Broken.runs}"] * batch.num_rows)
            return replace(batch, rows=batch.rows.set_column(1, batch.rows.schema.field(1), said))
        return batch


class _Early:
    """Promises each batch before it is sent."""

    def __init__(self, out: Outlet) -> None:
        self._out = out

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)

    def batch(self, batch: ChangeBatch) -> None:
        self._out.promise(batch.last.commit_ts, {"next": 0})
        self._out.batch(batch)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("skips", "sends another change"),
        ("promises early", "follows the promise"),
        ("runs backwards", "do not rise"),
        ("is another each time", "a second run sends another change"),
    ],
)
def test_a_source_that_breaks_its_contract_is_found(fault: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=told):
        check_source(lambda: Broken(ticks=40, fault=fault), tmp_path)


class Counting(Transform[ChangeBatch, ChangeBatch]):
    """Writes how many batches came before: what becomes of a change depends on the cuts."""

    type_name: ClassVar[str] = "counting"

    def open(self, context: TransformContext) -> TransformOperator[ChangeBatch, ChangeBatch]:
        return _Counting()


class _Counting(TransformOperator[ChangeBatch, ChangeBatch]):
    came = 0

    def process(self, item: ChangeBatch) -> ChangeBatch:
        self.came += 1
        field = item.rows.schema.field(1)
        return replace(item, rows=item.rows.set_column(1, field, pa.array([str(self.came)] * item.num_rows)))


class Stamping(Transform[ChangeBatch, ChangeBatch]):
    """Gives rows other stamps."""

    type_name: ClassVar[str] = "stamping"

    def open(self, context: TransformContext) -> TransformOperator[ChangeBatch, ChangeBatch]:
        return _Stamping()


class _Stamping(TransformOperator[ChangeBatch, ChangeBatch]):
    def process(self, item: ChangeBatch) -> ChangeBatch:
        return replace(item, commit_ts=pc.add(item.commit_ts, pa.scalar(1_000, pa.uint64())))


def test_a_transform_that_depends_on_cuts_or_invents_stamps_is_found(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="when the same come in halves"):
        check_transform(Counting, tmp_path)
    with pytest.raises(AssertionError, match="stamps are kept"):
        check_transform(Stamping, tmp_path)


class Hasty(ToSqlite):
    """Settles what it has not stored, or stores what comes again once more."""

    type_name: ClassVar[str] = "hasty"
    capabilities: ClassVar[Capabilities] = Capabilities(settles=True)
    fault: str

    def open(self, context: SinkContext) -> SinkOperator[ChangeBatch]:
        database = super().open(context)
        assert isinstance(database, to_sqlite._Database)
        whole = database.write
        kept: list[ChangeBatch] = []

        def late(batch: ChangeBatch) -> None:
            kept.append(batch)
            if len(kept) > 2:
                whole(kept.pop(0))

        if self.fault == "late":
            database.write = late  # type: ignore[method-assign]
        elif self.fault == "loses":
            database.write = lambda batch: whole(batch) if batch.last.commit_ts % 2 else None  # type: ignore[method-assign]
        return database


@pytest.mark.parametrize(("fault", "told"), [("late", "is acknowledged, and"), ("loses", "is acknowledged, and")])
def test_a_sink_that_settles_what_is_not_stored_is_found(fault: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "lake.db"

    def make() -> Sink[Any]:
        return Hasty(path=file, fault=fault)

    with pytest.raises(AssertionError, match=told):
        check_sink(make, lambda: changes(file), tmp_path)


def test_a_store_that_keeps_a_repeat_twice_is_found(tmp_path: Path) -> None:
    file = tmp_path / "lake.db"

    def read() -> list[tuple[str, int]]:
        found = changes(file)
        return found + found[-1:]

    with pytest.raises(AssertionError, match="5 changes of"):
        check_sink(lambda: ToSqlite(path=file), read, tmp_path)
