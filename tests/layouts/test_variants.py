"""Every layout of the storage protocol (§1) from a change log to a folder, read back by a reader of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from afterbay.errors import RunFailed
from afterbay.node import Transform
from afterbay_nodes.storage.layout import Layout
from afterbay_nodes.transforms.route import Route
from tests.support.canal import ddl, ids, row, watermark
from tests.support.clock import ManualClock
from tests.support.road import Road, small_batches

COLUMNS = ("id", "v")
ROWS = 60  # a stretch has
TEXT = "x" * 60


def stretch(table: str, first: int, table_id: int, *partitions: int | None) -> list[bytes]:
    """`ROWS` rows from commit-ts `first` on, over the partitions in turn; each says its partition in `v`."""
    lines = []
    for n in range(ROWS):
        part = partitions[n % len(partitions)]
        told = {"table_id": table_id, "partition": part}
        lines.append(row(table, first + n, {"id": str(first + n), "v": f"{part or table_id} {TEXT}"}, **told))
    return lines


# Two tables, one of them in partitions; both are truncated, which gives them new ids, and one gets a partition more.
LOG = [
    ddl(5, "CREATE DATABASE shop"),
    ddl(10, "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(99))", tables=[ids("t", 71, columns=COLUMNS)]),
    ddl(
        20,
        "CREATE TABLE p (id BIGINT PRIMARY KEY, v VARCHAR(99)) PARTITION BY HASH (id) PARTITIONS 2",
        tables=[ids("p", 80, 81, 82, columns=COLUMNS)],
    ),
    *stretch("t", 100, 71, None),
    *stretch("p", 100, 80, 81, 82),
    watermark(199),
    ddl(200, "TRUNCATE TABLE t", tables=[ids("t", 72, columns=COLUMNS)]),
    ddl(210, "TRUNCATE TABLE p", tables=[ids("p", 90, 91, 92, columns=COLUMNS)]),
    *stretch("t", 300, 72, None),
    *stretch("p", 300, 90, 91, 92),
    ddl(
        400,
        "ALTER TABLE p ADD PARTITION PARTITIONS 1",
        tables=[ids("p", 90, 91, 92, 93, columns=COLUMNS)],
    ),
    *stretch("p", 500, 90, 91, 92, 93),
    watermark(600),
]


@dataclass(frozen=True)
class Variant:
    """Keys of the sink, the shape that the reader is told, and the directories that must hold the data files."""

    sink: dict[str, Any]
    shape: dict[str, Any]
    directories: Sequence[str]
    schemas: Sequence[str] = ("shop/p", "shop/t")  # the directories of tables' schema files
    between: Sequence[Transform[Any, Any]] = ()
    named: dict[str, tuple[str, str]] = field(default_factory=lambda: {"t": ("shop", "t"), "p": ("shop", "p")})
    files: str = "CDC00000000000000000001.csv"


def by_name(date: str, t: str = "shop/t", p: str = "shop/p") -> list[str]:
    """Directories by names, versions and partitions; `date` is the last level with its slash."""
    parts = {20: (81, 82), 210: (91, 92), 400: (91, 92, 93)}
    found = [f"{p}/{version}/{part}{date}" for version, those in parts.items() for part in those]
    return [*found, f"{t}/10{date}", f"{t}/200{date}"]


def by_id(date: str) -> list[str]:
    """Directories by physical ids and versions."""
    found = {71: [10], 72: [200], 81: [20], 82: [20], 91: [210, 400], 92: [210, 400], 93: [400]}
    return [f"{number}/{version}{date}" for number, versions in found.items() for version in versions]


UNPARTED = ["shop/p/20", "shop/p/210", "shop/p/400", "shop/t/10", "shop/t/200"]
IDS = ["71", "72", "81", "82", "91", "92", "93"]
NONE = {"date_separator": "none"}
ROUTED = by_name("/2026-01-01", "lake_shop/copy_of_t", "lake_shop/copy_of_p")
VARIANTS = {
    "plain": Variant({}, {}, by_name("/2026-01-01")),
    "no dates": Variant(NONE, {"date": "none"}, by_name("")),
    "by year": Variant({"date_separator": "year"}, {"date": "year"}, by_name("/2026")),
    "by month": Variant({"date_separator": "month"}, {"date": "month"}, by_name("/2026-01")),
    "another time zone": Variant({"time_zone": "America/New_York"}, {}, by_name("/2025-12-31")),
    "six digits": Variant({"file_index_digit": 6}, {"digits": 6}, by_name("/2026-01-01"), files="CDC000001.csv"),
    "thirteen digits": Variant(
        {"file_index_digit": 13}, {"digits": 13}, by_name("/2026-01-01"), files="CDC0000000000001.csv"
    ),
    "no level for partitions": Variant(
        {**NONE, "enable_partition_separator": False}, {"date": "none", "shared_partitions": True}, UNPARTED
    ),
    "table ids": Variant({"use_table_id_as_path": True}, {"table_id_paths": True}, by_id("/2026-01-01"), schemas=IDS),
    "table ids, no level for partitions": Variant(
        {**NONE, "use_table_id_as_path": True, "enable_partition_separator": False},
        {"date": "none", "table_id_paths": True},
        by_id(""),
        schemas=IDS,
    ),
    "across nodes": Variant(
        {"enable_table_across_nodes": True}, {"across_nodes": True}, by_name("/2026-01-01"), files=""
    ),
    "across nodes, no level for partitions": Variant(
        {**NONE, "enable_table_across_nodes": True, "enable_partition_separator": False},
        {"date": "none", "across_nodes": True},
        UNPARTED,
        files="",
    ),
    "column ids": Variant({"output_column_id": True}, {}, by_name("/2026-01-01")),
    "routed": Variant(
        {},
        {},
        ROUTED,
        schemas=["lake_shop/copy_of_p", "lake_shop/copy_of_t"],
        between=[Route(rules=[{"match": "shop.*", "schema": "lake_{schema}", "table": "copy_of_{table}"}])],  # type: ignore[arg-type]
        named={"t": ("lake_shop", "copy_of_t"), "p": ("lake_shop", "copy_of_p")},
    ),
    "everything at once": Variant(
        {
            "date_separator": "month",
            "file_index_digit": 6,
            "use_table_id_as_path": True,
            "enable_table_across_nodes": True,
            "output_column_id": True,
        },
        {"date": "month", "digits": 6, "table_id_paths": True, "across_nodes": True},
        by_id("/2026-01"),
        schemas=IDS,
        files="",
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_layout_is_written_and_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    small_batches(monkeypatch)
    variant = VARIANTS[name]
    road = Road(
        tmp_path, variant.sink | {"file_size": "1KiB"}, variant.between, ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    )

    road.run(*LOG)

    assert road.directories() == sorted(variant.directories)
    owners = sorted({key.rpartition("/meta/")[0] for key in road.objects(".json")} - {"shop", "lake_shop"})
    assert owners == sorted(variant.schemas)
    first = [key for key in road.objects(variant.files) if key.endswith(".csv")]
    assert len({key.rpartition("/")[0] for key in first}) == len(variant.directories)
    bucket = road.read(**variant.shape)
    assert bucket.checkpoint == 600
    for table, name_there in variant.named.items():
        rows = bucket.rows(*name_there)
        by_part: dict[str, list[int]] = {}
        for found in rows:
            assert found.commit_ts is not None
            by_part.setdefault((found.values[1] or "").split(" ")[0], []).append(found.commit_ts)
        assert by_part == EXPECTED[table]


def turns(first: int, *parts: int) -> dict[str, list[int]]:
    return {str(part): list(range(first + n, first + ROWS, len(parts))) for n, part in enumerate(parts)}


EXPECTED = {
    "t": turns(100, 71) | turns(300, 72),
    "p": turns(100, 81, 82)
    | {part: turns(300, 91, 92).get(part, []) + rows for part, rows in turns(500, 91, 92, 93).items()},
}


def test_with_table_ids_a_database_has_no_schema_file_and_a_truncated_table_another_directory(tmp_path: Path) -> None:
    road = Road(tmp_path, {**NONE, "use_table_id_as_path": True})

    road.run(*LOG)

    assert [key.rpartition("/")[0] for key in road.objects("json")].count("shop/meta") == 0
    (created,), (truncated,) = (
        [key for key in road.objects("json") if key.startswith(f"{number}/")] for number in (71, 72)
    )
    assert road.schema_file(created)["Query"].startswith("CREATE TABLE t")
    assert (road.schema_file(truncated)["Query"], road.schema_file(truncated)["Type"]) == ("TRUNCATE TABLE t", 11)


def test_without_a_level_for_partitions_their_files_share_one_row_of_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file is of one partition, no number is given out twice, and each partition is in order along the numbers."""
    small_batches(monkeypatch)
    road = Road(tmp_path, {**NONE, "enable_partition_separator": False, "file_size": "1KiB", "file_index_digit": 6})

    road.run(*LOG)

    for version, parts in ((20, {"81", "82"}), (210, {"91", "92"}), (400, {"91", "92", "93"})):
        keys = [key for key in road.objects(".csv") if key.startswith(f"shop/p/{version}/")]
        assert [key.rpartition("CDC")[2] for key in keys] == [f"{n:06}.csv" for n in range(1, len(keys) + 1)]
        assert len(keys) > len(parts)
        seen: dict[str, list[int]] = {}
        for key in keys:
            lines = [line.split(",") for line in (road.lake / key).read_text().splitlines()]
            (part,) = {line[5].strip('"').split(" ")[0] for line in lines}
            seen.setdefault(part, []).extend(int(line[3]) for line in lines)
        assert seen.keys() == parts
        assert all(found == sorted(set(found)) for found in seen.values())


