"""The order in which a reader may use what is stored."""

from __future__ import annotations

import random

from afterbay.schema import Column, TableName
from afterbay_nodes.bucket.findings import Rule
from afterbay_nodes.bucket.steps import FileStep
from tests.support.buckets import ID, schema_file, schema_steps, series, snapshot_of, told

Z = "CREATE TABLE pets (id INT PRIMARY KEY, name VARCHAR(20))"


def test_schema_files_come_before_the_rows_of_their_version_and_after_all_older_rows() -> None:
    snapshot = snapshot_of(
        schema_file("zoo", 900, "CREATE DATABASE zoo", 1),
        schema_file("zoo.pets", 1000, Z, 3),
        schema_file("zoo.pets", 2000, "ALTER TABLE pets ADD INDEX (name)", 7),
        schema_file("zoo.cars", 1500),
        schema_file("zoo", 3000, "DROP DATABASE zoo", 2),
        series("zoo/pets/1000/2026-01-02", 2),
        series("zoo/pets/2000/2026-01-02", 1),
        series("zoo/cars/1500/2026-01-02", 1),
    )
    assert snapshot.findings == ()
    assert [told(step) for step in snapshot.steps] == [
        "zoo@900",
        "zoo.pets@1000",
        "zoo/pets/1000/2026-01-02/CDC #1",
        "zoo/pets/1000/2026-01-02/CDC #2",
        "zoo.cars@1500",
        "zoo/cars/1500/2026-01-02/CDC #1",
        "zoo.pets@2000",
        "zoo/pets/2000/2026-01-02/CDC #1",
        "zoo@3000",
    ]
    assert [step.is_ddl for step in schema_steps(snapshot)] == [True, True, False, True, True]


def test_levels_of_digits_ascend_as_numbers_and_dates_as_dates() -> None:
    directories = ["9/2025-12-31", "9/2026-01-02", "10/2025-12-31", "100/2025"]
    snapshot = snapshot_of(
        schema_file("zoo.pets", 5), *(series(f"zoo/pets/5/{directory}", 1) for directory in directories)
    )
    assert [told(step) for step in snapshot.steps[1:]] == [f"zoo/pets/5/{path}/CDC #1" for path in directories]
    years = snapshot_of(schema_file("zoo.pets", 5), series("zoo/pets/5/2026", 1), series("zoo/pets/5/999", 1))
    assert [told(step) for step in years.steps[1:]] == ["zoo/pets/5/999/CDC #1", "zoo/pets/5/2026/CDC #1"]


def test_numbers_ascend_past_their_pad() -> None:
    files = {f"zoo/pets/5/CDC{number:06d}.csv": b"x" for number in range(1, 1_000_002, 250_000)}
    snapshot = snapshot_of(schema_file("zoo.pets", 5), files, {"zoo/pets/5/meta/CDC.index": b"CDC1000001.csv\n"})
    numbers = [step.number for step in snapshot.steps[1:]]  # type: ignore[union-attr]
    assert numbers == [1, 250_001, 500_001, 750_001, 1_000_001]


def test_each_dispatcher_has_its_own_numbers() -> None:
    one, two = "CDC_0a1b2c3d-0000-4000-8000-00000000000a", "CDC_0a1b2c3d-0000-4000-8000-00000000000b"
    snapshot = snapshot_of(
        schema_file("zoo.pets", 5),
        series("zoo/pets/5/2026-01-02", 2, stem=one, joint="_"),
        series("zoo/pets/5/2026-01-02", 1, stem=two, joint="_"),
        series("zoo/pets/5/2026-01-01", 1, stem=two, joint="_"),
    )
    assert snapshot.findings == ()
    assert [told(step).removeprefix("zoo/pets/5/") for step in snapshot.steps[1:]] == [
        f"2026-01-01/{two} #1",
        f"2026-01-02/{one} #1",
        f"2026-01-02/{one} #2",
        f"2026-01-02/{two} #1",
    ]


