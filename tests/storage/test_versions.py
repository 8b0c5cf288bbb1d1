from __future__ import annotations

import pytest

from afterbay.errors import RunFailed
from afterbay.schema import Column, RowPosition, TableName, TableSchema
from afterbay_nodes.storage.layout import Layout
from afterbay_nodes.storage.schema_file import SchemaFile, SchemaWrite
from afterbay_nodes.storage.versions import choose_version, publish
from tests.support.memory_store import MemoryStore

LAYOUT = Layout()
FIRST, LAST = RowPosition(410, 0), RowPosition(420, 3)


def orders(version: int, *extra: str) -> TableSchema:
    return TableSchema(TableName("shop", "orders"), version, tuple(Column(name, "int") for name in ("id", *extra)))


def key(version: int, *extra: str) -> str:
    return LAYOUT.schema_file("shop/orders", version, SchemaFile.of(orders(version, *extra), version).checksum)


def content(version: int) -> dict[str, bytes]:
    """The schema file at `version`, by its key."""
    return {key(version): SchemaFile.of(orders(version), version).to_bytes()}


def choose(store: MemoryStore, schema: TableSchema, stored: RowPosition | None = None) -> int | None:
    return choose_version(store, LAYOUT, schema, first=FIRST, last=LAST, stored=stored)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def test_a_table_met_for_the_first_time_gets_a_schema_file_without_a_query(store: MemoryStore) -> None:
    assert choose(store, orders(400)) == 400

    file = SchemaFile.from_bytes(store.objects[key(400)], key(400))
    assert (file.version, file.query, file.type) == (400, "", 0)


def test_the_exact_schema_file_is_taken_even_if_newer_ones_exist(store: MemoryStore) -> None:
    store.objects = content(400) | {key(500): b"", key(300): b""}

    assert choose(store, orders(400)) == 400
    assert store.count("put_if_absent") == 0


def test_an_older_file_of_the_same_columns_is_the_directory_and_nothing_is_written(store: MemoryStore) -> None:
    store.objects = content(300) | {key(200): b"", key(350, "more"): b""}

    assert choose(store, orders(400)) == 300
    assert store.count("put_if_absent") == 0


def test_a_newer_file_of_other_columns_makes_nothing_stale(store: MemoryStore) -> None:
    store.objects = {key(500, "more"): b""}

    assert choose(store, orders(400)) == 400
    assert key(400) in store.objects


def test_files_that_are_none_are_not_looked_at(store: MemoryStore) -> None:
    store.objects = {f"{key(500)}.tmp.1": b"", "shop/orders/meta/schema_x.json": b"", "shop/meta/schema_9_1.json": b""}

    assert choose(store, orders(400)) == 400


def test_stale_rows_that_are_stored_are_discarded(store: MemoryStore) -> None:
    store.objects = {key(500): b""}

    assert choose(store, orders(400), stored=LAST) is None


@pytest.mark.parametrize("stored", [None, RowPosition(420, 2)])
def test_stale_rows_that_are_not_stored_are_an_error_that_names_both_files(
    store: MemoryStore, stored: RowPosition | None
) -> None:
    store.objects = {key(500): b""}

    with pytest.raises(RunFailed) as caught:
        choose(store, orders(400), stored)

    assert key(400) in str(caught.value)
    assert key(500) in str(caught.value)
    assert store.objects == {key(500): b""}


def test_a_schema_file_is_written_once(store: MemoryStore) -> None:
    write = SchemaWrite(key(400), b"content")

    assert publish(store, write)
    assert not publish(store, write)
    assert store.objects == {key(400): b"content"}


def test_another_content_under_its_name_is_an_error_and_stays(store: MemoryStore) -> None:
    store.objects[key(400)] = b"theirs"

    with pytest.raises(RunFailed, match="has other content"):
        publish(store, SchemaWrite(key(400), b"ours"))

    assert store.objects[key(400)] == b"theirs"
