"""Plain scalars mean what YAML 1.2's core schema says: no surprises from YAML 1.1."""

from __future__ import annotations

import math

import pytest

from afterbay.compile.scalars import typed


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("12", 12),
        ("-12", -12),
        ("0777", 777),
        ("0o17", 15),
        ("0xfF", 255),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        # what YAML 1.1 would have read otherwise
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("2026-11-24", "2026-11-24"),
        ("nUll", "nUll"),
        ("5s", "5s"),
        ("64MiB", "64MiB"),
        ("９", "９"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_a_plain_scalar_is_typed_by_the_core_schema(text: str, value: object) -> None:
    found = typed(text)
    assert found == value
    assert type(found) is type(value)


def test_nan_is_a_number() -> None:
    found = typed(".nan")
    assert isinstance(found, float)
    assert math.isnan(found)