def test_table_ids_as_paths_give_one_step_for_the_partitions_of_a_statement() -> None:
    parts = [schema_file("zoo.pets", 100, Z, 3, owner=owner) for owner in ("71", "72")]
    snapshot = snapshot_of(
        *parts,
        schema_file("zoo.pets", 200, "TRUNCATE TABLE pets", 11, owner="80"),
        series("71/100/2026-01-02", 1),
        series("72/100/2026-01-02", 1),
        series("80/200/2026-01-02", 1),
    )
    assert snapshot.findings == ()
    assert [told(step) for step in snapshot.steps] == [
        "zoo.pets@100",
        "71/100/2026-01-02/CDC #1",
        "72/100/2026-01-02/CDC #1",
        "zoo.pets@200",
        "80/200/2026-01-02/CDC #1",
    ]
    assert schema_steps(snapshot)[0].owners == ("71", "72")


def test_names_of_digits_are_told_from_versions_by_the_schema_files() -> None:
    snapshot = snapshot_of(schema_file("5.7", 100), series("5/7/100/2026", 1), series("5/7/100", 1))
    assert snapshot.findings == ()
    assert [told(step) for step in snapshot.steps[1:]] == ["5/7/100/CDC #1", "5/7/100/2026/CDC #1"]


def test_a_year_is_told_from_a_partition_by_the_other_directories() -> None:
    def homes(*directories: str) -> list[tuple[str, str]]:
        found = snapshot_of(schema_file("zoo.pets", 100), *(series(f"zoo/pets/{one}", 1) for one in directories))
        return [(step.partition, step.date) for step in found.steps if isinstance(step, FileStep)]

    assert homes("100/2026", "100/81/2026") == [("", "2026"), ("81", "2026")]
    assert homes("100/2026", "100/2027") == [("", "2026"), ("", "2027")]
    assert homes("100/81", "100/2026") == [("81", ""), ("2026", "")]
    assert homes("100/2026/2026-01-02", "100/81/2026-01-02") == [("81", "2026-01-02"), ("2026", "2026-01-02")]


def test_escaped_and_raw_names_are_at_home() -> None:
    hostile = snapshot_of(schema_file("a/b...", 100), schema_file("a%b.meta", 100, owner="a%b/meta"))
    assert hostile.findings == ()
    assert {step.table for step in hostile.steps} == {TableName("a/b", ".."), TableName("a%b", "meta")}


def test_an_exchange_keeps_its_order_of_two_files() -> None:
    query = "ALTER TABLE parted EXCHANGE PARTITION p0 WITH TABLE plain"
    snapshot = snapshot_of(schema_file("zoo.a_parted", 500), schema_file("zoo.plain", 500, query, 42))
    assert [told(step) for step in snapshot.steps] == ["zoo.plain@500", "zoo.a_parted@500"]


def renamed(*pairs: tuple[str, str], version: int = 500) -> list[dict[str, bytes]]:
    files = [schema_file(f"zoo.{new}", version, f"RENAME TABLE `{old}` TO `{new}`", 14) for old, new in pairs]
    random.Random(7).shuffle(files)
    return files


def test_a_rename_tells_the_old_name() -> None:
    across = schema_file("zoo.pets", 500, "RENAME TABLE farm.cows TO zoo.pets", 14)
    altered = schema_file("zoo.cars", 600, "ALTER TABLE `bikes` RENAME `cars`, ADD COLUMN x INT", 14)
    snapshot = snapshot_of(across, altered)
    assert [told(step) for step in snapshot.steps] == ["zoo.pets@500 from farm.cows", "zoo.cars@600 from zoo.bikes"]


def test_a_rename_of_routed_tables_tells_the_old_name_in_the_store() -> None:
    snapshot = snapshot_of(
        schema_file("lake.shop_cows", 100, "CREATE TABLE shop.cows (id INT)", 3),
        schema_file("lake.shop_pets", 500, "RENAME TABLE shop.cows TO shop.pets", 14),
    )
    assert told(snapshot.steps[1]) == "lake.shop_pets@500 from lake.shop_cows"


