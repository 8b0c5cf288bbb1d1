from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterbay.errors import RunFailed
from afterbay.messages import DdlKind, SchemaChange, TableChange
from afterbay.schema import LOGICAL_TYPES, Column, Json, TableName, TableSchema
from afterbay_nodes.storage.go_json import go_json
from afterbay_nodes.storage.layout import Layout
from afterbay_nodes.storage.schema_file import SchemaFile, SchemaWrite, column_entry, schema_files

PEOPLE = TableSchema(
    TableName("schema1", "table1"),
    100,
    (
        Column("Id", "int", nullable=False, primary_key=True),
        Column("LastName", "varchar", length=128, nullable=False),
        Column("FirstName", "varchar", length=64),
        Column("Birthday", "datetime"),
    ),
)

GOLDEN = (
    rb"""{
    "Table": "table1",
    "Schema": "schema1",
    "Version": 1,
    "TableVersion": 100,
    "Query": "alter table t add x set('\u003c','\u0026','\u003e') -- caf\u2028""".replace(b"caf", "café 日本".encode())
    + rb"""",
    "Type": 5,
    "TableColumns": [
        {
            "ColumnName": "Id",
            "ColumnType": "INT",
            "ColumnPrecision": "11",
            "ColumnNullable": "false",
            "ColumnIsPk": "true"
        },
        {
            "ColumnName": "LastName",
            "ColumnType": "VARCHAR",
            "ColumnPrecision": "128",
            "ColumnNullable": "false"
        },
        {
            "ColumnName": "FirstName",
            "ColumnType": "VARCHAR",
            "ColumnPrecision": "64"
        },
        {
            "ColumnName": "Birthday",
            "ColumnType": "DATETIME"
        }
    ],
    "TableColumnsTotal": 4
}"""
)


def test_a_schema_file_has_exactly_these_bytes() -> None:
    file = SchemaFile.of(PEOPLE, 100, "alter table t add x set('<','&','>') -- café 日本\u2028", 5)

    assert file.to_bytes() == GOLDEN
    assert SchemaFile.from_bytes(GOLDEN, "key") == file


def test_a_database_file_has_no_columns() -> None:
    content = json.loads(SchemaFile("shop", "", 445, "create database shop", 1).to_bytes())

    assert content["TableColumns"] is None
    assert (content["Table"], content["TableColumnsTotal"], content["Type"]) == ("", 0, 1)


@pytest.mark.parametrize(
    ("file", "checksum"),
    [
        (
            SchemaFile.of(
                TableSchema(
                    TableName("test", "table1"),
                    1,
                    (Column("col1", "int"), Column("col2", "varchar", length=5)),
                ),
                1,
            ),
            4192708364,
        ),
        (SchemaFile.of(PEOPLE, 100), 785427252),
        (SchemaFile("schema1", "", 100), 3233644819),
    ],
)
def test_checksums_are_those_of_the_protocol(file: SchemaFile, checksum: int) -> None:
    assert file.checksum == checksum


def test_a_checksum_ignores_version_ddl_and_order_of_columns_but_not_the_columns() -> None:
    columns = list(PEOPLE.columns)
    random.Random(7).shuffle(columns)
    shuffled = TableSchema(PEOPLE.name, 7, tuple(columns))
    narrower = TableSchema(PEOPLE.name, 100, PEOPLE.columns[:3])

    assert SchemaFile.of(shuffled, 7, "alter …", 5).checksum == SchemaFile.of(PEOPLE, 100).checksum
    assert SchemaFile.of(narrower, 100).checksum != SchemaFile.of(PEOPLE, 100).checksum


