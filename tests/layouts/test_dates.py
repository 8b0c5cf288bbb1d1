"""The date level while time goes on: a new date begins at 1, one met again goes on, and none is left for an earlier."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support import faulty_store
from tests.support.canal import ddl, ids, row, watermark
from tests.support.clock import ManualClock
from tests.support.road import Road, small_batches

DAY = 24 * 3600.0
LAST_SECOND = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)
CREATE = ddl(10, "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(99))")


def rows(first: int, count: int, partition: int | None = None) -> list[bytes]:
    return [row("t", ts, {"id": str(ts), "v": "x" * 60}, partition=partition) for ts in range(first, first + count)]


class Turns:
    """Turns the clock behind the index of a chosen file (counted over the whole run)."""

    def __init__(self, clock: ManualClock, turns: dict[int, float]) -> None:
        self.clock, self.turns, self.count = clock, turns, 0

    def __call__(self, call: str, key: str, when: str) -> None:
        if call == "replace" and key.endswith(".index") and when == "after":
            self.count += 1
            self.clock.step(self.turns.get(self.count, 0.0))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(LAST_SECOND)


@pytest.fixture
def road(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Road:
    small_batches(monkeypatch)
    sink = {"file_size": "1KiB", "file_index_digit": 6, "time_zone": "UTC", "upload_concurrency": 1}
    return Road(tmp_path, sink, clock=clock)


def files(road: Road) -> dict[str, list[int]]:
    """Date directory -> numbers of its files."""
    found: dict[str, list[int]] = {}
    for key in road.objects(".csv"):
        folder, _, name = key.removeprefix("shop/t/10").rpartition("/")
        found.setdefault(folder.strip("/"), []).append(int(name.removeprefix("CDC").removesuffix(".csv")))
    return found


def stored(road: Road, date: str = "day") -> list[int | None]:
    return [found.commit_ts for found in road.read(date=date, digits=6).rows("shop", "t")]


@pytest.mark.parametrize(
    ("separator", "before", "after"),
    [
        ("day", "2025-12-31", "2026-01-01"),
        ("month", "2025-12", "2026-01"),
        ("year", "2025", "2026"),
        ("none", "", ""),
    ],
)
def test_midnight_passes_in_the_middle_of_a_stream(
    road: Road, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, separator: str, before: str, after: str
) -> None:
    road.sink["date_separator"] = separator
    faulty_store.install(monkeypatch, Turns(clock, {2: 1.0}))

    report = road.run(CREATE, *rows(100, 120), watermark(300))

    assert report.files > 4
    if separator == "none":
        assert files(road) == {"": list(range(1, report.files + 1))}
    else:
        assert files(road) == {before: [1, 2], after: list(range(1, report.files - 1))}
    assert stored(road, separator) == list(range(100, 220))


def test_a_clock_that_steps_back_never_moves_the_date_back(
    road: Road, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty_store.install(monkeypatch, Turns(clock, {1: 1.0, 3: -3 * DAY, 5: 1.0}))

    report = road.run(CREATE, *rows(100, 120), watermark(300))

    assert report.files > 5
    assert files(road) == {"2025-12-31": [1], "2026-01-01": list(range(1, report.files))}
    assert stored(road) == list(range(100, 220))


def test_nor_does_one_that_is_behind_after_a_restart(road: Road, clock: ManualClock) -> None:
    clock.step(1.0)
    road.run(CREATE, *rows(100, 5), watermark(150))
    clock.step(-3 * DAY)

    road.run(CREATE, *rows(100, 5), watermark(150), *rows(200, 5), watermark(300))

    assert files(road) == {"2026-01-01": [1, 2]}
    assert stored(road) == [*range(100, 105), *range(200, 205)]


def test_a_date_met_again_goes_on_after_its_index_even_where_nothing_is_remembered(road: Road) -> None:
    """The second run knows the table from its rows alone: the same columns, so the first one's version directory."""
    create = ddl(10, "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(5))")
    road.run(create, *rows(100, 5), watermark(150))

    road.run(*rows(200, 5), watermark(300), state="another state", adopt=True)

    assert files(road) == {"2025-12-31": [1, 2]}
    index = road.lake / "shop/t/10/2025-12-31/meta/CDC.index"
    assert index.read_text() == "CDC000002.csv\n"


def test_partitions_that_share_a_directory_share_its_date_after_a_restart(road: Road, clock: ManualClock) -> None:
    """One partition's last file is of an earlier date than the other's; the clock is behind both."""
    road.sink["enable_partition_separator"] = False
    create = ddl(10, "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(99))", tables=[ids("t", 80, 81, 82)])
    first = [create, *rows(100, 3, 81), watermark(150)]
    second = [*first, *rows(200, 3, 82), watermark(250)]
    road.run(*first)
    clock.step(1.0)
    road.run(*second)
    clock.step(-DAY)

    road.run(*second, *rows(300, 3, 81), watermark(350))

    assert files(road) == {"2025-12-31": [1], "2026-01-01": [1, 2]}
