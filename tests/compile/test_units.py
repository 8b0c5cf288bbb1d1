"""Sizes and durations: what people write is read exactly, and what is printed reads back."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from afterbay.units import (
    ByteSize,
    Duration,
    format_bytes,
    format_duration,
    parse_bytes,
    parse_duration,
)


class Limits(BaseModel):
    size: ByteSize = 64 << 20
    wait: Duration = 5.0


@pytest.mark.parametrize(
    ("text", "size"),
    [("64MiB", 64 << 20), ("1GB", 10**9), ("1.5KiB", 1536), ("0", 0), ("10 GiB", 10 << 30), ("7b", 7), (4096, 4096)],
)
def test_a_size_is_read_as_written(text: object, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1.5", "64M", "1e3", "0x10", True, None, 1.5, -1, "9" * 40, 1 << 63])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"size|bytes"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5.0), ("100ms", 0.1), ("10m", 600.0), ("1h30m", 5400.0), ("2d", 172800.0), ("250us", 0.00025), (3, 3.0)],
)
def test_a_duration_is_read_as_written(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", "-5s", "5 s", "1h 30m", True, None, -1, float("nan"), float("inf"), 1e12]
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@given(st.integers(0, (1 << 63) - 1))
def test_a_printed_size_reads_back(size: int) -> None:
    assert parse_bytes(format_bytes(size)) == size


@given(st.integers(0, 36500 * 86400 * 1000).map(lambda n: n / 1000) | st.floats(0, 10).map(lambda n: round(n, 9)))
def test_a_printed_duration_reads_back(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


def test_models_take_text_hold_numbers_and_print_text() -> None:
    limits = Limits(size="1GiB", wait="100ms")  # type: ignore[arg-type]
    assert (limits.size, limits.wait) == (1 << 30, 0.1)
    assert json.loads(limits.model_dump_json()) == {"size": "1GiB", "wait": "100ms"}
    assert Limits.model_validate_json(limits.model_dump_json()) == limits


def test_a_model_says_which_field_is_no_size() -> None:
    with pytest.raises(ValidationError, match="such as 64MiB"):
        Limits(size="much")  # type: ignore[arg-type]


@pytest.mark.parametrize(("field", "values"), [("size", ["64MiB", "1.5KiB", "7b"]), ("wait", ["5s", "1h30m", "100ms"])])
def test_the_json_schema_matches_what_is_read(field: str, values: list[str]) -> None:
    schema = Limits.model_json_schema()["properties"][field]
    pattern = next(item["pattern"] for item in schema["anyOf"] if item["type"] == "string")
    assert all(re.search(pattern, value) for value in values)
    assert not re.search(pattern, "much")
    assert schema["examples"]
