"""Every SQL type at its edges, in every format, against values written by hand."""

from __future__ import annotations

import base64
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from afterbay.errors import RunFailed
from afterbay.schema import LOGICAL_TYPES
from afterbay_nodes.encoders.encode_avro import EncodeAvro
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.encoders.encode_debezium_json import EncodeDebeziumJson
from afterbay_nodes.encoders.encode_parquet import EncodeParquet
from tests.support.assembled import file_of
from tests.support.batches import batch, encode, table
from tests.support.golden_values import GOLDEN, Golden

each = pytest.mark.parametrize(
    "golden", [pytest.param(golden, id=f"{golden.column.type}-{n}") for n, golden in enumerate(GOLDEN)]
)


def test_every_type_has_its_values() -> None:
    assert {golden.column.type for golden in GOLDEN} == LOGICAL_TYPES


@each
def test_csv(golden: Golden) -> None:
    changes = batch(table(golden.column), [(golden.value,), (None,)])
    wanted = f'"I","table1","test",{golden.csv}\r\n"I","table1","test",\\N\r\n'
    assert encode(EncodeCsv(), changes).decode() == wanted
    # The joiner, which writes the dialects that Arrow does not know, gives the same fields.
    by_joiner = encode(EncodeCsv(delimiter="||"), changes).decode()
    assert by_joiner == wanted.replace('"I","table1","test",', '"I"||"table1"||"test"||')


@each
def test_csv_in_hex(golden: Golden) -> None:
    line = encode(EncodeCsv(binary_encoding_method="hex"), batch(table(golden.column), [(golden.value,)])).decode()
    field = f'"{base64.b64decode(golden.csv).hex()}"' if isinstance(golden.value, bytes) else golden.csv
    assert line == f'"I","table1","test",{field}\r\n'


@each
@pytest.mark.parametrize("full", [False, True])
def test_canal_json(golden: Golden, full: bool) -> None:
    changes = batch(table(golden.column), [(golden.value,)])
    line = encode(EncodeCanalJson(content_compatible=full), changes).decode()
    mysql = golden.full if full and golden.full is not None else golden.mysql
    assert f'"sqlType":{{"c":{golden.java}}},"mysqlType":{{"c":"{mysql}"}}' in line
    assert f'"data":[{{"c":{golden.canal}}}]' in line


@each
def test_debezium_json(golden: Golden) -> None:
    line = encode(EncodeDebeziumJson(), batch(table(golden.column), [(golden.value,)])).decode()
    assert line.startswith(f'{{"before":null,"after":{{"c":{golden.debezium}}},"source":')


@each
def test_debezium_json_in_numbers(golden: Golden) -> None:
    node = EncodeDebeziumJson(decimal_mode="precise", temporal_mode="debezium")
    changes = batch(table(golden.column), [(golden.value,)])
    if golden.numbers == "refused":
        with pytest.raises(RunFailed, match=rf"\[encode\.{golden.column.type}\] column 'c' holds the"):
            encode(node, changes)
        return
    wanted = golden.debezium if golden.numbers is None else golden.numbers
    assert encode(node, changes).decode().startswith(f'{{"before":null,"after":{{"c":{wanted}}},"source":')


def _named(golden: Golden) -> Any:
    """The value, or for enum and set the names that CSV has between its quotes."""
    return golden.csv[1:-1] if golden.column.type in ("enum", "set") else golden.value


@each
def test_parquet(golden: Golden, tmp_path: Path) -> None:
    data = file_of(EncodeParquet(), [batch(table(golden.column), [(golden.value,), (None,)])], tmp_path)
    exact = golden.column.type == "decimal" and (golden.column.length or 0) <= 38
    wanted = Decimal(golden.value) if exact else _named(golden)
    found = pq.read_table(pa.BufferReader(data)).column("c").to_pylist()
    # By their text: a NaN is not equal to itself, and 1.5 is equal to 1.50.
    assert list(map(repr, found)) == [repr(_as_stored(golden, wanted)), "None"]


@each
def test_avro(golden: Golden) -> None:
    data = file_of(EncodeAvro(), [batch(table(golden.column), [(golden.value,), (None,)])], Path("unused"))
    in_text = golden.column.type == "bit" or (golden.column.type == "bigint" and golden.column.unsigned)
    wanted = golden.csv if in_text else _named(golden)
    records: list[Any] = list(fastavro.reader(io.BytesIO(data)))
    assert [repr(record["c"]) for record in records] == [repr(_as_stored(golden, wanted)), "None"]


def _as_stored(golden: Golden, value: Any) -> Any:
    """A float has the digits of 32 bits."""
    return pa.scalar(value, pa.float32()).as_py() if golden.column.type == "float" else value
