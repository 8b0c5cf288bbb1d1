"""What the encoders write, the decoders read: every type, every option, hostile names and values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from afterbay.errors import RunFailed
from afterbay.messages import ChangeBatch, EncodedBatch
from afterbay.node import Transform
from afterbay.schema import LOGICAL_TYPES, TEMPORAL_TYPES, Column, TableSchema
from afterbay_nodes.decoders.csv_blocks import BlockReader, suits_blocks
from afterbay_nodes.decoders.csv_form import CsvForm, Leading
from afterbay_nodes.decoders.debezium_form import DebeziumReading
from afterbay_nodes.decoders.decode import Decoders, encoding_of
from afterbay_nodes.decoders.stored_form import StoredForm
from afterbay_nodes.encoders.encode_avro import EncodeAvro
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.encoders.encode_debezium_json import EncodeDebeziumJson
from afterbay_nodes.encoders.encode_parquet import EncodeParquet
from afterbay_nodes.storage.schema_file import SchemaFile
from tests.support.batches import COMMIT_TS, batch, encode, table
from tests.support.decoded import Plain, file_of, got, olds, split, wanted
from tests.support.strategies import change_batches


def batches() -> st.SearchStrategy[ChangeBatch]:
    """Batches whose set elements have no comma: MySQL forbids it, and no reader could part them."""
    return change_batches().filter(
        lambda changes: (
            not any(
                column.type == "set" and any("," in element for element in column.elements)
                for column in changes.schema.columns
            )
        )
    )


@st.composite
def csv_options(draw: st.DrawFn) -> dict[str, Any]:
    """Options that can be read back. Without quotes only line ends may end rows, and only `\\N` is no text."""
    quote = draw(st.sampled_from(['"', "'", "$", ""]))
    nulls, ends = (["\\N"], ["\r\n", "\n", "\r"]) if not quote else (["\\N", "NULL", ""], ["\r\n", "\n", "~~", "\x00"])
    return {
        "quote": quote,
        "delimiter": draw(st.sampled_from([",", "\t", "!", "|+|", "||", "é", "│", "\x01"])),
        "null": draw(st.sampled_from(nulls)),
        "terminator": draw(st.sampled_from(ends)),
        "include_commit_ts": draw(st.booleans()),
        "binary_encoding_method": draw(st.sampled_from(["base64", "hex"])),
        "output_old_value": draw(st.booleans()),
        "output_field_header": draw(st.booleans()),
    }


USUAL = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from([",", "\t"]),
        "terminator": st.sampled_from(["\r\n", "\n"]),
        "include_commit_ts": st.booleans(),
        "binary_encoding_method": st.sampled_from(["base64", "hex"]),
        "output_old_value": st.booleans(),
    }
)


def as_schema_file(schema: TableSchema) -> list[TableSchema]:
    """The schema as its file tells it, if it does: which columns are virtual, it does not."""
    if len(schema.stored_columns) != len(schema.columns):
        return []
    return [SchemaFile.of(schema, schema.version).table_schema()]


def form_of(node: EncodeCsv, *, told: bool = True) -> CsvForm:
    return CsvForm(node.dialect, node.binary_encoding_method, node.include_commit_ts if told else None)


def csv_rows(form: CsvForm, schema: TableSchema, data: bytes) -> list[Plain]:
    return got(Decoders(StoredForm(csv=form)).rows(pa.py_buffer(data), "csv", schema, "file.csv"), schema)


def csv_wanted(node: EncodeCsv, batch: ChangeBatch) -> list[Plain]:
    rows = wanted(batch, before=False, commit_ts=node.include_commit_ts)
    return split(rows, olds(batch)) if node.output_old_value else rows


def assert_csv_comes_back(batch: ChangeBatch, options: dict[str, Any]) -> None:
    node = EncodeCsv(**options)
    try:
        data = file_of(node, batch)
    except RunFailed as refused:
        assert refused.code == "csv.header"  # noqa: PT017 - a name that no header can hold
        return
    assert csv_rows(form_of(node), batch.schema, data) == csv_wanted(node, batch)
    try:
        found = csv_rows(form_of(node, told=False), batch.schema, data)
    except RunFailed as refused:
        assert refused.code == "csv.ambiguous"  # noqa: PT017 - ids like commit-ts: only who wrote it knows
        return
    assert found == csv_wanted(node, batch)


@settings(max_examples=120, deadline=None)
@given(batch=batches(), options=csv_options())
def test_csv_of_any_options_comes_back(batch: ChangeBatch, options: dict[str, Any]) -> None:
    assert_csv_comes_back(batch, options)


@settings(max_examples=120, deadline=None)
@given(batch=batches(), options=USUAL)
def test_csv_of_usual_options_comes_back(batch: ChangeBatch, options: dict[str, Any]) -> None:
    assert_csv_comes_back(batch, options)


@settings(max_examples=120, deadline=None)
@given(batch=batches(), options=USUAL, told=st.booleans(), data=st.data())
def test_a_virtual_column_that_nobody_told_is_never_read_over(
    batch: ChangeBatch, options: dict[str, Any], told: bool, data: st.DataObject
) -> None:
    """The rows lack a column of the schema file: whatever else they hold, no value is taken for another column's."""
    schema = replace(batch.schema, version=COMMIT_TS)
    extra = Column("hidden", data.draw(st.sampled_from(sorted(LOGICAL_TYPES))), virtual=True, elements=("x",))
    at = data.draw(st.integers(0, len(schema.columns)))
    shown = tuple(replace(column, primary_key=False) for column in schema.columns if not column.virtual)
    assume(extra.name not in {column.name for column in shown})
    unmarked = replace(schema, columns=(*shown[:at], replace(extra, virtual=False), *shown[at:]))
    node = EncodeCsv(**options)
    with pytest.raises(RunFailed):
        csv_rows(form_of(node, told=told), unmarked, file_of(node, batch))


