"""The reader's parsers on the protocol page's own vectors, and on what they must refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.reader import canal_rows, csv_rows
from tests.reader.canal_rows import CanalForm
from tests.reader.csv_rows import CsvDialect, Field
from tests.reader.findings import Damage
from tests.reader.paths import DataPath, IndexPath, SchemaPath, StoreShape, TablePath, parse
from tests.reader.rows import Row
from tests.reader.schema_file import SchemaColumn, SchemaFile, checksum, go_json


def table(*columns: tuple[str, str], name: str = "table1") -> SchemaFile:
    made = tuple(SchemaColumn(column, kind, None, None, True, False, (), None) for column, kind in columns)
    return SchemaFile("test", name, 1, "", 0, made, 0)


def test_the_page_s_checksum_vector() -> None:
    columns = [
        {"ColumnName": "col2", "ColumnType": "VARCHAR", "ColumnPrecision": "5"},
        {"ColumnName": "col1", "ColumnType": "INT", "ColumnPrecision": "11"},
    ]
    document = {"Table": "table1", "Schema": "test", "TableColumns": columns, "TableColumnsTotal": 2}
    assert checksum(document) == 4192708364


def test_json_as_go_writes_it() -> None:
    assert go_json({"a": "<&>\u2028é🐈"}) == '{\n    "a": "\\u003c\\u0026\\u003e\\u2028é🐈"\n}'


def test_the_page_s_quoted_vector() -> None:
    line = b'"I","table1","test",435661838416609281,123,"hello,world"\r\n'
    schema = table(("id", "INT"), ("text", "VARCHAR"))
    assert list(csv_rows.rows(line, CsvDialect(commit_ts=True), schema, "f")) == [
        Row("I", 435661838416609281, ("123", "hello,world"), "f:1")
    ]


def test_the_page_s_unquoted_vector() -> None:
    dialect = CsvDialect(delimiter="!", quote="", terminator="\n")
    schema = table(("text", "VARCHAR"), ("more", "VARCHAR"), name="table2")
    rows = list(csv_rows.rows(b"U!table2!test!a\\!b\\!c!def\n", dialect, schema, "f"))
    assert [row.values for row in rows] == [("a!b!c", "def")]


@pytest.mark.parametrize(
    ("dialect", "data", "texts"),
    [
        (CsvDialect(), b'\\N,"\\N",""\r\n', [None, "\\N", ""]),
        (CsvDialect(), b'"a""b","c\r\nd","""\r\n"","\r\n', ['a"b', "c\r\nd", '"\r\n",']),
        (CsvDialect(delimiter="||", quote="'", null="NULL", terminator="\n"), b"NULL||'NULL'||'a|''b'\n", None),
        (CsvDialect(quote=""), b"\\N,\\\\N,\\r\\n\\,\r\n", [None, "\\N", "\r\n,"]),
        (CsvDialect(delimiter="ab", quote="", terminator="\n"), b"1\\a\\b2ab3\n", ["1ab2", "3"]),
    ],
)
def test_dialects(dialect: CsvDialect, data: bytes, texts: list[str | None] | None) -> None:
    (row,) = csv_rows.fields(data, dialect)
    assert [field.text for field in row] == (texts or [None, "NULL", "a|'b"])


@pytest.mark.parametrize(
    ("dialect", "data", "rule"),
    [
        (CsvDialect(), b'"a"b,1\r\n', "row.torn"),
        (CsvDialect(), b'"a\xff"\r\n', "row.text"),
        (CsvDialect(), b'a"b"\r\n', "row.torn"),
        (CsvDialect(quote=""), b"a\\x,1\r\n", "row.escape"),
        (CsvDialect(quote=""), b"a,1\\", "row.torn"),
    ],
)
def test_text_that_no_rule_allows(dialect: CsvDialect, data: bytes, rule: str) -> None:
    with pytest.raises(Damage) as caught:
        list(csv_rows.fields(data, dialect))
    assert caught.value.rule == rule


def test_old_values_and_a_header() -> None:
    dialect = CsvDialect(commit_ts=True, old_value=True, header=True)
    head = b"ticdc-meta$operation,ticdc-meta$table,ticdc-meta$schema,ticdc-meta$commit-ts,ticdc-meta$is-update,id\r\n"
    data = head + b'"D","table1","test",7,true,1\r\n"I","table1","test",7,true,2\r\n'
    rows = list(csv_rows.rows(data, dialect, table(("id", "INT")), "f"))
    assert [(row.op, row.is_update, row.values) for row in rows] == [("D", True, ("1",)), ("I", True, ("2",))]
    with pytest.raises(Damage, match="the header is"):
        list(csv_rows.rows(data.replace(b",id", b",no"), dialect, table(("id", "INT")), "f"))