def test_renames_of_one_statement_find_their_new_names_free() -> None:
    """`a` makes room for `b`, and `tmp` is made before it is used."""
    before = [schema_file("zoo.a", 100), schema_file("zoo.b", 100)]
    snapshot = snapshot_of(*before, *renamed(("a", "tmp"), ("b", "a"), ("tmp", "b")))
    assert [told(step) for step in snapshot.steps[2:]] == [
        "zoo.tmp@500 from zoo.a",
        "zoo.a@500 from zoo.b",
        "zoo.b@500 from zoo.tmp",
    ]
    chain = snapshot_of(*before, *renamed(("a", "b2"), ("b", "a")))
    assert [told(step) for step in chain.steps[2:]] == ["zoo.b2@500 from zoo.a", "zoo.a@500 from zoo.b"]


def test_under_a_table_id_the_steps_of_one_statement_are_several_files() -> None:
    steps = (("a", "tmp", "71"), ("b", "a", "72"), ("tmp", "b", "71"))
    files = [
        schema_file(f"zoo.{new}", 500, f"RENAME TABLE {old} TO {new}", 14, owner=ident) for old, new, ident in steps
    ]
    before = [schema_file("zoo.a", 100, owner="71"), schema_file("zoo.b", 100, owner="72")]
    snapshot = snapshot_of(*before, *files, series("71/500", 1), series("72/500", 1))
    assert snapshot.findings == ()
    assert [told(step) for step in snapshot.steps[2:]] == [
        *("zoo.tmp@500 from zoo.a", "zoo.a@500 from zoo.b", "zoo.b@500 from zoo.tmp"),
        *("72/500/CDC #1", "71/500/CDC #1"),
    ]
    assert [step.table.table for step in snapshot.steps if isinstance(step, FileStep)] == ["a", "b"]
    other = snapshot_of(*before, schema_file("zoo.c", 500, "", 0, owner="71"), files[2])
    assert [finding.rule for finding in other.findings] == [Rule.SCHEMA_TWICE]


def test_a_swap_of_two_names_is_a_ring_of_two_steps() -> None:
    before = [schema_file("zoo.a", 100), schema_file("zoo.b", 100)]
    snapshot = snapshot_of(*before, *renamed(("a", "b"), ("b", "a")))
    assert [told(step) for step in snapshot.steps[2:]] == ["zoo.a@500 from zoo.b", "zoo.b@500 from zoo.a"]


def virtual_columns(*files: dict[str, bytes]) -> list[list[str]]:
    return [
        [column.name for column in step.schema.columns if column.virtual]
        for step in schema_steps(snapshot_of(*files))
        if step.schema is not None
    ]


def test_statements_tell_which_columns_are_virtual() -> None:
    twice, both = Column("twice", "int"), (ID, Column("twice", "int"), Column("half", "int"))
    made = schema_file(
        "zoo.a", 100, "CREATE TABLE a (id INT PRIMARY KEY, twice INT AS (id * 2))", 3, columns=(ID, twice)
    )
    assert virtual_columns(
        made,
        schema_file("zoo.b", 200, "CREATE TABLE b LIKE a", 3, columns=(ID, twice)),
        schema_file("zoo.a", 300, "ALTER TABLE a ADD COLUMN half INT AS (id / 2) STORED", 5, columns=both),
        schema_file("zoo.c", 400, "RENAME TABLE a TO c", 14, columns=both),
        schema_file("zoo.c", 500, "something that is not understood", 5, columns=both),
        schema_file("zoo.c", 600, "ALTER TABLE c MODIFY COLUMN twice INT", 12, columns=both),
        schema_file("zoo.b", 700, "DROP TABLE b", 4, columns=(ID, twice)),
        schema_file("zoo.b", 800, "CREATE TABLE b (id INT, twice INT)", 3, columns=(ID, twice)),
    ) == [["twice"], ["twice"], ["twice"], ["twice"], ["twice"], [], ["twice"], []]
