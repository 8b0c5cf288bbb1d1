from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterbay.errors import RunFailed
from afterbay.schema import TableName, TableSchema
from afterbay_nodes.storage.dates import DateSeparator
from afterbay_nodes.storage.layout import METADATA, DataKey, IndexKey, Layout, SchemaKey, parse_schema_key
from afterbay_nodes.storage.store import levels

DAYS = {
    DateSeparator.NONE: "",
    DateSeparator.YEAR: "2024",
    DateSeparator.MONTH: "2024-05",
    DateSeparator.DAY: "2024-05-17",
}


def table(schema: str = "shop", name: str = "orders", *, id: int | None = None, part: int | None = None) -> TableSchema:
    return TableSchema(TableName(schema, name), 445, (), table_id=id, partition_id=part)


@pytest.mark.parametrize(
    ("layout", "schema", "key"),
    [
        (Layout(), table(), "shop/orders/445/2024-05-17/CDC00000000000000000007.csv"),
        (Layout(date_separator=DateSeparator.NONE), table(), "shop/orders/445/CDC00000000000000000007.csv"),
        (Layout(date_separator=DateSeparator.YEAR), table(), "shop/orders/445/2024/CDC00000000000000000007.csv"),
        (Layout(date_separator=DateSeparator.MONTH), table(), "shop/orders/445/2024-05/CDC00000000000000000007.csv"),
        (Layout(), table(part=99), "shop/orders/445/99/2024-05-17/CDC00000000000000000007.csv"),
        (
            Layout(enable_partition_separator=False),
            table(part=99),
            "shop/orders/445/2024-05-17/CDC00000000000000000007.csv",
        ),
        (Layout(file_index_digit=6), table(), "shop/orders/445/2024-05-17/CDC000007.csv"),
        (Layout(file_index_digit=5), table(), "shop/orders/445/2024-05-17/CDC00000000000000000007.csv"),
        (Layout(file_index_digit=21), table(), "shop/orders/445/2024-05-17/CDC00000000000000000007.csv"),
        (Layout(use_table_id_as_path=True), table(id=12), "12/445/2024-05-17/CDC00000000000000000007.csv"),
        (Layout(use_table_id_as_path=True), table(id=12, part=99), "99/445/2024-05-17/CDC00000000000000000007.csv"),
        (Layout(), table("..", "a/b"), "%2E%2E/a%2Fb/445/2024-05-17/CDC00000000000000000007.csv"),
    ],
)
def test_a_data_file_lies_where_the_protocol_says(layout: Layout, schema: TableSchema, key: str) -> None:
    directory = layout.data_directory(schema, 445, DAYS[layout.date_separator])

    assert layout.data_file(directory, layout.series("p", "d"), 7, "csv") == key


def test_the_index_is_beside_its_files_and_the_schema_files_beside_the_versions() -> None:
    layout = Layout()
    directory = layout.data_directory(table(), 445, "2024-05-17")

    assert layout.index_file(directory, "CDC") == "shop/orders/445/2024-05-17/meta/CDC.index"
    assert layout.schema_file(layout.table_directory(table()), 445, 42) == "shop/orders/meta/schema_445_0000000042.json"
    assert layout.schema_file(layout.database_directory("shop"), 445, 42) == "shop/meta/schema_445_0000000042.json"


def test_a_number_may_outgrow_its_pad() -> None:
    layout = Layout(file_index_digit=6)
    name = layout.file_name("CDC", 1234567, "csv")

    assert name == "CDC1234567.csv"
    assert layout.file_number(name, "CDC", "csv") == 1234567


def test_across_nodes_a_file_says_by_a_stable_uuid_whose_it_is() -> None:
    layout = Layout(enable_table_across_nodes=True)
    stem = layout.series("changes", "shop.orders")
    directory = layout.data_directory(table(), 445, "2024-05-17")

    assert stem == "CDC_ef914d4d-ad4c-5e52-81c9-04579bc0085d"
    assert stem == layout.series("changes", "shop.orders")
    assert len({stem, layout.series("changes", "shop.items"), layout.series("other", "shop.orders")}) == 3
    assert layout.data_file(directory, stem, 7, "csv").endswith(f"/{stem}_00000000000000000007.csv")
    assert layout.index_file(directory, stem).endswith(f"/meta/{stem}.index")


def test_without_the_partition_level_partitions_share_one_series() -> None:
    layout = Layout(enable_partition_separator=False)

    assert layout.data_directory(table(part=1), 445, "") == layout.data_directory(table(part=2), 445, "")
    assert layout.series("p", "orders/1") == layout.series("p", "orders/2")


def test_table_ids_are_asked_for_and_a_source_that_has_none_is_told() -> None:
    with pytest.raises(RunFailed, match=r"shop\.orders has no table id"):
        Layout(use_table_id_as_path=True).table_directory(table())


@pytest.mark.parametrize(
    "key",
    [
        METADATA,
        "shop/orders/meta/schema_445_0000000042.json.tmp.1",
        "shop/orders/meta/schema_445_42.json",
        "shop/orders/schema_445_0000000042.json",
        "shop/orders/445/2024-05-17/CDC7.csv",
        "shop/orders/445/2024-05-17/CDC٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٧.csv",
        "shop/orders/445/CDC00000000000000000007.csv",
        f"shop/orders/445/2024-05-17/CDC{'7' * 5000}.csv",
        f"shop/orders/{'4' * 5000}/2024-05-17/CDC00000000000000000007.csv",
        f"shop/orders/meta/schema_{'4' * 5000}_0000000042.json",
        "shop/orders/445/2024-05-17/notes.txt",
        "README.md",
    ],
)
def test_what_is_not_of_the_protocol_is_nothing(key: str) -> None:
    assert Layout().parse(key) is None


