"""Every class of DDL (§4) from the log to the folder: which files, in which order, and never ahead of the rows (I3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from afterbay.errors import RunFailed
from afterbay_nodes.sources.change_log import ChangeLog
from tests.layouts.ddl_cases import AT, CASES, Case, File, before, lines
from tests.reader import schema_file
from tests.reader.bucket import read_bucket
from tests.reader.csv_rows import CsvDialect
from tests.reader.paths import StoreShape
from tests.support import faulty_store
from tests.support.canal import ddl, row, watermark, write
from tests.support.outlet import record
from tests.support.road import Road

GOLDEN = Path(__file__).parent / "golden"
OTHER_U = "CREATE TABLE other.u (id BIGINT PRIMARY KEY, v VARCHAR(10))"


def golden_file(name: str) -> Path:
    """The bytes of a case's files, each behind its key."""
    return GOLDEN / f"{name.replace(',', '').replace(' ', '_')}.txt"


class Watch:
    """Notes each schema file of the statement as it becomes visible, and what a reader sees of the rows before it."""

    def __init__(self, road: Road, flushed: tuple[str, ...]) -> None:
        self.road, self.flushed = road, flushed
        self.made: list[str] = []
        self.missing: list[str] = []

    def __call__(self, call: str, key: str, when: str) -> None:
        if call != "put_if_absent" or f"/meta/schema_{AT}_" not in key:
            return
        if when == "after":
            self.made.append(key)
            return
        seen = read_bucket(self.road.lake, StoreShape("csv", date="none"), CsvDialect(commit_ts=True))
        for table in self.flushed:
            below = [found for found in seen.rows("shop", table) if (found.commit_ts or 0) < AT]
            if len(below) != 6:
                self.missing.append(f"{len(below)} of 6 rows of {table} when {key} became visible")


def log_of(case: Case) -> list[bytes]:
    """The case's lines; a table of another schema is there where one is needed."""
    return [ddl(9, OTHER_U), *lines(case)] if "WITH TABLE other.u" in case.sql else lines(case)


@pytest.mark.parametrize("name", CASES)
def test_a_ddl_makes_its_files_in_order_and_never_ahead_of_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    case = CASES[name]
    road = Road(tmp_path, {"date_separator": "none", "flush_interval": "10m"})
    watch = Watch(road, tuple(case.flushed))
    faulty_store.install(monkeypatch, watch)

    road.run(*log_of(case))

    found = []
    for key in watch.made:
        file = schema_file.parse((road.lake / key).read_bytes())
        assert key.rpartition("/")[2] == f"schema_{AT}_{file.checksum:010d}.json"
        found.append(File(key.rpartition("/meta/")[0], file.query, file.type, [column.name for column in file.columns]))
    in_order = list(case.files)
    if case.in_band:  # tables that have nothing to do with each other
        found.sort(key=lambda file: file.owner)
        in_order.sort(key=lambda file: file.owner)
    assert [(f.owner, f.query, f.type, list(f.columns)) for f in found] == [
        (f.owner, f.query, f.type, list(f.columns)) for f in in_order
    ]
    assert watch.missing == []
    bucket = road.read(date="none")
    assert bucket.checkpoint == 900
    golden = "".join(f"{key}\n{(road.lake / key).read_text()}\n" for key in sorted(watch.made))
    assert golden == golden_file(name).read_text()


@pytest.mark.parametrize("name", CASES)
def test_a_ddl_of_one_dispatcher_is_in_band_and_every_other_graph_wide(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    outlet = record(ChangeLog(path=str(write(tmp_path / "log", *log_of(case)))))

    changes = [change for change in outlet.ddls if change.commit_ts == AT]

    assert changes
    assert {change.in_band_dispatcher is not None for change in changes} == {case.in_band}


def test_there_is_a_golden_file_for_each_class_and_no_other() -> None:
    assert set(GOLDEN.iterdir()) == set(map(golden_file, CASES))


@pytest.mark.parametrize("missing", ["u", "p"])
def test_an_exchange_with_a_table_that_is_not_known_is_refused_before_anything_is_written(
    tmp_path: Path, missing: str
) -> None:
    known = [line for line in before() if f'"table": "{missing}"'.encode() not in line and b"CREATE" not in line]
    road = Road(tmp_path, {"date_separator": "none"})

    with pytest.raises(RunFailed, match=rf"nothing of shop\.{missing} is known") as caught:
        road.run(*known, ddl(AT, CASES["exchange partition"].sql), watermark(900))

    assert caught.value.code == "change_log.exchange"
    assert [key for key in road.objects(".json") if f"schema_{AT}_" in key] == []


def test_a_table_made_again_has_its_rows_under_the_new_version(tmp_path: Path) -> None:
    road = Road(tmp_path, {"date_separator": "none"})

    road.run(*lines(CASES["drop, and made again"]))

    old, dropped, new = road.read(date="none").tables["shop", "t"]
    assert [len(old.rows), len(dropped.rows), len(new.rows)] == [6, 0, 1]
    assert [old.schema.type, dropped.schema.type, new.schema.type] == [3, 4, 3]
    assert new.rows[0].values == ("1",)


def test_after_a_swap_each_tables_rows_are_under_the_name_that_it_has(tmp_path: Path) -> None:
    road = Road(tmp_path, {"date_separator": "none"})

    road.run(*lines(CASES["rename, swapped"]))

    bucket = road.read(date="none")
    assert [found.values[1] for found in bucket.rows("shop", "t")] == ["x"] * 6 + ["t"]
    assert [found.values[1] for found in bucket.rows("shop", "u")] == ["x"] * 6 + ["u"]
    assert bucket.rows("shop", "x") == []


def test_an_exchange_swaps_the_ids_that_the_log_tells(tmp_path: Path) -> None:
    """By ids: the rows of the new u go on in the directory that was the partition's, and the other way round."""
    road = Road(tmp_path, {"date_separator": "none", "use_table_id_as_path": True})
    case = CASES["exchange partition"]

    road.run(*lines(case))

    assert road.directories() == ["71/10", "72/11", "72/500", "81/12", "82/12", "82/500"]
    bucket = road.read(date="none", table_id_paths=True)
    assert [len(bucket.rows("shop", name)) for name in "tup"] == [6, 7, 7]


def test_several_creates_of_one_text_are_all_refused_or_all_made(tmp_path: Path) -> None:
    """A row of the second table was sent already: the first must not be made either."""
    late = row("m", 600, {"b": "1"}, key=["b"], types={"b": "int"})

    with pytest.raises(RunFailed, match=r"change_log\.order"):
        record(
            ChangeLog(
                path=str(write(tmp_path / "log", late, ddl(AT, "CREATE TABLE n (a INT); CREATE TABLE m (b INT)")))
            )
        )
