"""Parquet and Avro files that are damaged, or are not what their schema file says, are refused by name."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from afterbay.errors import RunFailed
from afterbay.messages import ChangeBatch, EncodedBatch, Op
from afterbay.node import Transform
from afterbay.schema import Column, TableSchema
from afterbay_nodes.decoders.decode import Decoders
from afterbay_nodes.decoders.stored_rows import CHUNK_BYTES
from afterbay_nodes.encoders.encode_avro import EncodeAvro
from afterbay_nodes.encoders.encode_parquet import EncodeParquet
from tests.support.batches import batch, table
from tests.support.decoded import file_of, got, wanted

PETS = table(
    Column("id", "int", primary_key=True),
    Column("age", "tinyint"),
    Column("price", "decimal", length=10, scale=2),
    Column("born", "datetime", scale=3),
    Column("kind", "enum", elements=("cat", "mouse")),
    name="zoo.pets",
)
BORN = "2026-01-02 03:04:05.678"
ROWS = [(number, number % 100, "-0.05", BORN, number % 3) for number in range(300)]
OPS = [Op.INSERT, Op.UPDATE, Op.DELETE] * 100
CHANGES = batch(PETS, ROWS, ops=OPS, before=[ROWS[0] if op is Op.UPDATE else None for op in OPS])
NODES: dict[str, Transform[ChangeBatch, EncodedBatch]] = {
    "parquet": EncodeParquet(output_old_value=True, compression="none", temporal="native"),
    "avro": EncodeAvro(output_old_value=True, codec="none"),
}
FILES = {name: file_of(node, CHANGES, CHANGES) for name, node in NODES.items()}


def read(name: str, data: bytes, schema: TableSchema = PETS) -> list[Any]:
    return got(Decoders().rows(pa.py_buffer(data), name, schema, "a/CDC7"), schema)


def refused(name: str, data: bytes, schema: TableSchema = PETS) -> RunFailed:
    with pytest.raises(RunFailed) as caught:
        read(name, data, schema)
    place = caught.value.place
    assert place is not None
    assert (place.file, place.table) == ("a/CDC7", str(schema.name))
    return caught.value


def with_column(**changed: Any) -> TableSchema:
    """The pets with their last column changed."""
    return replace(PETS, columns=(*PETS.columns[:-1], replace(PETS.columns[-1], **changed)))


@pytest.mark.parametrize("name", NODES)
def test_a_good_file_is_good_and_an_empty_one_has_no_rows(name: str) -> None:
    assert read(name, FILES[name]) == wanted(CHANGES, before=True, commit_ts=True) * 2
    assert read(name, b"") == []


@pytest.mark.parametrize("name", NODES)
def test_a_file_that_is_cut_off_anywhere_is_refused(name: str) -> None:
    data = FILES[name]
    whole = avro_ends(data) if name == "avro" else set()
    for size in [*range(1, len(data), 101), *range(len(data) - 40, len(data))]:
        if size not in whole:
            assert refused(name, data[:size]).code == f"{name}.damaged"


def avro_ends(data: bytes) -> set[int]:
    """Where blocks end: a file may end there, too."""
    blocks = list(fastavro.block_reader(io.BytesIO(data)))
    return {blocks[0].offset, *(block.offset + block.size for block in blocks)}


def test_a_flipped_bit_in_any_page_of_a_parquet_file_is_noticed() -> None:
    data = FILES["parquet"]
    group = pq.ParquetFile(pa.BufferReader(data)).metadata.row_group(0)
    for at in range(group.num_columns):
        chunk = group.column(at)
        start = chunk.dictionary_page_offset or chunk.data_page_offset
        last = start + chunk.total_compressed_size - 1
        assert refused("parquet", flipped(data, last)).code == "parquet.damaged", chunk.path_in_schema


def test_a_footer_that_hides_rows_is_noticed() -> None:
    """No checksum is over it. Every bit of its counts flipped: the rows come whole, or not at all."""
    data = FILES["parquet"]
    rows = read("parquet", data)
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    count = b"\x16" + bytes((600 * 2 & 0x7F | 0x80, 600 * 2 >> 7))  # a field of 64 bits: 600
    places = [at for at in range(footer, len(data)) if data.startswith(count, at)]
    assert places
    for at in places:
        for bit in range(16):
            changed = flipped(data, at + 1 + bit // 8, 1 << bit % 8)
            try:
                found = read("parquet", changed)
            except RunFailed as error:
                assert error.code == "parquet.damaged"  # noqa: PT017 - either is right
            else:
                assert found == rows


def test_a_damaged_marker_or_count_of_an_avro_block_is_noticed() -> None:
    data = FILES["avro"]
    first, second = fastavro.block_reader(io.BytesIO(data))
    for place in (first.offset, first.offset + 1, first.offset + first.size - 1, second.offset, len(data) - 16):
        assert refused("avro", flipped(data, place)).code == "avro.damaged"
    assert refused("avro", data[: second.offset + 1]).code == "avro.damaged"  # within the two bytes of its count


@pytest.mark.parametrize("codec", ["none", "deflate", "zstandard"])
def test_whatever_is_flipped_in_an_avro_file_only_we_complain(codec: str) -> None:
    """Avro has no checksums: what still parses cannot be told from what was written. But nothing else is raised."""
    data = file_of(EncodeAvro(codec=codec), CHANGES)
    refusals = set()
    for at in range(0, len(data), 11):
        for mask in (1, 0x80):
            try:
                read("avro", flipped(data, at, mask))
            except RunFailed as error:
                refusals.add(error.code)
    assert refusals >= {"avro.damaged", "avro.columns"}


def test_an_avro_block_keeps_what_comes_before_its_fault() -> None:
    data = FILES["avro"]
    chunks = []
    with pytest.raises(RunFailed) as caught:
        chunks.extend(Decoders().rows(pa.py_buffer(data[:-1]), "avro", PETS, "f"))
    assert [chunk.num_rows for chunk in chunks] == [300]
    assert caught.value.place is not None
    assert caught.value.place.position == "row 301"


def flipped(data: bytes, at: int, mask: int = 1) -> bytes:
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


OTHERS: dict[str, tuple[TableSchema, str]] = {
    "another table": (table(*PETS.columns, name="zoo.cars"), "zoo"),
    "a column more": (replace(PETS, columns=(*PETS.columns, Column("more", "int"))), "virtual column"),
    "a column less": (replace(PETS, columns=PETS.columns[:-1]), "columns"),
    "another order": (replace(PETS, columns=PETS.columns[::-1]), "columns"),
    "another name": (with_column(name="sort"), "sort"),
    "another type": (with_column(type="set"), "'enum'.*'set'"),
    "other elements": (with_column(elements=("mouse", "cat")), "mouse"),
    "another sign": (
        replace(PETS, columns=(replace(PETS.columns[0], unsigned=True), *PETS.columns[1:])),
        "unsigned",
    ),
    "other digits": (
        replace(PETS, columns=(*PETS.columns[:2], replace(PETS.columns[2], scale=3), *PETS.columns[3:])),
        "scale",
    ),
}


@pytest.mark.parametrize("name", NODES)
@pytest.mark.parametrize("other", OTHERS)
def test_a_file_of_other_columns_is_refused(name: str, other: str) -> None:
    schema, said = OTHERS[other]
    error = refused(name, FILES[name], schema)
    assert error.code == f"{name}.columns"
    with pytest.raises(RunFailed, match=said):
        raise error


def parquet(change: Any) -> bytes:
    """The good Parquet file with its table changed."""
    out = io.BytesIO()
    pq.write_table(change(pq.read_table(io.BytesIO(FILES["parquet"]))), out)
    return out.getvalue()


def put(column: str, value: Any, row: int = 2) -> Any:
    """Puts a value into one row."""

    def change(old: pa.Table) -> pa.Table:
        at = old.column_names.index(column)
        values = old.column(at).to_pylist()
        values[row] = value
        field = old.schema.field(at).with_nullable(True)
        return old.set_column(at, field, pa.array(values, field.type))

    return change


@pytest.mark.parametrize(
    ("change", "code", "row"),
    [
        (put("_op", "X"), "parquet.row", 3),
        (put("_op", None), "parquet.row", 3),
        (put("_op", "U"), "parquet.row", 3),
        (put("_before", None, 1), "parquet.row", 2),
        (put("_commit_ts", None), "parquet.row", 3),
        (put("_ordinal", None), "parquet.row", 3),
        (put("kind", "dog"), "parquet.value", 3),
        (put("born", pa.scalar(-(2**62), pa.timestamp("us")).cast(pa.int64()).as_py()), "parquet.value", 3),
        (put("born", 1), "parquet.value", 3),
    ],
)
def test_a_parquet_row_that_cannot_be_is_refused(change: Any, code: str, row: int) -> None:
    error = refused("parquet", parquet(change))
    assert error.code == code
    assert error.place is not None
    assert error.place.position == f"row {row}"


def test_other_columns_of_a_parquet_file_are_refused() -> None:
    for change in (
        lambda old: old.drop_columns(["_ordinal"]),
        lambda old: old.drop_columns(["age"]),
        lambda old: old.replace_schema_metadata({}),
        lambda old: old.cast(pa.schema([field.remove_metadata() for field in old.schema], old.schema.metadata)),
        lambda old: old.append_column("more", old.column("age")),
        lambda old: old.rename_columns([name.replace("age", "old") for name in old.column_names]),
        lambda old: old.set_column(4, old.schema.field(4).with_type(pa.int64()), old.column(4).cast(pa.int64())),
    ):
        assert refused("parquet", parquet(change)).code == "parquet.columns"


def avro(change: Any) -> bytes:
    """The good Avro file with its third record changed."""
    reader = fastavro.reader(io.BytesIO(FILES["avro"]))
    records: list[Any] = list(reader)
    records[2] |= change
    out = io.BytesIO()
    fastavro.writer(out, reader.writer_schema, records)
    return out.getvalue()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"_op": "X"}, "avro.row"),
        ({"_op": "U"}, "avro.row"),
        ({"_commit_ts": -1}, "avro.row"),
        ({"_ordinal": 2**32}, "avro.row"),
        ({"age": 128}, "avro.value"),
        ({"price": "1,5"}, "avro.value"),
        ({"born": "2026-1-2"}, "avro.value"),
        ({"kind": "dog"}, "avro.value"),
    ],
)
def test_an_avro_row_that_cannot_be_is_refused(change: Any, code: str) -> None:
    error = refused("avro", avro(change))
    assert error.code == code
    assert error.place is not None
    assert error.place.position == "row 3"


def test_numbers_of_parquet_become_the_text_of_their_columns() -> None:
    schema = table(
        Column("a", "date"),
        Column("b", "datetime", scale=6),
        Column("c", "timestamp", scale=0),
        Column("d", "time", scale=1),
        Column("e", "datetime"),
        Column("f", "decimal", length=38, scale=30),
        Column("g", "decimal", length=65, scale=30),
    )
    first = ["0001-01-01", "9999-12-31 23:59:59.999999", "2038-01-19 03:14:07", "23:59:59.9", "1969-12-31 23:59:59.25"]
    last = ["9999-12-31", "1970-01-01 00:00:00.000000", "1970-01-01 00:00:01", "00:00:00.0", "2026-01-02 00:00:00"]
    first += ["-0." + "0" * 29 + "1", "9" * 35 + "." + "9" * 30]
    last += ["0." + "0" * 30, "-1." + "0" * 30]
    changes = batch(schema, [first, last])
    data = file_of(EncodeParquet(temporal="native", wide_decimals="decimal256"), changes)
    (chunk,) = Decoders().rows(pa.py_buffer(data), "parquet", schema, "f")
    assert chunk.rows.equals(changes.rows)


def test_a_large_row_group_comes_in_chunks() -> None:
    schema = table(Column("id", "int"), Column("text", "longtext"))
    changes = batch(schema, [(number, f"{number:08}" * 1000) for number in range(1500)])
    data = file_of(EncodeParquet(), changes)
    chunks = list(Decoders().rows(pa.py_buffer(data), "parquet", schema, "f"))
    assert pa.Table.from_batches([chunk.rows for chunk in chunks]).equals(pa.Table.from_batches([changes.rows]))
    assert max(chunk.rows.nbytes for chunk in chunks) < 2 * CHUNK_BYTES


def test_without_fastavro_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['fastavro'] = None\n"
        "import pyarrow as pa\n"
        "from afterbay.schema import TableName, TableSchema\n"
        "from afterbay_nodes.decoders.decode import Decoders\n"
        "list(Decoders().rows(pa.py_buffer(b'x'), 'avro', TableSchema(TableName('a', 'b'), 1, ()), 'f'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "decode_avro.library" in done.stderr
    assert "afterbay[avro]" in done.stderr