@pytest.mark.parametrize(
    ("folder", "day"),
    [
        ("shop/orders/445/2024-05-17", "2024-05-17"),
        ("shop/orders/445/2024-05-17/meta", "2024-05-17"),
        ("shop/orders/445/99/2024-05-17", "2024-05-17"),
        ("2024-01-02/2024-01-03/445/2024-05-17", "2024-05-17"),
        ("2024-01-02/2024-01-03/445", ""),
        ("2024-01-02/2024-01-03", ""),
        ("2024-01-02", ""),
        ("shop/2024-05-17/meta", ""),
        ("shop/orders/445/2024-05-17/other", ""),
        ("shop/orders/445/2024-5-17", ""),
        ("", ""),
    ],
)
def test_a_folder_has_a_day_only_where_the_layout_has_its_date_level(folder: str, day: str) -> None:
    assert Layout().day_of_folder(folder) == day
    assert Layout(date_separator=DateSeparator.NONE).day_of_folder(folder) == ""


def test_a_schema_file_of_a_database_or_a_table_is_known() -> None:
    assert parse_schema_key("shop/meta/schema_445_0000000042.json") == SchemaKey("shop", 445, 42)
    assert parse_schema_key("shop/orders/meta/schema_445_4294967295.json") == SchemaKey("shop/orders", 445, 2**32 - 1)


def test_digits_are_those_of_ascii() -> None:
    assert parse_schema_key("shop/meta/schema_٤٤٥_0000000042.json") is None
    assert parse_schema_key("shop/meta/schema_445_٠٠٠٠٠٠٠٠٤٢.json") is None
    assert Layout().file_number("CDC00000000000000000٠٠1.csv", "CDC", "csv") is None
    assert Layout().parse("shop/orders/٤٤٥/2024-05-17/CDC00000000000000000001.csv") is None


def test_a_name_of_thousands_of_digits_has_no_number() -> None:
    assert Layout().file_number(f"CDC{'7' * 5000}.csv", "CDC", "csv") is None


layouts = st.builds(
    Layout,
    date_separator=st.sampled_from(DateSeparator),
    enable_partition_separator=st.booleans(),
    file_index_digit=st.sampled_from([6, 20]),
    use_table_id_as_path=st.booleans(),
    enable_table_across_nodes=st.booleans(),
)
names = st.sampled_from(
    [
        "a",
        "meta",
        "metadata",
        "..",
        "",
        "445",
        "2024",
        "2024-05-17",
        "CDC000001.csv",
        "a/meta",
        "schema_1_0000000001.json",
    ]
)
tables = st.builds(
    lambda schema, name, number, part: table(schema, name, id=number, part=part),
    names,
    names,
    st.integers(1, 3),
    st.none() | st.sampled_from([445, 2024, 5]),
)
things = st.tuples(
    st.sampled_from(["data", "index", "table schema", "database schema"]),
    tables,
    st.sampled_from([1, 2024, 445]),
    st.sampled_from([1, 10**7]),
)


def key_of(layout: Layout, thing: tuple[str, TableSchema, int, int]) -> tuple[str, object]:
    """A key, and what makes it what it is."""
    kind, schema, version, number = thing
    day, stem = DAYS[layout.date_separator], layout.series("p", "d")
    by_id = layout.use_table_id_as_path
    owner: object = (schema.partition_id or schema.table_id) if by_id else schema.name
    partition = schema.partition_id if layout.enable_partition_separator and not by_id else None
    directory = layout.data_directory(schema, version, day)
    if kind == "data":
        return layout.data_file(directory, stem, number, "csv"), (kind, owner, version, partition, number)
    if kind == "index":
        return layout.index_file(directory, stem), (kind, owner, version, partition)
    if kind == "table schema" or by_id:
        return layout.schema_file(layout.table_directory(schema), version, number), ("table", owner, version, number)
    owner_key = layout.database_directory(schema.name.schema)
    return layout.schema_file(owner_key, version, number), (kind, schema.name.schema, version, number)


@given(layouts, things, things)
def test_two_things_never_share_a_key_and_none_lies_inside_another(
    layout: Layout, one: tuple[str, TableSchema, int, int], other: tuple[str, TableSchema, int, int]
) -> None:
    (key, thing), (key2, thing2) = key_of(layout, one), key_of(layout, other)

    assert (key == key2) == (thing == thing2)
    assert not key2.startswith(f"{key}/")
    assert key != METADATA
    assert not key.startswith(f"{METADATA}/")
    levels(key)


@given(layouts, tables, st.integers(1, 2**63), st.integers(1, 10**8))
def test_a_key_is_read_back_as_what_it_was_made_of(
    layout: Layout, schema: TableSchema, version: int, number: int
) -> None:
    day, stem = DAYS[layout.date_separator], layout.series("p", "d")
    directory = layout.data_directory(schema, version, day)
    owner = layout.table_directory(schema)
    shown = layout.enable_partition_separator and not layout.use_table_id_as_path and schema.partition_id is not None
    partition = str(schema.partition_id) if shown else ""

    data = layout.parse(layout.data_file(directory, stem, number, "csv"))
    index = layout.parse(layout.index_file(directory, stem))
    file = layout.parse(layout.schema_file(owner, version, 7))

    assert data == DataKey(owner, version, partition, day, stem, number, "csv")
    assert index == IndexKey(owner, version, partition, day, stem)
    assert file == SchemaKey(owner, version, 7)
    assert layout.day_of(directory) == day


def test_a_layout_can_be_compared_and_changed() -> None:
    layout = Layout()
    layout.parse("x")

    assert replace(layout, file_index_digit=6) == Layout(file_index_digit=6)