@pytest.mark.parametrize(
    ("column", "entry"),
    [
        (Column("c", "time", scale=5), {"ColumnType": "TIME", "ColumnScale": "5"}),
        (Column("c", "int", unsigned=True, length=5), {"ColumnType": "INT UNSIGNED", "ColumnPrecision": "5"}),
        (Column("c", "int"), {"ColumnType": "INT", "ColumnPrecision": "11"}),
        (Column("c", "tinyint"), {"ColumnType": "TINYINT", "ColumnPrecision": "4"}),
        (Column("c", "smallint"), {"ColumnType": "SMALLINT", "ColumnPrecision": "6"}),
        (Column("c", "mediumint"), {"ColumnType": "MEDIUMINT", "ColumnPrecision": "9"}),
        (Column("c", "bigint"), {"ColumnType": "BIGINT", "ColumnPrecision": "20"}),
        (Column("c", "bit"), {"ColumnType": "BIT", "ColumnPrecision": "1"}),
        (Column("c", "float"), {"ColumnType": "FLOAT", "ColumnPrecision": "12"}),
        (
            Column("c", "float", length=12, scale=3),
            {"ColumnType": "FLOAT", "ColumnPrecision": "12", "ColumnScale": "3"},
        ),
        (Column("c", "double", length=5, scale=-1), {"ColumnType": "DOUBLE", "ColumnPrecision": "5"}),
        (Column("c", "double", scale=0), {"ColumnType": "DOUBLE", "ColumnPrecision": "22"}),
        (Column("c", "decimal"), {"ColumnType": "DECIMAL", "ColumnPrecision": "10", "ColumnScale": "0"}),
        (
            Column("c", "decimal", length=20, scale=4),
            {"ColumnType": "DECIMAL", "ColumnPrecision": "20", "ColumnScale": "4"},
        ),
        (Column("c", "varchar"), {"ColumnType": "VARCHAR", "ColumnPrecision": "5"}),
        (Column("c", "varbinary", length=9), {"ColumnType": "VARBINARY", "ColumnPrecision": "9"}),
        (Column("c", "char"), {"ColumnType": "CHAR", "ColumnPrecision": "1"}),
        (Column("c", "binary", length=16), {"ColumnType": "BINARY", "ColumnPrecision": "16"}),
        (Column("c", "text"), {"ColumnType": "TEXT", "ColumnPrecision": "65535"}),
        (Column("c", "longblob"), {"ColumnType": "LONGBLOB", "ColumnPrecision": "4294967295"}),
        (Column("c", "timestamp", length=19, scale=2), {"ColumnType": "TIMESTAMP", "ColumnScale": "2"}),
        (Column("c", "datetime", scale=0), {"ColumnType": "DATETIME"}),
        (Column("c", "date", length=8, scale=2), {"ColumnType": "DATE"}),
        (Column("c", "year", length=4), {"ColumnType": "YEAR", "ColumnPrecision": "4"}),
        (Column("c", "json"), {"ColumnType": "JSON"}),
        (Column("c", "vector", length=3), {"ColumnType": "VECTOR"}),
        (Column("c", "enum", elements=("a", "b")), {"ColumnType": "ENUM", "ColumnElems": ["a", "b"]}),
        (Column("c", "set", elements=("x",)), {"ColumnType": "SET", "ColumnElems": ["x"]}),
        (Column("c", "date", default="0000-00-00"), {"ColumnType": "DATE", "ColumnDefault": "0000-00-00"}),
    ],
)
def test_a_column_is_named_as_the_protocol_names_it(column: Column, entry: dict[str, Json]) -> None:
    assert column_entry(column) == {"ColumnName": "c", **entry}


def test_a_column_id_is_the_first_key_and_a_text() -> None:
    entry = column_entry(Column("c", "int", id=3), output_column_id=True)

    assert next(iter(entry.items())) == ("ColumnId", "3")


columns = st.builds(
    Column,
    name=st.text(max_size=5),
    type=st.sampled_from(sorted(LOGICAL_TYPES)),
    unsigned=st.booleans(),
    length=st.none() | st.integers(0, 64),
    scale=st.none() | st.integers(0, 9),
    nullable=st.booleans(),
    primary_key=st.booleans(),
    default=st.none() | st.text(max_size=3) | st.integers(),
    elements=st.lists(st.text(max_size=3), max_size=2).map(tuple),
    id=st.integers(1, 2**63),
)


@given(st.lists(columns, max_size=4), st.text(max_size=20), st.booleans())
def test_a_file_is_read_back_as_it_was_and_its_columns_make_the_same_file(
    found: list[Column], query: str, with_id: bool
) -> None:
    schema = TableSchema(TableName("s<>&", "t\u2028"), 445, tuple(found))
    file = SchemaFile.of(schema, 445, query, 5, output_column_id=with_id)

    again = SchemaFile.from_bytes(file.to_bytes(), "key")

    assert again == file
    assert SchemaFile.of(again.table_schema(), 445, query, 5, output_column_id=with_id) == file


def test_an_id_that_is_asked_for_and_not_known_is_refused() -> None:
    with pytest.raises(RunFailed, match=r"column c has no id"):
        column_entry(Column("c", "int"), output_column_id=True)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", GOLDEN.replace(b'Total": 4', b'Total": 3'), GOLDEN[:-2]])
def test_what_is_no_schema_file_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(RunFailed, match=r"'shop/meta/schema_1_1\.json' is not a schema file"):
        SchemaFile.from_bytes(data, "shop/meta/schema_1_1.json")


def test_a_key_does_not_steer_the_terminal() -> None:
    with pytest.raises(RunFailed) as caught:
        SchemaFile.from_bytes(b"{}", "a\x1b[31m\nFAKE/meta/schema_1_1.json")
    assert "\nFAKE" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


