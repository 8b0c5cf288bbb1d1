"""Every SQL type at its edges, in every format, against values written by hand."""

from __future__ import annotations

import base64

import pytest

from afterbay.errors import RunFailed
from afterbay.schema import LOGICAL_TYPES
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.encoders.encode_debezium_json import EncodeDebeziumJson
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
