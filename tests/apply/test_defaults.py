"""What the rows that are there get in a new column."""

from __future__ import annotations

from typing import Any

import pytest

from afterbay.schema import Column
from afterbay_nodes.apply.defaults import fill_of


def col(kind: str, default: Any = None, *, length: int | None = None, scale: int | None = None, **more: Any) -> Column:
    return Column("c", kind, default=default, length=length, scale=scale, **more)


DEFAULTS: list[tuple[Column, Any]] = [
    (col("int"), None),
    (col("int", "5"), 5),
    (col("int", 5), 5),
    (col("tinyint", True), 1),
    (col("bigint", "18446744073709551615", unsigned=True), 2**64 - 1),
    (col("double", 1.5), 1.5),
    (col("decimal", "1", length=10, scale=2), "1.00"),
    (col("varchar", "it's"), "it's"),
    (col("enum", "B", elements=("a", "b")), 2),
    (col("set", "a,b", elements=("a", "b", "c")), 3),
    (col("bit", "b'101'"), 5),
    (col("bit", "\x01"), 1),
    (col("binary", "a", length=3), b"a\0\0"),
    (col("datetime", "2026-01-02 03:04:05", scale=3), "2026-01-02 03:04:05.000"),
    (col("datetime", "2026-01-02"), "2026-01-02 00:00:00"),
    (col("time", "01:02:03.5", scale=2), "01:02:03.50"),
    (col("int", nullable=False), 0),
    (col("varchar", nullable=False), ""),
    (col("enum", nullable=False, elements=("a", "b")), 1),
    (col("set", nullable=False, elements=("a",)), 0),
    (col("decimal", nullable=False, length=10, scale=2), "0.00"),
    (col("datetime", nullable=False, scale=1), "0000-00-00 00:00:00.0"),
    (col("json", nullable=False), "null"),
    (col("blob", nullable=False), b""),
]


@pytest.mark.parametrize(("column", "wanted"), DEFAULTS, ids=lambda value: str(getattr(value, "type", value))[:20])
def test_defaults(column: Column, wanted: Any) -> None:
    fill = fill_of(column)
    assert (fill.value.to_pylist(), fill.unknown) == ([wanted], "")
    assert fill.value.type == column.arrow_type


@pytest.mark.parametrize(
    "column",
    [
        col("datetime", "CURRENT_TIMESTAMP", nullable=False),
        col("datetime", "CURRENT_TIMESTAMP(6)", scale=6),
        col("int", "(1 + 1)"),
        col("decimal", "RAND()"),
        col("enum", "z", elements=("a",)),
        col("int", "99999999999"),
    ],
    ids=lambda column: str(column.default),
)
def test_what_only_the_source_knows_is_said(column: Column) -> None:
    fill = fill_of(column)
    assert fill.value.null_count == 1
    assert str(column.default) in fill.unknown