def test_across_nodes_a_dispatcher_has_its_own_files_and_its_own_index(tmp_path: Path) -> None:
    road = Road(tmp_path, {**NONE, "enable_table_across_nodes": True, "enable_partition_separator": False})

    road.run(*LOG)

    layout = Layout(enable_table_across_nodes=True)
    stems = [layout.series("log", f"shop.p.{part}") for part in (81, 82)]
    files = [f"shop/p/20/{stem}_{1:020}.csv" for stem in stems]
    indexes = [f"shop/p/20/meta/{stem}.index" for stem in stems]
    assert [key for key in road.objects() if key.startswith("shop/p/20/")] == sorted(files + indexes)
    for file, index in zip(files, indexes, strict=True):
        assert (road.lake / index).read_text() == f"{file.rpartition('/')[2]}\n"


def test_column_ids_are_texts_in_every_schema_file_and_are_refused_where_nobody_tells_them(tmp_path: Path) -> None:
    road = Road(tmp_path / "told", {"output_column_id": True})
    (tmp_path / "told").mkdir()
    road.run(*LOG)
    tables = [road.schema_file(key) for key in road.objects(".json") if not key.startswith("shop/meta/")]
    assert len(tables) == 5
    assert all([c["ColumnId"] for c in table["TableColumns"]] == ["1", "2"] for table in tables)

    (tmp_path / "untold").mkdir()
    untold = Road(tmp_path / "untold", {"output_column_id": True})
    with pytest.raises(RunFailed, match="column id has no id"):
        untold.run(ddl(10, "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(99))"), watermark(10))
    assert untold.objects("csv") == untold.objects("json") == []


