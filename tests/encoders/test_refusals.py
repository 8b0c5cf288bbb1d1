"""A batch that is not what its schema says is refused with its table, column and position (I10)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from afterbay.errors import RunFailed
from afterbay.messages import ChangeBatch, Op
from afterbay.node import Transform
from afterbay.schema import Column
from afterbay_nodes.encoders.encode_avro import EncodeAvro
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.encoders.encode_debezium_json import EncodeDebeziumJson
from afterbay_nodes.encoders.encode_parquet import EncodeParquet
from tests.support.batches import COMMIT_TS, batch, encode, image, table

ENCODERS: list[Transform[Any, Any]] = [
    EncodeCsv(),
    EncodeCsv(delimiter="||"),
    EncodeCanalJson(),
    EncodeDebeziumJson(),
    EncodeParquet(),
    EncodeAvro(),
]
NOTES = table(Column("id", "int"), Column("note", "text"))


def _not_utf8(row: int, rows: int, raw: bytes = b"\xc3\x28") -> pa.Array:
    """Text whose `row`-th value is no UTF-8."""
    values = [raw if index == row else b"fine" for index in range(rows)]
    binary = pa.array(values, pa.binary())
    return pa.Array.from_buffers(pa.utf8(), rows, binary.buffers())


@pytest.mark.parametrize("node", ENCODERS)
@pytest.mark.parametrize("row", [0, 3, 6])
def test_text_that_is_not_utf8_is_refused_at_its_row(node: Transform[Any, Any], row: int) -> None:
    changes = batch(NOTES, [(index, "x") for index in range(7)])
    rows = pa.RecordBatch.from_arrays([changes.rows.column(0), _not_utf8(row, 7)], schema=NOTES.arrow_schema)
    with pytest.raises(RunFailed) as refusal:
        encode(node, replace(changes, rows=rows))
    assert f"table test.table1, at {COMMIT_TS}/{row}: [encode.text] column 'note'" in str(refusal.value)


@pytest.mark.parametrize("node", ENCODERS)
@pytest.mark.parametrize("raw", [b"\xed\xa0\x80", b"\xf0\x9f", b"\xc0\x80", b"\xf4\x90\x80\x80"])
def test_surrogates_cut_and_overlong_characters_are_refused(node: Transform[Any, Any], raw: bytes) -> None:
    rows = pa.RecordBatch.from_arrays([pa.array([1], pa.int32()), _not_utf8(0, 1, raw)], schema=NOTES.arrow_schema)
    with pytest.raises(RunFailed, match=r"\[encode.text\] column 'note'"):
        encode(node, replace(batch(NOTES, [(1, "x")]), rows=rows))


@pytest.mark.parametrize(
    "node",
    [
        EncodeCsv(output_old_value=True),
        EncodeCanalJson(),
        EncodeDebeziumJson(),
        EncodeParquet(output_old_value=True),
        EncodeAvro(output_old_value=True),
    ],
)
def test_before_images_that_are_written_are_checked_too(node: Transform[Any, Any]) -> None:
    changes = batch(NOTES, [(1, "x"), (2, "y")], ops=[Op.UPDATE, Op.UPDATE], before=[(1, "x"), (2, "y")])
    bad = pa.RecordBatch.from_arrays([changes.rows.column(0), _not_utf8(1, 2)], schema=NOTES.arrow_schema)
    with pytest.raises(RunFailed, match=rf"{COMMIT_TS}/1: \[encode.text\]"):
        encode(node, replace(changes, before=bad))
    with pytest.raises(RunFailed, match=r"\[encode.shape\] 1 before-images for 2 rows"):
        encode(node, replace(changes, before=bad.slice(0, 1)))


@pytest.mark.parametrize("node", ENCODERS)
def test_an_enum_index_beyond_its_elements_is_refused(node: Transform[Any, Any]) -> None:
    colours = table(Column("colour", "enum", elements=("red", "blue")))
    with pytest.raises(RunFailed) as refusal:
        encode(node, batch(colours, [(1,), (2,), (3,)]))
    assert f"{COMMIT_TS}/2: [encode.enum] column 'colour' holds enum value 3; its 2 elements" in str(refusal.value)


@pytest.mark.parametrize("node", ENCODERS)
def test_a_set_bit_beyond_its_elements_is_refused(node: Transform[Any, Any]) -> None:
    flags = table(Column("flags", "set", elements=("a", "b")))
    with pytest.raises(RunFailed, match=rf"{COMMIT_TS}/1: \[encode.set\]"):
        encode(node, batch(flags, [(3,), (4,)]))


@pytest.mark.parametrize("kind", ["enum", "set"])
def test_names_that_the_source_did_not_tell_are_refused_and_numbers_are_not(kind: str) -> None:
    changes = batch(table(Column("c", kind)), [(0,), (3,)])
    for node in (EncodeCsv(), EncodeDebeziumJson()):
        with pytest.raises(RunFailed, match=rf"\[encode.{kind}\]") as refusal:
            encode(node, changes)
        assert "hint: the source told no names" in str(refusal.value)
    assert b'"data":[{"c":"3"}]' in encode(EncodeCanalJson(), changes)
    assert f'"mysqlType":{{"c":"{kind}"}}'.encode() in encode(EncodeCanalJson(content_compatible=True), changes)


def test_a_set_of_64_elements_may_use_every_bit() -> None:
    names = tuple(f"e{bit}" for bit in range(64))
    line = encode(EncodeCsv(), batch(table(Column("flags", "set", elements=names)), [(2**64 - 1,)]))
    assert line == f'"I","table1","test","{",".join(names)}"\r\n'.encode()


@pytest.mark.parametrize("node", ENCODERS)
@pytest.mark.parametrize(
    ("other", "says"),
    [
        (table(Column("id", "int")), "rows have 1 columns, the schema stores 2"),
        (table(Column("id", "bigint"), Column("note", "text")), "column 1 of the rows is 'id' int64"),
        (table(Column("id", "int"), Column("memo", "text")), "column 2 of the rows is 'memo' string"),
    ],
)
def test_rows_of_another_schema_are_refused(node: Transform[Any, Any], other: Any, says: str) -> None:
    row = [1, "x"][: len(other.columns)]
    changes = replace(batch(NOTES, [(1, "x")]), rows=image(other, [row]))
    with pytest.raises(RunFailed, match=r"\[encode.columns\]") as refusal:
        encode(node, changes)
    assert says in str(refusal.value)


@pytest.mark.parametrize("node", ENCODERS)
def test_fields_that_are_declared_not_null_are_the_same_columns(node: Transform[Any, Any]) -> None:
    changes = batch(NOTES, [(1, "x")])
    strict = pa.schema([pa.field(field.name, field.type, nullable=False) for field in NOTES.arrow_schema])
    rows = pa.RecordBatch.from_arrays(changes.rows.columns, schema=strict)
    assert encode(node, replace(changes, rows=rows)) == encode(node, changes)


@pytest.mark.parametrize("node", ENCODERS)
@pytest.mark.parametrize(
    ("column", "values", "code"),
    [
        ("ops", pa.array([3], pa.uint8()), "encode.op"),
        ("ops", pa.array([None], pa.uint8()), "encode.shape"),
        ("ops", pa.array([0, 0], pa.uint8()), "encode.shape"),
        ("commit_ms", pa.array([None], pa.int64()), "encode.shape"),
    ],
)
def test_columns_that_do_not_fit_the_rows_are_refused(
    node: Transform[Any, Any], column: str, values: pa.Array, code: str
) -> None:
    changes: ChangeBatch = replace(batch(NOTES, [(1, "x")]), **{column: values})
    with pytest.raises(RunFailed, match=rf"\[{code}\]"):
        encode(node, changes)


@pytest.mark.parametrize("node", [EncodeParquet(), EncodeAvro()])
@pytest.mark.parametrize("ordinals", [pa.array([None], pa.uint32()), pa.array([0, 1], pa.uint32())])
def test_ordinals_that_are_written_are_checked_too(node: Transform[Any, Any], ordinals: pa.Array) -> None:
    with pytest.raises(RunFailed, match=r"\[encode.shape\]"):
        encode(node, replace(batch(NOTES, [(1, "x")]), ordinals=ordinals))


@pytest.mark.parametrize("node", ENCODERS)
@pytest.mark.parametrize(
    "schema",
    [
        table(Column("id", "int"), name="test.\ud800"),
        table(Column("id\udfff", "int", virtual=True), Column("id", "int")),
        table(Column("id", "int"), Column("e", "enum", elements=("\ud800",), virtual=True)),
    ],
)
def test_names_that_are_no_unicode_text_are_refused(node: Transform[Any, Any], schema: Any) -> None:
    with pytest.raises(RunFailed, match=r"\[encode.name\]"):
        encode(node, batch(schema, [(1,)]))


def test_a_name_cannot_steer_the_terminal_through_an_error() -> None:
    schema = table(Column("bad\x1b[2J", "enum", elements=("a",)), name="test.evil\x1b[31m")
    with pytest.raises(RunFailed) as refusal:
        encode(EncodeCsv(), batch(schema, [(9,)]))
    assert "\x1b" not in str(refusal.value)
