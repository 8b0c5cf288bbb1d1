"""A tap shows a few rows, never what is sensitive, and says what it did not show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from afterbay.errors import PipelineInvalid
from afterbay.live.redaction import MOST_TEXT, REDACTED, Redaction
from afterbay.live.taps import NodeTap
from afterbay.messages import ChangeBatch
from afterbay.schema import Column, TableName, TableSchema
from tests.support.clock import ManualClock
from tests.support.live import asked, going_on, lake, until


def batch(*columns: str, value: Any = "x", rows: int = 4) -> ChangeBatch:
    schema = TableSchema(TableName("shop", "customers"), 1, tuple(Column(name, "varchar(9)") for name in columns))
    return ChangeBatch.of(
        partition="p",
        dispatcher="d",
        schema=schema,
        rows=pa.RecordBatch.from_arrays([pa.array([value] * rows)] * len(columns), names=list(columns)),
        ops=pa.array([0] * rows, pa.uint8()),
        commit_ts=pa.array(range(1, rows + 1), pa.uint64()),
        ordinals=pa.array([0] * rows, pa.uint32()),
    )


def shown(sensitive: list[str], *columns: str) -> dict[str, Any]:
    (row,) = Redaction(sensitive).rows(batch(*columns), 0, 1)
    assert isinstance(row, dict)
    assert isinstance(row["row"], dict)
    return row["row"]


@pytest.mark.parametrize(
    "column",
    ["password", "PASSWORD", "user_password", "passwordHash", "apiKey", "api_key", "session-id", "access_token", "pin"],
)
def test_columns_named_like_secrets_are_left_out_unasked(column: str) -> None:
    assert shown([], column)[column] == REDACTED


@pytest.mark.parametrize("column", ["id", "passenger", "pinned", "author", "compass", "secretary"])
def test_columns_that_only_sound_like_it_are_shown(column: str) -> None:
    assert shown([], column)[column] == "x"


@pytest.mark.parametrize("pattern", ["email", "EMAIL", "customers.email", "shop.customers.email", "shop.*.e*", "*"])
def test_listed_columns_are_left_out(pattern: str) -> None:
    assert shown([pattern], "email")["email"] == REDACTED


def test_others_are_not() -> None:
    assert shown(["orders.email", "mail", "email.*"], "email")["email"] == "x"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, None), (b"\xff\x00", "ff00"), (1.5, "1.5"), ("x" * 500, "x" * MOST_TEXT + "… (300 more characters)")],
)
def test_values_are_short_text(value: Any, text: str | None) -> None:
    (row,) = Redaction([]).rows(batch("v", value=value), 0, 1)
    assert isinstance(row, dict)
    assert row["row"] == {"v": text}


def test_a_time_that_python_has_no_number_for_is_shown_all_the_same() -> None:
    far = pa.array([2**62], pa.int64()).view(pa.timestamp("s"))
    message = replace(batch("v", rows=1), rows=pa.RecordBatch.from_arrays([far], names=["v"]))
    (row,) = Redaction([]).rows(message, 0, 1)
    assert isinstance(row, dict)
    assert isinstance(row["row"], dict)
    assert row["row"]["v"]


def test_what_is_not_shown_is_counted() -> None:
    clock = ManualClock()
    tap = NodeTap(5, Redaction([]), clock)
    for _ in range(1000):
        tap.passed(batch("v"))
    found = tap.take(5)
    assert found["rows_passed"] == 4000
    assert len(found["samples"]) == 4000 - found["rows_not_shown"] <= 5  # type: ignore[arg-type,operator]
    assert tap.take(5) == {"samples": [], "rows_passed": 0, "rows_not_shown": 0}


@pytest.mark.parametrize("node", ["bank", "csv", "spool", "lake"])
def test_every_node_of_a_run_can_be_tapped(node: str, tmp_path: Path) -> None:
    with going_on(lake(tmp_path)) as run, asked(run) as ask:
        found = until(lambda: ask.ask("tap", node=node, rows=5, redact=["owner"]), lambda found: found["samples"])
        for sample in found["samples"]:
            if node == "bank":
                assert sample["row"].get("owner", REDACTED) == REDACTED
                assert sample["commit_ts"].isdecimal()
            else:
                assert sample["encoded"]["extension"] == "csv"
                assert "row" not in sample
        assert found["rows_passed"] >= found["rows_not_shown"] >= 0


def test_the_pipelines_own_list_counts(tmp_path: Path) -> None:
    pipeline = lake(tmp_path, sensitive=["accounts_*.owner"])
    with going_on(pipeline) as run, asked(run) as ask:
        rows = until(
            lambda: ask.ask("tap", node="bank", rows=5)["samples"],
            lambda found: any("owner" in sample["row"] for sample in found),
        )
    assert {row["row"]["owner"] for row in rows if "owner" in row["row"]} == {REDACTED}


def test_one_tap_a_node_and_it_goes_with_its_asker(tmp_path: Path) -> None:
    with going_on(lake(tmp_path)) as run:
        sight = run.telemetry.node("bank").sight
        with asked(run) as ask:
            ask.ask("tap", node="bank")
            assert sight.tap is not None
            with asked(run) as other, pytest.raises(PipelineInvalid) as refused:
                other.ask("tap", node="bank")
            assert refused.value.code == "tap.taken"
        until(lambda: sight.tap, lambda tap: tap is None)