_CONTENT = json.loads(GOLDEN)
_HOSTILE: list[Any] = [None, True, -1, 1.5, 1e400, 2**64, 2**200, "", "x", "٣", [], [1], {}, {"a": 1}, ["x", None]]


def hostile(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    """`content` with another value at `path`; without it if `value` is Ellipsis."""
    head, *rest = path
    copy = content.copy()
    if rest:
        copy[head] = hostile(content[head], tuple(rest), value)
    elif value is ...:
        del copy[head]
    else:
        copy[head] = value
    return copy


_PATHS = [(key,) for key in _CONTENT]
_PATHS += [("TableColumns", at, key) for at, entry in enumerate(_CONTENT["TableColumns"]) for key in entry]


def read_or_refused(data: bytes) -> str | None:
    """The code of the refusal, None if the content is read."""
    try:
        file = SchemaFile.from_bytes(data, "key")
        hash(file.table_schema().columns)  # readers compare and keep them
    except RunFailed as error:
        return error.code
    assert 0 <= file.checksum < 2**32
    return None


@pytest.mark.parametrize("path", _PATHS, ids=str)
def test_hostile_content_is_refused_or_read_and_nothing_else(path: tuple[Any, ...]) -> None:
    codes = {read_or_refused(json.dumps(hostile(_CONTENT, path, value)).encode()) for value in (*_HOSTILE, ...)}
    assert codes <= {None, "schema_file.unreadable", "schema_file.type", "schema_file.column"}


@pytest.mark.parametrize("path", [("Query",), ("TableColumns",), ("TableColumns", 0, "ColumnDefault")])
@pytest.mark.parametrize("depth", [300, 100_000])
def test_content_that_is_nested_too_deeply_is_refused(path: tuple[Any, ...], depth: int) -> None:
    text = json.dumps(hostile(_CONTENT, path, "HERE")).replace('"HERE"', "[" * depth + "]" * depth)
    assert read_or_refused(text.encode()) in (None, "schema_file.unreadable")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e16, "10000000000000000"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (0.000001, "0.000001"),
        (0.0000001, "1e-7"),
        (1.25e-7, "1.25e-7"),
        (0.30000000000000004, "0.30000000000000004"),
        (-3.0, "-3"),
        (-0.0, "-0"),
        (True, "true"),
        ([], "[]"),
        ({}, "{}"),
        ([1, [2]], "[\n    1,\n    [\n        2\n    ]\n]"),
        ('\b\f\n\r\t\x01\x7f"\\/\ud800', '"\\b\\f\\n\\r\\t\\u0001\x7f\\"\\\\/\\ufffd"'),
    ],
)
def test_values_are_written_as_go_writes_them(value: object, text: str) -> None:
    assert go_json(value) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_an_error(value: float) -> None:
    with pytest.raises(ValueError, match="no infinity"):
        go_json(value)


# --- which files a DDL writes


def table(name: str, *types: str, part: int | None = None, id: int | None = None) -> TableSchema:
    found = tuple(Column(f"c{n}", kind) for n, kind in enumerate(types))
    return TableSchema(TableName("shop", name), 500, found, table_id=id, partition_id=part)


def change(kind: DdlKind, *tables: TableChange, query: str = "the ddl", database: str | None = None) -> SchemaChange:
    return SchemaChange("p", 500, kind, query, tables, database)


def described(writes: tuple[SchemaWrite, ...]) -> list[tuple[str, str, int, int]]:
    """(directory, query, type, number of columns) of each file; its version is that of the DDL."""
    found = []
    for write in writes:
        file = SchemaFile.from_bytes(write.data, write.key)
        owner, _, name = write.key.rpartition("/meta/")
        assert name == f"schema_500_{file.checksum:010d}.json"
        found.append((owner, file.query, file.type, len(file.columns)))
    return found


OLD, NEW = table("orders", "int"), table("orders", "int", "text")


