"""Partitions that share a directory, flushed side by side: one file at a time, whatever versions their rows are of."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from afterbay_nodes.sinks.writer import Series
from tests.support import faulty_store
from tests.support.canal import ddl, row, watermark
from tests.support.road import Road


def test_rows_of_two_versions_whose_directory_is_one_are_not_flushed_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One partition's rows are of version 5. The other's first row tells the table's id, which makes version 12 of the
    same columns: their directory is that of version 5, too. The first flush is held until the second has begun.
    """
    second = threading.Event()
    begun = [0]
    hold = Series.hold

    @contextmanager
    def noted(self: Series, key: tuple[str, str]) -> Iterator[None]:
        begun[0] += 1
        if begun[0] == 2:
            second.set()
        with hold(self, key):
            yield

    def waits(call: str, key: str, when: str) -> None:
        if call == "put_if_absent" and key.endswith(".csv") and when == "before":
            assert second.wait(20)

    monkeypatch.setattr(Series, "hold", noted)
    faulty_store.install(monkeypatch, waits)
    road = Road(tmp_path, {"date_separator": "none", "enable_partition_separator": False, "file_index_digit": 6})

    road.run(
        ddl(
            5,
            "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(9)) PARTITION BY HASH (id) PARTITIONS 2",
            tables=[{"schema": "shop", "table": "t", "partitionIds": [81, 82]}],
        ),
        *(row("t", 10 + n, {"id": str(n), "v": "one"}, partition=81) for n in range(3)),
        *(row("t", 12 + n, {"id": str(9 + n), "v": "two"}, partition=82, table_id=80) for n in range(3)),
        watermark(100),
    )

    assert road.objects(".csv") == ["shop/t/5/CDC000001.csv", "shop/t/5/CDC000002.csv"]
    bucket = road.read(date="none", digits=6, shared_partitions=True)
    assert sorted(found.values[0] or "" for found in bucket.rows("shop", "t")) == ["0", "1", "10", "11", "2", "9"]
