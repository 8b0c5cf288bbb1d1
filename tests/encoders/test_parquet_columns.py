"""Which Arrow type each column gets, and the values that have no form in it: refused by row, never rounded."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay.errors import RunFailed
from afterbay.messages import Op
from afterbay.schema import Column
from afterbay_nodes.encoders.encode_parquet import EncodeParquet
from afterbay_nodes.encoders.parquet_columns import parquet_name
from tests.support.assembled import file_of
from tests.support.batches import COMMIT_TS, batch, encode, table
from tests.support.strategies import texts

NATIVE = EncodeParquet(temporal="native")


def values(node: EncodeParquet, column: Column, stored: list[Any], folder: Path) -> list[Any]:
    """The values of the column as a reader gets them."""
    data = file_of(node, [batch(table(column), [(value,) for value in stored])], folder)
    return list(pq.read_table(pa.BufferReader(data)).column(3).to_pylist())


def refusal(node: EncodeParquet, column: Column, stored: list[Any]) -> str:
    with pytest.raises(RunFailed) as caught:
        encode(node, batch(table(column), [(value,) for value in stored]))
    return str(caught.value)


def test_types_are_true_to_the_table(tmp_path: Path) -> None:
    columns = [
        (Column("a", "tinyint", unsigned=True), pa.uint8()),
        (Column("b", "mediumint"), pa.int32()),
        (Column("c", "bigint", unsigned=True), pa.uint64()),
        (Column("d", "bit", length=64), pa.uint64()),
        (Column("e", "year"), pa.uint16()),
        (Column("f", "float"), pa.float32()),
        (Column("g", "decimal", length=38, scale=10), pa.decimal128(38, 10)),
        (Column("h", "decimal", length=10), pa.decimal128(10, 0)),
        (Column("i", "decimal", length=65, scale=30), pa.utf8()),
        (Column("j", "decimal"), pa.utf8()),
        (Column("k", "datetime", scale=6), pa.utf8()),
        (Column("l", "varbinary", length=10), pa.binary()),
        (Column("m", "enum", elements=("x",)), pa.utf8()),
        (Column("n", "set", elements=("x",)), pa.utf8()),
        (Column("o", "json"), pa.utf8()),
        (Column("p", "int", virtual=True), None),
    ]
    changes = batch(table(*(column for column, _ in columns)), [[None] * 15])
    schema = pq.read_schema(pa.BufferReader(file_of(EncodeParquet(), [changes], tmp_path)))
    own = [("_op", pa.utf8()), ("_commit_ts", pa.uint64()), ("_ordinal", pa.uint32())]
    expected = [(column.name, type_) for column, type_ in columns if type_ is not None]
    assert [(field.name, field.type) for field in schema] == own + expected


def test_the_row_before_an_update_is_a_struct_and_null_elsewhere(tmp_path: Path) -> None:
    items = table(Column("id", "int"), Column("_op", "varchar"))
    changes = batch(
        items,
        [(1, "a"), (2, "b"), (3, None)],
        ops=[Op.INSERT, Op.UPDATE, Op.DELETE],
        before=[None, (9, None), None],
    )
    found = pq.read_table(pa.BufferReader(file_of(EncodeParquet(output_old_value=True), [changes], tmp_path)))
    assert found.column("_before").to_pylist() == [None, {"id": 9, "_x005F_op": None}, None]
    assert found.column("_op").to_pylist() == ["I", "U", "D"]
    assert found.column("_x005F_op").to_pylist() == ["a", "b", None]


def test_old_values_must_be_there_where_there_are_updates() -> None:
    items = table(Column("id", "int"))
    encode(EncodeParquet(output_old_value=True), batch(items, [(1,)]))
    with pytest.raises(RunFailed, match=r"\[encode.no_before\]"):
        encode(EncodeParquet(output_old_value=True), batch(items, [(1,)], ops=[Op.UPDATE]))


@settings(max_examples=300, deadline=None)
@given(one=texts() | st.sampled_from(["_op", "_OP", "_Before"]), other=texts() | st.sampled_from(["_x005F_op", "_op"]))
def test_no_column_meets_another_or_ours(one: str, other: str) -> None:
    names = {parquet_name(one), parquet_name(other)}
    assert len(names) == len({one, other})
    assert not {name.lower() for name in names} & {"_op", "_commit_ts", "_ordinal", "_before"}


@pytest.mark.parametrize("digits", [1, 9, 18, 19, 38])
def test_decimals_are_exact_up_to_their_last_digit(tmp_path: Path, digits: int) -> None:
    most = "9" * digits
    column = Column("d", "decimal", length=digits, scale=0)
    assert values(EncodeParquet(), column, [most, "-" + most, "0", None], tmp_path) == [
        Decimal(most),
        Decimal("-" + most),
        Decimal(0),
        None,
    ]


def test_wide_decimals_are_text_unless_asked_for(tmp_path: Path) -> None:
    column = Column("d", "decimal", length=65, scale=30)
    most = "9" * 35 + "." + "9" * 30
    assert values(EncodeParquet(), column, [most], tmp_path) == [most]
    assert values(EncodeParquet(wide_decimals="decimal256"), column, [most], tmp_path) == [Decimal(most)]


@pytest.mark.parametrize("value", ["1.505", "1000.00", "NaN", "", "1.5x"])
def test_a_decimal_that_its_column_cannot_hold_is_refused_by_row(value: str) -> None:
    column = Column("price", "decimal", length=5, scale=2)
    text = refusal(EncodeParquet(), column, ["1.50", None, value, "2.00"])
    assert f"at {COMMIT_TS}/2: [encode.decimal] column 'price' holds the decimal '{value}'" in text


def test_native_dates_and_times(tmp_path: Path) -> None:
    def read(type_: str, *stored: str | None) -> list[Any]:
        return values(NATIVE, Column("t", type_), list(stored), tmp_path)

    assert read("date", "0001-01-01", "9999-12-31", None) == [date(1, 1, 1), date(9999, 12, 31), None]
    assert read("datetime", "2026-03-01 12:00:00.123456", "1969-12-31 23:59:59", None) == [
        datetime(2026, 3, 1, 12, 0, 0, 123456),
        datetime(1969, 12, 31, 23, 59, 59),
        None,
    ]
    assert read("timestamp", "9999-12-31 23:59:59.999999") == [datetime(9999, 12, 31, 23, 59, 59, 999999)]
    assert read("time", "00:00:00", "23:59:59.5", None) == [time(0), time(23, 59, 59, 500000), None]


@pytest.mark.parametrize(
    ("type_", "fine", "value"),
    [
        ("date", "2026-03-01", "0000-00-00"),
        ("date", "2026-03-01", "2026-02-30"),
        ("date", "2026-03-01", "0000-01-01"),
        ("datetime", "2026-03-01 12:00:00", "0000-00-00 00:00:00"),
        ("datetime", "2026-03-01 12:00:00", "2026-00-01 00:00:00"),
        ("timestamp", "2026-03-01 12:00:00", "0000-00-00 00:00:00"),
        ("time", "12:00:00", "838:59:59"),
        ("time", "12:00:00", "-00:00:01"),
        ("time", "12:00:00", "24:00:00"),
    ],
)
def test_what_has_no_native_form_is_refused_by_row_and_kept_as_text(
    tmp_path: Path, type_: str, fine: str, value: str
) -> None:
    column = Column("t", type_)
    text = refusal(NATIVE, column, [fine, fine, fine, value])
    assert f"at {COMMIT_TS}/3: [encode.{type_}] column 't' holds the {type_} '{value}'" in text
    assert "temporal: text" in text
    assert values(EncodeParquet(), column, [value], tmp_path) == [value]


def test_a_before_image_without_a_native_form_is_refused_too() -> None:
    column = Column("t", "date")
    changes = batch(table(column), [("2026-03-01",)], ops=[Op.UPDATE], before=[("0000-00-00",)])
    encode(NATIVE, changes)
    with pytest.raises(RunFailed, match=r"\[encode.date\]"):
        encode(EncodeParquet(temporal="native", output_old_value=True), changes)


def test_a_value_cannot_steer_the_terminal_through_an_error() -> None:
    text = refusal(EncodeParquet(), Column("d\x1b", "decimal", length=5), ["\x1b[2J" + "9" * 500])
    assert "\x1b" not in text
    assert len(text) < 400
