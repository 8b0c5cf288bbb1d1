"""canal-json line by line: keys, types that depend on a value, and what an update says of the row before it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from afterbay.errors import RunFailed
from afterbay.messages import Op
from afterbay.schema import Column, TableSchema
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from tests.support.batches import COMMIT_TS, NOW_MS, Row, batch, encode, operator, table

PERSON = table(
    Column("id", "int", nullable=False, primary_key=True),
    Column("name", "varchar", length=16),
    Column("age", "tinyint", unsigned=True),
)


def objects(schema: TableSchema, rows: Sequence[Row], node: EncodeCanalJson | None = None, **columns: Any) -> list[Any]:
    """Every line as parsed JSON."""
    body = encode(node or EncodeCanalJson(), batch(schema, rows, **columns))
    return [json.loads(line) for line in body.decode().split("\r\n")[:-1]]


def test_an_insert_in_full() -> None:
    line = encode(EncodeCanalJson(), batch(PERSON, [(1, "Ann", None)])).decode()
    assert line == (
        '{"id":0,"database":"test","table":"table1","pkNames":["id"],"isDdl":false,"type":"INSERT",'
        f'"es":{COMMIT_TS >> 18},"ts":{NOW_MS},"sql":"","sqlType":{{"id":4,"name":12,"age":-6}},'
        '"mysqlType":{"id":"int","name":"varchar","age":"tinyint unsigned"},"old":null,'
        f'"data":[{{"id":"1","name":"Ann","age":null}}],"_tidb":{{"commitTs":{COMMIT_TS}}}}}\r\n'
    )


def test_the_commit_time_comes_from_the_source_where_it_has_one() -> None:
    assert [row["es"] for row in objects(PERSON, [(1, "a", 1), (2, "b", 2)], commit_ms=[77, 78])] == [77, 78]


def test_an_update_carries_all_columns_of_the_row_before_it() -> None:
    (row,) = objects(PERSON, [(1, "new", 9)], ops=[Op.UPDATE], before=[(1, None, 9)])
    assert (row["type"], row["old"], row["data"]) == (
        "UPDATE",
        [{"id": "1", "name": None, "age": "9"}],
        [{"id": "1", "name": "new", "age": "9"}],
    )


@pytest.mark.parametrize(
    "node", [EncodeCanalJson(only_output_updated_columns=True), EncodeCanalJson(content_compatible=True)]
)
def test_an_update_can_carry_only_what_changed(node: EncodeCanalJson) -> None:
    rows = objects(
        PERSON,
        [(1, "new", 9), (2, None, None), (3, None, 9), (4, "x", None)],
        node,
        ops=[Op.UPDATE] * 4,
        before=[(1, None, 9), (2, None, None), (3, "old", 8), (4, "x", 1)],
    )
    assert [row["old"] for row in rows] == [[{"name": None}], [{}], [{"name": "old", "age": "8"}], [{"age": "1"}]]


def test_null_and_the_text_null_are_two_things() -> None:
    line = encode(EncodeCanalJson(), batch(PERSON, [(1, "null", None)])).decode()
    assert '"data":[{"id":"1","name":"null","age":null}]' in line


def test_the_primary_key_is_named_in_table_order_and_a_unique_key_is_not() -> None:
    pair = table(Column("b", "int", primary_key=True), Column("v", "int"), Column("a", "int", primary_key=True))
    assert objects(pair, [(1, 2, 3)])[0]["pkNames"] == ["b", "a"]
    unique = table(Column("u", "int", nullable=False, unique_key=True), Column("v", "int"))
    node = EncodeCanalJson(delete_only_output_handle_key_columns=True)
    (row,) = objects(unique, [(1, 2)], node, ops=[Op.DELETE])
    assert (row["pkNames"], row["data"]) == (None, [{"u": "1"}])


def test_a_delete_has_the_row_that_went_in_data() -> None:
    (row,) = objects(PERSON, [(1, "gone", 9)], ops=[Op.DELETE])
    assert (row["type"], row["old"], row["data"]) == ("DELETE", None, [{"id": "1", "name": "gone", "age": "9"}])


def test_a_delete_can_keep_its_handle_key_only_and_order_stays() -> None:
    rows = objects(
        PERSON,
        [(1, "a", 1), (2, "b", 2), (3, "c", 3), (4, "d", 4)],
        EncodeCanalJson(delete_only_output_handle_key_columns=True),
        ops=[Op.DELETE, Op.INSERT, Op.DELETE, Op.UPDATE],
        before=[None, None, None, (4, "D", 4)],
    )
    assert [row["data"][0]["id"] for row in rows] == ["1", "2", "3", "4"]
    assert [sorted(row["data"][0]) for row in rows] == [["id"], ["age", "id", "name"], ["id"], ["age", "id", "name"]]
    assert [sorted(row["sqlType"]) for row in rows] == [sorted(row["data"][0]) for row in rows]
    assert rows[3]["old"][0]["name"] == "D"


def test_a_table_without_a_handle_key_keeps_its_deletes_whole() -> None:
    heap = table(Column("a", "int"), Column("b", "int"))
    node = EncodeCanalJson(delete_only_output_handle_key_columns=True)
    (row,) = objects(heap, [(1, 2)], node, ops=[Op.DELETE])
    assert (row["data"], row["pkNames"]) == ([{"a": "1", "b": "2"}], None)


@pytest.mark.parametrize(
    ("type_", "fits", "above", "java", "java_above"),
    [
        ("tinyint", 127, 128, -6, 5),
        ("smallint", 32767, 32768, 5, 4),
        ("mediumint", 2**23, 2**24 - 1, 4, 4),
        ("int", 2**31 - 1, 2**31, 4, -5),
        ("bigint", 2**63 - 1, 2**63, -5, 3),
    ],
)
def test_a_large_unsigned_value_changes_its_java_type_and_no_other(
    type_: str, fits: int, above: int, java: int, java_above: int
) -> None:
    schema = table(Column("n", type_, unsigned=True))
    rows = objects(schema, [(fits,), (above,), (None,)])
    assert [row["sqlType"]["n"] for row in rows] == [java, java_above, java]


@pytest.mark.parametrize(
    ("column", "short", "full"),
    [
        (
            Column("c", "int", unsigned=True, zerofill=True, length=10),
            "int unsigned zerofill",
            "int(10) unsigned zerofill",
        ),
        (Column("c", "varchar", length=16), "varchar", "varchar(16)"),
        (Column("c", "decimal", length=10, scale=2), "decimal", "decimal(10,2)"),
        (Column("c", "datetime", scale=6), "datetime", "datetime(6)"),
        (Column("c", "enum", elements=("a", "it's")), "enum", "enum('a','it''s')"),
        (Column("c", "bit", unsigned=True, length=8), "bit", "bit(8)"),
        (Column("c", "year", unsigned=True, zerofill=True), "year", "year"),
        (Column("c", "text", length=65535), "text", "text"),
        (Column("c", "blob", length=65535), "blob", "blob"),
        (Column("c", "json"), "json", "json"),
        (Column("c", "date"), "date", "date"),
        (Column("c", "datetime", scale=0), "datetime", "datetime"),
        (Column("c", "decimal", length=10), "decimal", "decimal(10,0)"),
        (Column("c", "decimal"), "decimal", "decimal"),
        (Column("c", "float", length=12), "float", "float"),
        (Column("c", "double", length=10, scale=3, unsigned=True), "double unsigned", "double(10,3) unsigned"),
        (Column("c", "varbinary", length=16), "varbinary", "varbinary(16)"),
        (Column("c", "year", length=4), "year", "year(4)"),
        (Column("c", "vector", length=3), "vector", "vector(3)"),
        (Column("c", "set"), "set", "set"),
        (Column("c", "set", elements=("\\", "a\nb\r\0")), "set", "set('\\\\','a\\nb\\r\\0')"),
    ],
)
def test_mysql_types_are_full_only_when_asked(column: Column, short: str, full: str) -> None:
    for node, wanted in ((EncodeCanalJson(), short), (EncodeCanalJson(content_compatible=True), full)):
        (row,) = objects(table(column), [(None,)], node)
        assert row["mysqlType"] == {"c": wanted}


def test_enum_set_and_bit_are_numbers_and_bytes_are_characters() -> None:
    schema = table(
        Column("e", "enum", elements=("a", "b")),
        Column("s", "set", elements=("a", "b")),
        Column("b", "bit"),
        Column("raw", "blob"),
    )
    (row,) = objects(schema, [(2, 3, 5, bytes(range(256)))])
    assert row["data"] == [{"e": "2", "s": "3", "b": "5", "raw": "".join(map(chr, range(256)))}]
    assert row["sqlType"] == {"e": 4, "s": -7, "b": -7, "raw": 2004}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e6, "1000000"),
        (1e-7, "0.0000001"),
        (1e22, "1" + "0" * 22),
        (123456789012345.67, "123456789012345.67"),
        (1.5, "1.5"),
        (-2.0, "-2"),
    ],
)
def test_floats_never_have_an_exponent(value: float, text: str) -> None:
    (row,) = objects(table(Column("x", "double")), [(value,)])
    assert row["data"] == [{"x": text}]


def test_strings_are_escaped_as_go_escapes_them() -> None:
    line = encode(EncodeCanalJson(), batch(table(Column("t", "text")), [('<a href="x">&\t\n\r\x01\\é\u2028\x7f',)]))
    text = '\\u003ca href=\\"x\\"\\u003e\\u0026\\t\\n\\r\\u0001\\\\é\u2028\x7f'
    assert f'"data":[{{"t":"{text}"}}]'.encode() in line


def test_names_are_escaped_like_values() -> None:
    line = encode(EncodeCanalJson(), batch(table(Column('<"\n', "int"), name="d&b.t\\b"), [(1,)])).decode()
    assert line.startswith('{"id":0,"database":"d\\u0026b","table":"t\\\\b",')
    assert '"data":[{"\\u003c\\"\\n":"1"}]' in line


def test_the_commit_ts_can_be_left_out() -> None:
    (row,) = objects(PERSON, [(1, "a", 1)], EncodeCanalJson(enable_tidb_extension=False))
    assert "_tidb" not in row
    assert list(row)[-1] == "data"


def test_an_update_without_the_row_before_it_is_refused() -> None:
    with pytest.raises(RunFailed, match=r"\[encode.no_before\]"):
        encode(EncodeCanalJson(), batch(PERSON, [(1, "a", 1)], ops=[Op.UPDATE]))


def test_the_file_is_json_without_a_header() -> None:
    head = operator(EncodeCanalJson()).process(batch(PERSON, [(1, "a", 1)])).head
    assert (head.format.extension, head.format.header) == ("json", b"")