@settings(max_examples=60, deadline=None)
@given(batch=batches(), options=USUAL)
def test_kernels_read_whatever_the_encoder_writes(batch: ChangeBatch, options: dict[str, Any]) -> None:
    """None of it is left to the slow reader."""
    node = EncodeCsv(**options)
    form = form_of(node)
    assert suits_blocks(form)
    reader = BlockReader(batch.schema, form, Leading(node.include_commit_ts, node.output_old_value))
    assert reader.read(pa.py_buffer(encode(node, batch))) is not None


ENDS = st.sampled_from(["\r\n", "\n", " \n"])


@dataclass(frozen=True)
class Kind:
    """A format whose files hold whole changes. `before` and `commit_ts` name the option that makes it hold them."""

    node: type[Transform[ChangeBatch, EncodedBatch]]
    extension: str
    options: Mapping[str, st.SearchStrategy[Any]]
    before: str | None = "output_old_value"
    commit_ts: str | None = None
    ordinals: bool = True


KINDS: dict[str, Kind] = {
    "canal-json": Kind(
        EncodeCanalJson,
        "json",
        {
            "terminator": ENDS,
            "enable_tidb_extension": st.booleans(),
            "content_compatible": st.booleans(),
            "only_output_updated_columns": st.booleans(),
        },
        before=None,
        commit_ts="enable_tidb_extension",
        ordinals=False,
    ),
    "debezium-json": Kind(
        EncodeDebeziumJson,
        "json",
        {
            "terminator": ENDS,
            "envelope": st.sampled_from(["bare", "payload"]),
            "output_old_value": st.booleans(),
            "decimal_mode": st.sampled_from(["string", "precise"]),
            "temporal_mode": st.sampled_from(["string", "debezium"]),
            "time_zone": st.sampled_from(["UTC", "Asia/Shanghai", "Europe/Berlin"]),
        },
    ),
    "avro": Kind(
        EncodeAvro,
        "avro",
        {"codec": st.sampled_from(["deflate", "zstandard", "none"]), "output_old_value": st.booleans()},
    ),
    "parquet": Kind(
        EncodeParquet,
        "parquet",
        {
            "compression": st.sampled_from(["zstd", "snappy", "lz4", "gzip", "none"]),
            "temporal": st.sampled_from(["text", "native"]),
            "wide_decimals": st.sampled_from(["text", "decimal256"]),
            "output_old_value": st.booleans(),
        },
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=120, deadline=None)
@given(data=st.data(), batch=batches())
def test_whole_changes_come_back(kind: str, data: st.DataObject, batch: ChangeBatch) -> None:
    form = KINDS[kind]
    options = data.draw(st.fixed_dictionaries(form.options))
    node = form.node(**options)
    schema = data.draw(st.sampled_from([batch.schema, *as_schema_file(batch.schema)]))
    try:
        file = file_of(node, batch)
    except RunFailed as refused:
        assert options.keys() & {"temporal", "temporal_mode"}
        assert refused.code in {f"encode.{type_}" for type_ in TEMPORAL_TYPES}  # noqa: PT017
        return
    told = StoredForm(debezium=DebeziumReading(options.get("decimal_mode"), options.get("time_zone", "UTC")))
    chunks = list(Decoders(told).rows(pa.py_buffer(file), form.extension, schema, "file"))
    ordinals = [ordinal for chunk in chunks if chunk.ordinals is not None for ordinal in chunk.ordinals.to_pylist()]
    assert ordinals == (batch.ordinals.to_pylist() if form.ordinals else [])
    held = form.before is None or bool(getattr(node, form.before))
    dated = form.commit_ts is None or bool(getattr(node, form.commit_ts))
    assert got(chunks, schema) == wanted(batch, before=held, commit_ts=dated)


@settings(max_examples=60, deadline=None)
@given(batch=batches())
def test_a_canal_delete_by_its_key_has_nulls_elsewhere(batch: ChangeBatch) -> None:
    data = encode(EncodeCanalJson(delete_only_output_handle_key_columns=True), batch)
    found = got(Decoders().rows(pa.py_buffer(data), "json", batch.schema, "file.json"), batch.schema)
    stored = batch.schema.stored_columns
    kept = {column.name for column in batch.schema.key_columns if not column.virtual} or {c.name for c in stored}
    for row, (op, ts, flag, values, old) in zip(found, wanted(batch, before=True, commit_ts=True), strict=True):
        if op == "D":
            values = tuple(v if c.name in kept else None for c, v in zip(stored, values, strict=True))
        assert row == (op, ts, flag, values, old)


def test_canal_numbers_of_elements_that_no_source_told_come_back() -> None:
    changes = batch(table(Column("e", "enum"), Column("s", "set")), [(3, 2**64 - 1), (0, None)])
    rows = Decoders().rows(pa.py_buffer(encode(EncodeCanalJson(), changes)), "json", changes.schema, "file.json")
    (chunk,) = rows
    assert chunk.rows.equals(changes.rows)


@pytest.mark.parametrize("node", [EncodeDebeziumJson(), EncodeDebeziumJson(envelope="payload")])
def test_json_is_told_apart_by_its_beginning(node: EncodeDebeziumJson) -> None:
    changes = batch(table(Column("id", "int")), [(1,)])
    assert encoding_of(pa.py_buffer(encode(node, changes)), "json") == "debezium-json"
    assert encoding_of(pa.py_buffer(encode(EncodeCanalJson(), changes)), "json") == "canal-json"
