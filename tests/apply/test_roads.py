"""From a change log through a real pipeline into a store, whatever its layout, and out of it into a database."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from afterbay.errors import RunFailed
from afterbay_nodes.apply.engine import Apply, ApplyOptions
from afterbay_nodes.apply.report import ApplyReport
from afterbay_nodes.apply.targets.open import open_target
from afterbay_nodes.bucket.bucket import open_bucket
from tests.apply.conftest import Makes
from tests.layouts.ddl_cases import CASES
from tests.layouts.test_ddl_classes import log_of
from tests.layouts.test_variants import LOG, ROWS, VARIANTS
from tests.support.clock import ManualClock
from tests.support.landed import KINDS, Landed
from tests.support.road import Road, small_batches


def applied(road: Road, landed: Landed) -> ApplyReport:
    target = open_target(landed.uri)
    try:
        with open_bucket(str(road.lake)) as bucket:
            work = Apply(bucket, target, ApplyOptions())
            work.round()
    finally:
        target.close()
    return work.report


def stretch(*firsts: int) -> list[int]:
    return [first + n for first in firsts for n in range(ROWS)]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_layout(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_target: Makes) -> None:
    small_batches(monkeypatch)
    variant, clock = VARIANTS[name], ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    road = Road(tmp_path, variant.sink | {"file_size": "1KiB"}, variant.between, clock)
    road.run(*LOG)
    landed = make_target("sqlite")
    report = applied(road, landed)
    assert report.rows == 5 * ROWS
    t, p = (".".join(variant.named[table]) for table in "tp")
    assert landed.tables() == {t, p}
    assert [row[0] for row in landed.rows(t, "id")] == stretch(300)
    assert [row[0] for row in landed.rows(p, "id")] == stretch(300, 500)
    assert applied(road, landed).rows == 0


# What is there after the statement, where that is not the three tables with two columns and six rows each.
THREE = {"shop.t": ("id v", 6), "shop.u": ("id v", 6), "shop.p": ("id v", 6)}
LOG_COLUMNS = "_afterbay_op _afterbay_commit_ts _afterbay_series _afterbay_number _afterbay_row"
AFTER: dict[str, dict[str, tuple[str, int] | None]] = {
    "create": {"shop.n": ("a e", 0)},
    "create if not exists": {"shop.n": (f"a {LOG_COLUMNS}", 0)},
    "create in another schema": {"o s.n": (f"a {LOG_COLUMNS}", 0)},
    "create like": {"shop.n": ("id v", 0)},
    "create like, in another schema": {"other.n": ("id v", 0)},
    "create as select": {"shop.n": (f"one {LOG_COLUMNS}", 1)},
    "create in partitions": {"shop.n": (f"a {LOG_COLUMNS}", 0)},
    "several creates": {"shop.n": (f"a {LOG_COLUMNS}", 0), "other.m": (f"b c {LOG_COLUMNS}", 0)},
    "recover": {"shop.n": ("id v", 1)},
    "drop": {"shop.t": None},
    "drop in partitions": {"shop.p": None},
    "drop several": {"shop.t": None, "shop.u": None},
    "drop several, one of them never met": {"shop.t": None},
    "drop, and made again": {"shop.t": ("id", 1)},
    "truncate": {"shop.t": ("id v", 0)},
    "truncate, ids not told": {"shop.t": ("id v", 0)},
    "truncate in partitions": {"shop.p": ("id v", 0)},
    "rename": {"shop.t": None, "shop.t2": ("id v", 7)},
    "rename in partitions": {"shop.p": None, "shop.p2": ("id v", 6)},
    "rename by alter": {"shop.t": None, "shop.t2": ("id v", 6)},
    "rename into another schema": {"shop.t": None, "other.t": ("id v", 6)},
    "rename by alter into another schema, with a column": {"shop.t": None, "other.t2": ("id v w", 6)},
    "rename several": {"shop.t": None, "shop.u": None, "shop.t2": ("id v", 6), "other.u`2": ("id v", 6)},
    "rename several, a statement each": {
        "shop.t": None,
        "shop.u": None,
        "shop.t2": ("id v", 6),
        "shop.u2": ("id v", 6),
    },
    "rename, swapped": {"shop.t": ("id v", 7), "shop.u": ("id v", 7)},
    "rename several, one of them never met": {"shop.t": None, "shop.t2": ("id v", 6)},
    "drop database": dict.fromkeys(THREE),
    "add column": {"shop.t": ("id v w", 6)},
    "add column, first": {"shop.t": ("id v w", 6)},
    "add columns": {"shop.t": ("id v a b", 6)},
    "drop column": {"shop.t": ("id", 6)},
    "change column": {"shop.t": ("id text", 6)},
    "rename column": {"shop.t": ("id w", 6)},
    "several clauses": {"shop.t": ("id w", 6)},
    "one clause with options": {"shop.t": ("id v w", 6)},
    "add column in partitions": {"shop.p": ("id v w", 6)},
    "drop primary key": {"shop.t": (f"id v {LOG_COLUMNS}", 6)},
    "drop partition": {"shop.p": ("id v", 3)},
    "truncate partition": {"shop.p": ("id v", 3)},
    "exchange partition with a table of another schema": {"shop.p": ("id v", 3), "other.u": ("id v", 3)},
}
BREAKS_ITS_KEY = "exchange partition"  # without validation: the partition gets rows of the other one's keys


@pytest.mark.parametrize("name", [name for name in CASES if name != BREAKS_ITS_KEY])
def test_every_class_of_ddl(name: str, tmp_path: Path, make_target: Makes) -> None:
    road = Road(tmp_path, {"date_separator": "none"})
    road.run(*log_of(CASES[name]))
    landed = make_target("sqlite")
    report = applied(road, landed)
    assert report.limit == 900
    wanted = {table: shape for table, shape in (THREE | AFTER.get(name, {})).items() if shape is not None}
    if "other.u" in CASES[name].sql:
        wanted.setdefault("other.u", ("id v", 0))
    assert {t: (" ".join(landed.columns(t)), len(landed.rows(t))) for t in landed.tables()} == wanted
    assert applied(road, landed).ddls == 0


def test_there_is_a_case_for_each_wanted_outcome() -> None:
    assert set(AFTER) < set(CASES)


@pytest.mark.parametrize("kind", KINDS)
def test_an_exchange_that_breaks_the_key_is_refused_where_keys_are_kept(
    kind: str, tmp_path: Path, make_target: Makes
) -> None:
    road = Road(tmp_path, {"date_separator": "none"})
    road.run(*log_of(CASES[BREAKS_ITS_KEY]))
    landed = make_target(kind)
    if kind == "duckdb":
        assert applied(road, landed).ddls == 4
        return
    with pytest.raises(RunFailed) as caught:
        applied(road, landed)
    assert "shop/u/meta/schema_500" in str(caught.value)
    assert len(landed.rows("shop.p")) == 6  # all of it or nothing
