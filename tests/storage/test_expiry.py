"""Which objects are expired: by the date level of the layout, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from afterbay.schema import TableName, TableSchema
from afterbay_nodes.storage import expiry
from afterbay_nodes.storage.dates import DateSeparator
from afterbay_nodes.storage.expiry import expired
from afterbay_nodes.storage.layout import METADATA, DataKey, IndexKey, Layout
from afterbay_nodes.storage.store import ObjectInfo

LAYOUT = Layout(file_index_digit=6)


def removed(keys: list[str], before: str, layout: Layout = LAYOUT) -> list[str]:
    """The keys in the order in which they would go."""
    found: list[str] = []
    for batch in expired([ObjectInfo(key, 1) for key in sorted(keys)], layout, before):
        found += [*batch.indexes, *(item.key for item in batch.data)]
    return found


def test_what_lies_before_the_day_goes_index_first_and_the_day_itself_stays() -> None:
    keys = [
        "shop/orders/445/2024-05-16/CDC000001.csv",
        "shop/orders/445/2024-05-16/CDC000002.csv",
        "shop/orders/445/2024-05-16/meta/CDC.index",
        "shop/orders/445/2024-05-17/CDC000001.csv",
        "shop/orders/445/2024-05-17/meta/CDC.index",
        "shop/orders/meta/schema_445_0000000001.json",
        METADATA,
    ]
    assert removed(keys, "2024-05-17") == [keys[2], keys[0], keys[1]]
    assert removed(keys, "2024-05-16") == []


def test_a_schema_or_table_that_is_called_like_a_date_survives() -> None:
    kept = [
        "2024-01-02/2024-01-03/445/2024-05-17/CDC000001.csv",
        "2024-01-02/2024-01-03/445/2024-05-17/meta/CDC.index",
        "2024-01-02/2024-01-03/meta/schema_445_0000000001.json",
        "2024-01-02/meta/schema_445_0000000001.json",
        "2024-01-02/orders/20240101/2024-05-17/CDC000001.csv",
        "shop/2024-01-02/445/20240101/2024-05-17/CDC000001.csv",  # a partition that looks like one
    ]
    gone = "2024-01-02/2024-01-03/445/2024-05-16/CDC000001.csv"
    assert removed([*kept, gone], "2024-05-17")[1:] == [gone]


def test_what_is_not_of_the_protocol_stays() -> None:
    keys = [
        "shop/orders/445/2024-01-01/notes.txt",
        "shop/orders/445/2024-01-01/CDC1.csv",
        "shop/orders/445/2024-01-01/meta/OTHER.index",
        "shop/orders/2024-01-01/CDC000001.csv",
        "2024-01-01/CDC000001.csv",
    ]
    assert removed(keys, "2025-01-01") == []


def test_an_index_without_data_goes_and_data_without_an_index() -> None:
    index, data = "shop/a/1/2024-01-01/meta/CDC.index", "shop/b/1/2024-01-01/CDC000001.csv"
    assert removed([index], "2025-01-01") == [index]
    assert removed([data], "2025-01-01") == ["shop/b/1/2024-01-01/meta/CDC.index", data]


def test_batches_are_bounded_and_never_hold_data_whose_index_is_to_go_later() -> None:
    folders = [f"shop/t{n}/1/2024-01-0{day}" for n in range(3) for day in (1, 2)]
    keys = [LAYOUT.data_file(folder, "CDC", number, "csv") for folder in folders for number in range(1, 1501)]
    keys += [LAYOUT.index_file(folder, "CDC") for folder in folders]
    gone: set[str] = set()
    for batch in expired([ObjectInfo(key, 7) for key in sorted(keys)], LAYOUT, "2024-01-02"):
        assert max(len(batch.data), len(batch.indexes)) <= expiry.BATCH
        gone.update(batch.indexes)
        assert {LAYOUT.index_file(item.key.rpartition("/")[0], "CDC") for item in batch.data} <= gone
        gone.update(item.key for item in batch.data)
    assert gone == {key for key in keys if "2024-01-01" in key}


def test_every_series_of_a_directory_loses_its_own_index() -> None:
    layout = Layout(file_index_digit=6, enable_table_across_nodes=True)
    folder = "shop/orders/445/2024-01-01"
    stems = [layout.series("p", dispatcher) for dispatcher in ("a", "b")]
    keys = [layout.data_file(folder, stem, number, "csv") for stem in stems for number in (1, 2)]
    keys += [layout.index_file(folder, stem) for stem in stems]
    assert sorted(removed(keys, "2024-01-02", layout)) == sorted(keys)


DAYS = ["2024-01-01", "2024-01-02", "2024-05-16", "2024-05-17", "2025-01-01"]
NAMES = [*DAYS, "meta", "orders", "445", "20240101", "CDC000001.csv", "..", ""]
layouts = st.builds(
    Layout,
    date_separator=st.sampled_from(DateSeparator),
    enable_partition_separator=st.booleans(),
    file_index_digit=st.just(6),
    use_table_id_as_path=st.booleans(),
    enable_table_across_nodes=st.booleans(),
)
tables = st.builds(
    lambda schema, table, number, part: TableSchema(
        TableName(schema, table), 445, (), table_id=number, partition_id=part
    ),
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    st.sampled_from([1, 20240101]),
    st.none() | st.sampled_from([5, 20240101]),
)


@given(
    layouts,
    st.lists(st.tuples(tables, st.sampled_from([1, 20240101]), st.sampled_from(DAYS), st.booleans()), max_size=20),
    st.sampled_from(DAYS),
)
def test_exactly_data_and_indexes_of_an_earlier_date_level_go(
    layout: Layout, made: list[tuple[TableSchema, int, str, bool]], before: str
) -> None:
    """Never a schema file, never the checkpoint's file, never by a level that only looks like a date."""
    keys: dict[str, str] = {METADATA: "", "2024-01-01/other/thing.txt": ""}  # key -> its date level, "" to stay
    for schema, version, day, with_index in made:
        level = day if layout.date_separator is DateSeparator.DAY else ""
        folder = layout.data_directory(schema, version, level)
        keys[layout.data_file(folder, layout.series("p", "d"), 1, "csv")] = level
        if with_index:
            keys[layout.index_file(folder, layout.series("p", "d"))] = level
        keys[layout.schema_file(layout.table_directory(schema), version, 7)] = ""
        keys[layout.schema_file(layout.database_directory(schema.name.schema), version, 7)] = ""
    gone = {key for key in removed(list(keys), before, layout) if key in keys}
    assert gone == {key for key, level in keys.items() if "" < level < before}
    for key in gone:
        found = layout.parse(key)
        assert isinstance(found, DataKey | IndexKey)
        assert layout.day_of_folder(key.rpartition("/")[0]) == found.day
