"""The folders, schema files and statements in the page for readers are what a pipeline writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from afterbay_nodes.storage.names import escape
from afterbay_nodes.transforms.route import Route
from tests.docs.test_snippets import ROOT
from tests.support.canal import ddl, ids, row, watermark
from tests.support.clock import ManualClock
from tests.support.road import Road

PAGE = (ROOT / "docs" / "storage-protocol.md").read_text(encoding="utf-8")
COLUMNS = ("id", "note")
ORDERS = "CREATE TABLE orders (id BIGINT PRIMARY KEY, note VARCHAR(20))"
EVENTS = "CREATE TABLE events (id BIGINT PRIMARY KEY, note VARCHAR(20)) PARTITION BY HASH (id) PARTITIONS 2"
LOG = (
    ddl(400, "CREATE DATABASE shop"),
    ddl(410, ORDERS, tables=[ids("orders", 71, columns=COLUMNS)]),
    ddl(420, EVENTS, tables=[ids("events", 80, 81, 82, columns=COLUMNS)]),
    row("orders", 500, {"id": "1", "note": "first"}, table_id=71),
    *(row("events", 500 + n, {"id": str(n), "note": "x"}, table_id=80, partition=81 + n % 2) for n in range(2)),
    watermark(600),
)
ROUTE = Route(rules=[{"match": "shop.*", "schema": "lake", "table": "{schema}_{table}"}])  # type: ignore[list-item]
LAYOUTS: Mapping[str, tuple[dict[str, Any], list[Any]]] = {
    "as it is": ({}, []),
    "`date_separator: none`, `enable_partition_separator: false`, `file_index_digit: 6`": (
        {"date_separator": "none", "enable_partition_separator": False, "file_index_digit": 6},
        [],
    ),
    "`date_separator: month`, `use_table_id_as_path: true`": (
        {"date_separator": "month", "use_table_id_as_path": True},
        [],
    ),
    "`date_separator: year`, `enable_table_across_nodes: true`": (
        {"date_separator": "year", "enable_table_across_nodes": True},
        [],
    ),
    "`date_separator: none`, behind a `route` to `lake.{schema}_{table}`": ({"date_separator": "none"}, [ROUTE]),
}


def road_of(folder: Path, sink: dict[str, Any], between: list[Any]) -> Road:
    return Road(folder, sink | {"time_zone": "UTC"}, between, ManualClock(datetime(2026, 3, 1, tzinfo=UTC)))


def shown(heading: str) -> str:
    """The fence behind a line of the page that ends so."""
    found = re.search(rf"{re.escape(heading)}:\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_store_of_a_layout(layout: str, tmp_path: Path) -> None:
    road = road_of(tmp_path, *LAYOUTS[layout])
    road.run(*LOG)
    assert shown(layout) == "".join(f"{key}\n" for key in road.objects())


def test_every_key_that_makes_a_layout_is_shown() -> None:
    keys = {key for sink, _ in LAYOUTS.values() for key in sink}
    assert keys >= {"date_separator", "enable_partition_separator", "file_index_digit", "use_table_id_as_path"}
    assert keys >= {"enable_table_across_nodes"}
    assert "`output_column_id`" in PAGE


def test_the_small_files(tmp_path: Path) -> None:
    road = road_of(tmp_path, {"date_separator": "none"}, [])
    road.run(*LOG)
    assert (road.lake / "shop/orders/410/meta/CDC.index").read_text() == shown("An index file")
    assert (road.lake / "metadata").read_text() + "\n" == shown("`metadata`, which has no line feed")


def test_the_schema_file(tmp_path: Path) -> None:
    sql = (
        "CREATE TABLE prices (id BIGINT UNSIGNED PRIMARY KEY, name VARCHAR(20) NOT NULL DEFAULT '-', "
        "price DECIMAL(10,2), kind ENUM('new','used'), at DATETIME(3))"
    )
    names = ("id", "name", "price", "kind", "at")
    road = road_of(tmp_path, {"output_column_id": True}, [])
    road.run(ddl(700, sql, tables=[ids("prices", 73, columns=names)]), watermark(800))
    (key,) = road.objects(".json")
    assert f"`{key}`" in PAGE
    assert (road.lake / key).read_text() + "\n" == shown(f"`{key}`, with `output_column_id`")


def test_the_names_and_their_folders() -> None:
    table = PAGE.split("| name | folder |")[1].split("\n\n")[0]
    pairs = re.findall(r"^\| `(.+)` \| `(.+)` \|$", table, re.MULTILINE)
    assert len(pairs) == 7
    assert [escape(name) for name, _ in pairs] == [folder for _, folder in pairs]


STATEMENTS = re.compile(r"^\| `([^`]+)` \| (.+) \|$", re.MULTILINE)
FILES = re.compile(r"`([^`]+)/meta/`, Type (\d+)(?:, `` (.*?) ``|, (no Query))?(, no columns)?")


def statements() -> list[tuple[str, list[tuple[str, ...]]]]:
    """Statements of the page with their files: (folder, Type, another Query, "no Query", "no columns")."""
    section = PAGE.split("## Schema files and DDLs")[1].split("\n## ")[0]
    found = [(sql.replace("\\|", "|"), FILES.findall(cell)) for sql, cell in STATEMENTS.findall(section)]
    return [(sql, files) for sql, files in found if files]


@pytest.mark.parametrize(("sql", "files"), [pytest.param(*one, id=one[0]) for one in statements()])
def test_a_statement_and_its_files(sql: str, files: list[tuple[str, ...]], tmp_path: Path) -> None:
    road = road_of(tmp_path, {"date_separator": "none"}, [])
    told = [ids("returns", 82), ids("events", 80, 81, 72)] if "EXCHANGE" in sql else []
    returns = ddl(430, "CREATE TABLE returns (id BIGINT PRIMARY KEY, note VARCHAR(20))", tables=[ids("returns", 72)])
    road.run(*LOG[:-1], returns, ddl(900, sql, tables=told), watermark(1000))
    stored = {
        key.partition("/meta/")[0]: road.schema_file(key) for key in road.objects(".json") if "/schema_900_" in key
    }
    wanted = {
        folder: (int(kind), "" if none else other or sql, columns != "") for folder, kind, other, none, columns in files
    }
    assert {
        folder: (file["Type"], file["Query"], file["TableColumns"] is None) for folder, file in stored.items()
    } == wanted


def test_there_are_statements() -> None:
    assert len(statements()) > 10
