"""Avro blocks are what fastavro writes row by row, and what it reads is what was changed, for every type."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay.errors import EnvironmentRefused, RunFailed
from afterbay.messages import ChangeBatch, Op
from afterbay.schema import Column, TableName, TableSchema
from afterbay_nodes.encoders.avro_schema import Codec, avro_name, avro_schema, record_name
from afterbay_nodes.encoders.encode_avro import EncodeAvro
from tests.support.assembled import file_of, stored
from tests.support.batches import COMMIT_TS, batch, encode, operator, table
from tests.support.reference_described import avro_block, avro_rows, true_name
from tests.support.strategies import change_batches, texts

UNUSED = Path("unused")


def read(data: bytes) -> tuple[dict[str, object], list[object]]:
    """The schema that a file carries, and its records."""
    reader = fastavro.reader(io.BytesIO(data))
    return reader.writer_schema, list(reader)


def marker(header: bytes) -> bytes:
    return header[-16:]


@settings(max_examples=200, deadline=None)
@given(changes=change_batches(), before=st.booleans())
def test_a_block_is_byte_for_byte_what_fastavro_writes(changes: ChangeBatch, before: bool) -> None:
    made = operator(EncodeAvro(codec="none", output_old_value=before)).process(changes)
    body = b"".join(buffer.to_pybytes() for buffer in made.body)
    schema, _ = read(made.head.format.header)
    assert body == avro_block(avro_rows(changes, before=before), schema, marker(made.head.format.header))


@settings(max_examples=60, deadline=None)
@given(changes=change_batches(), codec=st.sampled_from(["none", "deflate", "zstandard"]))
def test_what_is_read_is_what_was_changed(changes: ChangeBatch, codec: Codec) -> None:
    _, records = read(file_of(EncodeAvro(codec=codec, output_old_value=True), [changes], UNUSED))
    # By their text: a NaN is not equal to itself.
    assert list(map(repr, records)) == list(map(repr, avro_rows(changes, before=True)))


@settings(max_examples=40, deadline=None)
@given(changes=change_batches())
def test_a_file_tells_its_table_s_true_names_and_types(changes: ChangeBatch) -> None:
    schema, _ = read(file_of(EncodeAvro(), [changes], UNUSED))
    facts = schema["afterbay.table"]
    assert facts == {
        "schema": changes.schema.name.schema,
        "table": changes.schema.name.table,
        "version": changes.schema.version,
    }
    columns = tuple(Column.from_json(field["afterbay.column"]) for field in schema["fields"][3:])
    assert columns == changes.schema.stored_columns


@pytest.mark.parametrize("codec", ["none", "deflate", "zstandard"])
def test_the_batches_of_several_encoders_make_one_file(codec: Codec) -> None:
    items = table(Column("id", "int"), Column("note", "text"))
    batches = [batch(items, [(number, "x" * number)] * (number + 1)) for number in range(5)]
    made = [operator(EncodeAvro(codec=codec)).process(item) for item in batches]
    _, records = read(stored(made, UNUSED))
    assert records == [row for item in batches for row in avro_rows(item, before=False)]
    assert sum(1 for _ in fastavro.block_reader(io.BytesIO(stored(made, UNUSED)))) == 5


def test_header_and_blocks_agree_across_processes() -> None:
    """Two runs with other hash seeds write the same header, so a marker of one ends the blocks of the other."""
    code = (
        "from afterbay_nodes.encoders.encode_avro import EncodeAvro\n"
        "from tests.support.batches import *\n"
        "made = operator(EncodeAvro(codec='none', output_old_value=True)).process(\n"
        "    batch(table(Column('id', 'int'), Column('e', 'enum', elements=('a', 'b'))), [(1, 2)]))\n"
        "print(made.head.format.header.hex(), made.body[-1].to_pybytes().hex())"
    )
    root = Path(__file__).parents[2]
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1
    header, end = runs.pop().split()
    assert header.endswith(end)


def test_another_schema_has_another_marker() -> None:
    headers = [
        operator(EncodeAvro()).process(batch(table(Column(name, "int")), [(1,)])).head.format.header
        for name in ("a", "b")
    ]
    assert marker(headers[0]) != marker(headers[1])


@settings(max_examples=300, deadline=None)
@given(name=texts() | st.sampled_from(["", "_x_", "_x0041_", "_x0041", "_op", "_OP", "9a", "a.b", "_x005F_op", "__x"]))
def test_names_are_escaped_reversibly(name: str) -> None:
    for escaped in (avro_name(name), record_name(name)):
        assert true_name(escaped) == name
        assert escaped.isascii()
        assert escaped.isidentifier()
    assert avro_name(name).lower() not in ("_op", "_commit_ts", "_ordinal", "_before")


@pytest.mark.parametrize("name", ["null", "int", "string", "before", "record", "_op", ""])
def test_a_table_may_be_called_like_a_type_or_a_part_of_the_file(name: str) -> None:
    schema = TableSchema(TableName(name, name), 1, (Column("id", "int"),))
    found, records = read(file_of(EncodeAvro(output_old_value=True), [batch(schema, [(1,)])], UNUSED))
    assert len(records) == 1
    space, _, record = str(found["name"]).rpartition(".")
    assert (true_name(space), true_name(record)) == (name, name)


def test_the_record_of_a_table_is_what_the_page_says() -> None:
    schema = table(
        Column("id", "bigint", primary_key=True),
        Column("n", "int", unsigned=True),
        Column("big", "bigint", unsigned=True),
        Column("price", "decimal", length=10, scale=2),
        Column("at", "datetime", scale=6),
        Column("raw", "blob"),
        Column("ratio", "float"),
        Column("flags", "bit", length=8),
    )
    fields = avro_schema(schema, before=False)["fields"]
    assert isinstance(fields, list)
    assert [(field["name"], field["type"]) for field in fields] == [  # type: ignore[index, call-overload]
        ("_op", "string"),
        ("_commit_ts", "long"),
        ("_ordinal", "long"),
        ("id", ["null", "long"]),
        ("n", ["null", "long"]),
        ("big", ["null", "string"]),
        ("price", ["null", "string"]),
        ("at", ["null", "string"]),
        ("raw", ["null", "bytes"]),
        ("ratio", ["null", "float"]),
        ("flags", ["null", "string"]),
    ]


@pytest.mark.parametrize("bits", [6, 7, 8, 13, 14, 15, 27, 28, 29, 31, 41, 42, 43, 55, 56, 57, 62, 63])
def test_numbers_at_the_edge_of_a_group_of_bits(bits: int) -> None:
    """Where one more byte begins: both sides of each power of two, alone and beside small ones."""
    numbers = table(Column("n", "bigint"))
    edges = [2**bits - 1, -(2**bits) + 1, -(2**bits), 2**bits if bits < 63 else 2**63 - 1, 0, 1, -1, None]
    for rows in ([(value,)] for value in edges), [[(value,) for value in edges]]:
        for each in rows:
            changes = batch(numbers, each)
            _, records = read(file_of(EncodeAvro(), [changes], UNUSED))
            assert records == avro_rows(changes, before=False)


def test_text_longer_than_two_groups_of_bits() -> None:
    notes = table(Column("note", "longtext"), Column("raw", "longblob"))
    rows = [("x" * size, b"\x00" * size) for size in (0, 1, 63, 64, 8191, 8192, 2**20, 2**21)]
    _, records = read(file_of(EncodeAvro(codec="none"), [batch(notes, rows)], UNUSED))
    assert [(record["note"], record["raw"]) for record in records] == rows  # type: ignore[index, call-overload]


def test_a_commit_ts_that_no_long_holds_is_refused() -> None:
    items = table(Column("id", "int"))
    encode(EncodeAvro(), batch(items, [(1,)], commit_ts=[2**63 - 1]))
    with pytest.raises(RunFailed) as refusal:
        encode(EncodeAvro(), batch(items, [(1,), (2,)], commit_ts=[1, 2**63]))
    assert f"at {2**63}/1: [encode.commit_ts]" in str(refusal.value)


def test_old_values_must_be_there() -> None:
    items = table(Column("id", "int"))
    changes = batch(items, [(1,)], ops=[Op.UPDATE], commit_ts=[COMMIT_TS])
    with pytest.raises(RunFailed, match=r"\[encode.no_before\]"):
        encode(EncodeAvro(output_old_value=True), changes)


def test_without_fastavro_the_run_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastavro", None)
    with pytest.raises(EnvironmentRefused, match=r"afterbay\[avro\]"):
        operator(EncodeAvro())


def test_the_schema_in_the_file_is_plain_json() -> None:
    header = operator(EncodeAvro()).process(batch(table(Column("Ünï", "int")), [(1,)])).head.format.header
    start = header.index(b"{")
    found, _ = json.JSONDecoder().raw_decode(header[start:].decode("ascii", "replace"))
    assert found["fields"][3]["afterbay.column"]["name"] == "Ünï"