def test_routed_names_are_everywhere_and_the_old_ones_nowhere(tmp_path: Path) -> None:
    """Paths, schema files and rows; Query alone is the statement as it was."""
    road = Road(tmp_path, dict(NONE), VARIANTS["routed"].between)

    road.run(*LOG)

    assert {key.split("/")[0] for key in road.objects()} == {"lake_shop", "metadata"}
    files = [road.schema_file(key) for key in road.objects(".json")]
    assert {(file["Schema"], file["Table"]) for file in files} == {
        ("lake_shop", ""),
        ("lake_shop", "copy_of_t"),
        ("lake_shop", "copy_of_p"),
    }
    names = {
        tuple(line.split(",")[1:3]) for key in road.objects(".csv") for line in (road.lake / key).read_text().split()
    }
    assert {name for name in names if len(name) == 2} == {
        ('"copy_of_t"', '"lake_shop"'),
        ('"copy_of_p"', '"lake_shop"'),
    }


def test_table_ids_that_nobody_tells_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    road = Road(tmp_path, {**NONE, "use_table_id_as_path": True})

    with pytest.raises(RunFailed, match=r"shop\.t has no table id") as caught:
        road.run(row("t", 10, {"id": "1", "v": "x"}), watermark(10))

    assert "tableId" in str(caught.value)
    assert road.objects("csv") == road.objects("json") == []
