"""Every layout of the sink, partitions in all of them: clean alone and against the log; a damage is told in each."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from afterbay_nodes.verify.fault import Fault
from tests.layouts.test_variants import LOG, VARIANTS
from tests.support.canal import ddl, ids, row, watermark
from tests.support.clock import ManualClock
from tests.support.road import Road, small_batches
from tests.verify.histories import told, verified

UNROUTED = [name for name, variant in VARIANTS.items() if not variant.between]


@pytest.fixture
def road(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Road:
    small_batches(monkeypatch)
    variant = VARIANTS[request.param]
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    made = Road(tmp_path, variant.sink | {"file_size": "1KiB"}, variant.between, clock)
    made.run(*LOG)
    monkeypatch.undo()
    return made


def faults(road: Road) -> list[Fault]:
    return list(verified(road.lake, road.folder / "events.jsonl").faults)


@pytest.mark.parametrize("road", UNROUTED, indirect=True)
def test_it_is_clean_and_damages_are_told(road: Road) -> None:
    report = verified(road.lake, road.folder / "events.jsonl")
    assert told(report) == []
    assert [it.what for it in report.unchecked if "against the log" in it.what] == [
        "values before updates against the log"
    ] * any("before" in it.what for it in report.unchecked)
    files = [key for key in road.objects(".csv") if "/20/" in key or "/210/" in key]
    for key in (files[0], files[-1]):
        path = road.lake / key
        good = path.read_bytes()
        lines = good.splitlines(keepends=True)
        assert len(lines) > 1
        damages = {
            "a value at the end": b"".join([*lines[:-1], lines[-1].replace(b"xx", b"xy", 1)]),
            "a value at the start": b"".join([lines[0].replace(b"xx", b"xy", 1), *lines[1:]]),
            "a row less": b"".join(lines[:-1]),
            "a row twice": b"".join([*lines, lines[-1]]),
        }
        for name, damaged in damages.items():
            path.write_bytes(damaged)
            assert [fault.code for fault in faults(road)] != [], name
        path.write_bytes(good)


@pytest.mark.parametrize("road", ["routed"], indirect=True)
def test_a_routed_store_has_other_tables_than_its_log(road: Road) -> None:
    assert told(verified(road.lake)) == []
    assert {fault.code for fault in faults(road)} >= {"against.missing", "against.extra"}


@pytest.mark.parametrize("road", ["no level for partitions", "across nodes, no level for partitions"], indirect=True)
def test_files_that_begin_with_no_change_of_the_log(road: Road) -> None:
    key = next(key for key in road.objects(".csv") if "/20/" in key)
    path = road.lake / key
    path.write_bytes(path.read_bytes().replace(b"xxx", b"xyx", 1))
    (fault,) = faults(road)
    assert fault.code == "against.missing"
    assert "no file begins with the log's change" in fault.message
    path.write_bytes(b"")
    assert {fault.code for fault in faults(road)} == {"against.missing"}


def divided(first: int, *partitions: int | None) -> list[bytes]:
    return [
        row("t", first + n, {"id": str(first + n), "v": "x"}, table_id=71, partition=partitions[n % len(partitions)])
        for n in range(6)
    ]


@pytest.mark.parametrize(
    ("layout", "is_told"), [("by year", True), ("across nodes", True), ("no level for partitions", False)]
)
def test_a_table_that_is_divided_and_made_whole_again(layout: str, is_told: bool, tmp_path: Path) -> None:
    """A year is known by the partitions that have one below them. Files that share a folder are nobody's."""
    log = [
        ddl(10, "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(9))", tables=[ids("t", 71)]),
        *divided(100, None),
        ddl(200, "ALTER TABLE t PARTITION BY HASH (id) PARTITIONS 2", tables=[ids("t", 71, 81, 82)]),
        *divided(300, 81, 82),
        ddl(400, "ALTER TABLE t REMOVE PARTITIONING", tables=[ids("t", 72)]),
        *divided(500, None),
        watermark(600),
    ]
    made = Road(tmp_path, VARIANTS[layout].sink)
    made.run(*log)
    report = verified(made.lake, made.folder / "events.jsonl")
    assert told(report) == []
    assert ("rows of some tables against the log" in [it.what for it in report.unchecked]) != is_told