def test_a_bit_may_be_bare() -> None:
    rows = list(csv_rows.rows(b'"I","table1","test",5\r\n', CsvDialect(), table(("b", "BIT")), "f"))
    assert rows[0].values == ("5",)
    assert list(csv_rows.fields(b"5\r\n", CsvDialect())) == [[Field("5", quoted=False)]]


def canal(**changed: Any) -> bytes:
    message: dict[str, Any] = {
        "id": 0,
        "database": "test",
        "table": "table1",
        "pkNames": None,
        "isDdl": False,
        "type": "INSERT",
    }
    message |= {"es": 1, "ts": 2, "sql": "", "sqlType": {"id": -5, "f": 8}}
    message |= {
        "mysqlType": {"id": "bigint(20) unsigned", "f": "double"},
        "old": None,
        "data": [{"id": "7", "f": "1000000"}],
    }
    message |= {"_tidb": {"commitTs": 9}}
    return json.dumps(message | changed).encode() + b"\r\n"


CANAL_TABLE = table(("id", "BIGINT UNSIGNED"), ("f", "DOUBLE"))


def test_a_canal_line() -> None:
    (row,) = canal_rows.rows(canal(), CanalForm(), CANAL_TABLE, "f")
    assert (row.op, row.commit_ts, row.values, row.old) == ("I", 9, ("7", "1000000"), None)
    old = [{"id": "6", "f": None}]
    (row,) = canal_rows.rows(canal(type="UPDATE", old=old), CanalForm(), CANAL_TABLE, "f")
    assert (row.op, row.old) == ("U", (("id", "6"), ("f", None)))


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (canal(type="INSERT", old=[{"id": "1", "f": None}]), "row.keys"),
        (canal(type="UPDATE", old=[{"id": "1"}]), "row.width"),
        (canal(id=1), "row.keys"),
        (canal(extra=1), "row.keys"),
        (canal(table="other"), "row.names"),
        (canal(data=[{"id": 7, "f": None}]), "row.value"),
        (canal(data=[{"id": "7"}]), "row.width"),
        (canal(data=[{"f": None, "id": "7"}]), "row.width"),
        (canal(data=[{"id": "7", "f": "1e+06"}]), "row.value"),
        (canal(data=[{"id": str(2**63), "f": None}]), "row.types"),
        (canal(mysqlType={"id": "bigint", "f": "double"}), "row.types"),
        (canal()[:-2], "row.torn"),
        (canal()[:-9] + b"\r\n", "row.torn"),
    ],
)
def test_canal_lines_that_no_rule_allows(line: bytes, rule: str) -> None:
    with pytest.raises(Damage) as caught:
        list(canal_rows.rows(line, CanalForm(), CANAL_TABLE, "f"))
    assert caught.value.rule == rule


def test_the_shapes_of_paths() -> None:
    node = "0a1b2c3d-0000-4000-8000-00000000000a"
    day, none = StoreShape("csv"), StoreShape("json", date="none", digits=6)
    ids = StoreShape("csv", date="year", table_id_paths=True)
    nodes = StoreShape("csv", date="none", across_nodes=True)
    stream = parse("s/t/5/77/2026-01-02/CDC00000000000000000012.csv", day)
    assert isinstance(stream, DataPath)
    assert (stream.number, stream.stream.partition, stream.stream.date) == (12, "77", "2026-01-02")
    assert isinstance(parse("s/t/5/CDC1000000.json", none), DataPath)
    assert parse("s/t/5/CDC0100000.json", none) is None
    assert isinstance(parse("9/5/2026/meta/CDC.index", ids), IndexPath)
    assert parse("t/5/2026/meta/CDC.index", ids) is None
    assert isinstance(parse("9/meta/schema_5_0000000001.json", ids), SchemaPath)
    assert isinstance(parse(f"s/t/5/CDC_{node}_00000000000000000001.csv", nodes), DataPath)
    assert parse("s/t/5/CDC00000000000000000001.csv", nodes) is None
    assert isinstance(parse(f"s/t/5/meta/CDC_{node}.index", nodes), IndexPath)
    assert parse("s/meta/schema_5_0000000001.json", day) == SchemaPath(TablePath("s", ""), 5, 1)
    assert TablePath("s", "%2E%2E").names("s", "..")