@pytest.mark.parametrize(
    ("ddl", "files"),
    [
        (change(DdlKind.ADD_COLUMN, TableChange("d", OLD, "d", NEW)), [("shop/orders", "the ddl", 5, 2)]),
        (change(DdlKind.CREATE_TABLE, TableChange(None, None, "d", OLD)), [("shop/orders", "the ddl", 3, 1)]),
        (change(DdlKind.DROP_TABLE, TableChange("d", OLD, None, None)), [("shop/orders", "the ddl", 4, 1)]),
        (change(DdlKind.TRUNCATE_TABLE, TableChange("d", OLD, "e", OLD)), [("shop/orders", "the ddl", 11, 1)]),
        (
            change(DdlKind.RENAME_TABLE, TableChange("d", OLD, "d", table("sales", "int"))),
            [("shop/sales", "the ddl", 14, 1)],
        ),
        (
            change(
                DdlKind.CREATE_TABLES,
                TableChange(None, None, "a", table("a", "int"), "create a"),
                TableChange(None, None, "b", table("b", "int", "int"), "create b"),
            ),
            [("shop/a", "create a", 60, 1), ("shop/b", "create b", 60, 2)],
        ),
        (
            change(
                DdlKind.ADD_COLUMN,
                TableChange("d/1", OLD, "d/1", table("orders", "int", "text", part=1)),
                TableChange("d/2", OLD, "d/2", table("orders", "int", "text", part=2)),
            ),
            [("shop/orders", "the ddl", 5, 2)],
        ),
        (change(DdlKind.CREATE_SCHEMA, database="shop"), [("shop", "the ddl", 1, 0)]),
        (change(DdlKind.DROP_SCHEMA, database="a/b"), [("a%2Fb", "the ddl", 2, 0)]),
        (change(DdlKind.CREATE_VIEW, TableChange(None, None, "v", table("view"))), [("shop", "the ddl", 21, 0)]),
        (
            change(
                DdlKind.TRUNCATE_TABLE,
                TableChange("d/1", OLD, None, None),
                TableChange(None, None, "d/2", table("orders", "int", part=2)),
            ),
            [("shop/orders", "the ddl", 11, 1)],
        ),
        (
            change(
                DdlKind.DROP_TABLE,
                TableChange("d/1", table("orders", "int", part=1), None, None),
                TableChange("d/2", table("orders", "int", part=2), None, None),
            ),
            [("shop/orders", "the ddl", 4, 1)],
        ),
        (
            change(
                DdlKind.EXCHANGE_PARTITION,
                TableChange("d", table("plain", "int", "int"), "d", table("plain", "int")),
                TableChange("d/1", table("parted", "int", part=1), "d/1", table("parted", "int", "int", part=1)),
            ),
            [("shop/plain", "the ddl", 42, 1), ("shop/parted", "", 0, 2)],
        ),
    ],
)
def test_a_ddl_writes_its_files_in_their_order(ddl: SchemaChange, files: list[tuple[str, str, int, int]]) -> None:
    assert described(schema_files(ddl, Layout())) == files


def test_with_table_ids_a_database_has_no_file_and_each_partition_its_own() -> None:
    layout = Layout(use_table_id_as_path=True)
    parts = [table("orders", "int", part=n, id=9) for n in (71, 72)]
    ddl = change(DdlKind.ADD_COLUMN, *[TableChange("d", part, "d", part) for part in parts])

    assert schema_files(change(DdlKind.CREATE_SCHEMA, database="shop"), layout) == ()
    assert [owner for owner, *_ in described(schema_files(ddl, layout))] == ["71", "72"]


def test_with_table_ids_a_truncated_table_has_its_file_under_the_new_id() -> None:
    layout = Layout(use_table_id_as_path=True)
    whole = TableChange("d", table("t", "int", id=71), "d", table("t", "int", id=72))
    gone = TableChange("e/1", table("p", "int", part=81, id=8), None, None)
    made = TableChange(None, None, "e/2", table("p", "int", part=82, id=9))

    assert [owner for owner, *_ in described(schema_files(change(DdlKind.TRUNCATE_TABLE, whole), layout))] == ["72"]
    assert [owner for owner, *_ in described(schema_files(change(DdlKind.TRUNCATE_TABLE, gone, made), layout))] == [
        "82"
    ]


@pytest.mark.parametrize(
    "ddl",
    [
        change(DdlKind.EXCHANGE_PARTITION, TableChange("d", OLD, "d", OLD)),
        change(DdlKind.EXCHANGE_PARTITION, TableChange("d", OLD, "d", OLD), TableChange("e", OLD, "e", OLD)),
        change(
            DdlKind.EXCHANGE_PARTITION,
            TableChange("d", table("p", "int", part=1), "d", table("p", "int", part=1)),
            TableChange("e", OLD, "e", OLD),
        ),
        change(DdlKind.EXCHANGE_PARTITION, TableChange("d", OLD, "d", OLD), TableChange("e", OLD, None, None)),
        change(DdlKind.ADD_COLUMN, TableChange("d", None, "d", None)),
        change(DdlKind.CREATE_SCHEMA),
    ],
)
def test_a_ddl_that_lacks_a_table_is_refused_before_anything_is_written(ddl: SchemaChange) -> None:
    with pytest.raises(RunFailed, match=r"the DDL at 500 .* cannot be stored"):
        schema_files(ddl, Layout())
