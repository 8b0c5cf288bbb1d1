"""Damaged Debezium files are refused with their row; what is written two ways is told, or refused."""

from __future__ import annotations

import json
import math
from typing import Any

import pyarrow as pa
import pytest

from afterbay.errors import PipelineInvalid, RunFailed
from afterbay.schema import Column
from afterbay_nodes.decoders.debezium_form import DebeziumReading
from afterbay_nodes.decoders.decode import Decoders
from afterbay_nodes.decoders.stored_form import StoredForm
from afterbay_nodes.decoders.stored_rows import CHUNK_BYTES
from tests.support.batches import table

SMALL = table(Column("id", "int", primary_key=True), Column("b", "blob"), name="zoo.small")


def debezium(op: str = "u", **changed: Any) -> bytes:
    event: dict[str, Any] = {"before": {"id": 1, "b": None}, "after": {"id": 2, "b": "/w=="}}
    event |= {"source": source(), "op": op, "ts_ms": 1, "transaction": None}
    return json.dumps(event | changed, separators=(",", ":")).encode() + b"\r\n"


def source(**changed: Any) -> dict[str, Any]:
    """All that the encoder writes."""
    fixed = {"version": "2.4.0.Final", "connector": "afterbay", "name": "x", "ts_ms": 1, "snapshot": "false"}
    fixed |= {"db": "zoo", "table": "small", "server_id": 0, "gtid": None, "file": "", "pos": 0, "row": 0, "thread": 0}
    return fixed | {"query": None, "commit_ts": 9, "ordinal": 0} | changed


def of_others(**more: Any) -> bytes:
    """An event as other connectors write them."""
    return debezium(source={"connector": "mysql", "db": "zoo", "table": "small", "more": []} | more)


def test_a_debezium_file_with_its_before_images() -> None:
    lines = debezium() + debezium("c", before=None) + debezium("d", after=None)
    (chunk,) = Decoders().rows(pa.py_buffer(lines), "json", SMALL, "f")
    assert chunk.rows.to_pylist() == [{"id": 2, "b": b"\xff"}] * 2 + [{"id": 1, "b": None}]
    assert chunk.before is not None
    assert chunk.before.to_pylist() == [{"id": 1, "b": None}] + [{"id": None, "b": None}] * 2
    assert chunk.ordinals is not None
    (other,) = Decoders().rows(pa.py_buffer(of_others()), "json", SMALL, "f")
    assert other.commit_ts is other.ordinals is None
    (dated,) = Decoders().rows(pa.py_buffer(of_others(commit_ts=7)), "json", SMALL, "f")
    assert dated.commit_ts.to_pylist() == [7]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'"commit_ts"', b'"commit_tt"', "debezium.line"),
        (b'"ordinal"', b'"ordinaL"', "debezium.line"),
        (b'"connector"', b'"connectoR"', "debezium.line"),
        (b'"afterbay"', b'"afterbaz"', "debezium.line"),
        (b'"server_id":0', b'"server_id":1', "debezium.line"),
        (b'"snapshot":"false"', b'"snapshot":"falsf"', "debezium.line"),
        (b'"transaction":null', b'"transaction":1', "debezium.line"),
        (b'"ts_ms":1,"transaction"', b'"ts_mt":1,"transaction"', "debezium.line"),
        (b'"version":"2', b'"version":"\xff', "debezium.line"),
        (b'"pos":0', b'"pos":0,"pos":0', "debezium.twice"),
        (b'"after":{', b'"after":{"id":7,', "debezium.twice"),
        (b'"before":{', b'"before":{"id":7,', "debezium.twice"),
    ],
)
def test_our_own_debezium_events_have_each_key_once_and_no_other(old: bytes, new: bytes, code: str) -> None:
    (chunk,) = Decoders().rows(pa.py_buffer(debezium()), "json", SMALL, "f")
    assert chunk.num_rows == 1
    assert old in debezium()
    for around in (b"%b", b'{"payload":%b}'):
        with pytest.raises(RunFailed) as caught:
            list(
                Decoders().rows(pa.py_buffer(around % debezium().replace(old, new)[:-2] + b"\r\n"), "json", SMALL, "f")
            )
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (of_others(commit_ts=9).replace(b'"db":', b'"db":"a","db":'), "debezium.twice"),
        (debezium()[:-1], "debezium.torn"),
        (debezium()[:-2], "debezium.torn"),
        (debezium()[:-9] + b"\r\n", "debezium.line"),
        (b'{"payload":' + debezium()[:-2] + b"}\r\n", "debezium.line"),
        (debezium("r"), "debezium.op"),
        (debezium(source=source(table="other")), "debezium.names"),
        (debezium(source=source(db="other")), "debezium.names"),
        (debezium(source=source(commit_ts=None)), "debezium.line"),
        (of_others(), "debezium.commit_ts"),
        (debezium(source=source(commit_ts=2**64)), "debezium.commit_ts"),
        (debezium(source=source(ordinal=-1)), "debezium.ordinal"),
        (debezium("c"), "debezium.images"),
        (debezium("d"), "debezium.images"),
        (debezium(after=None), "debezium.images"),
        (debezium(before=None), "debezium.images"),
        (debezium(before={"id": 1}), "debezium.columns"),
        (debezium(after={"id": 1, "c": None}), "debezium.columns"),
        (debezium(after={"id": "1", "b": None}), "debezium.value"),
        (debezium(after={"id": True, "b": None}), "debezium.value"),
        (debezium(after={"id": 1.0, "b": None}), "debezium.value"),
        (debezium(after={"id": 2**31, "b": None}), "debezium.value"),
        (debezium(after={"id": 2**80, "b": None}), "debezium.value"),
        (debezium(after={"id": 1, "b": "/x=="}), "debezium.value"),
        (debezium(after={"id": 1, "b": {}}), "debezium.value"),
        (debezium(before={"id": None, "b": 3}), "debezium.value"),
    ],
)
def test_a_damaged_debezium_file_is_refused_with_its_row(line: bytes, code: str) -> None:
    with pytest.raises(RunFailed) as caught:
        list(Decoders().rows(pa.py_buffer(debezium() * 2 + line), "json", SMALL, "f"))
    assert caught.value.code == code
    assert caught.value.place is not None
    assert caught.value.place.position == "row 3"


def one_column(column: Column, *values: Any, form: StoredForm | None = None) -> list[Any]:
    """What comes back of inserts into a table of one column, as Debezium JSON."""
    schema = table(column, name="zoo.small")
    lines = b"".join(debezium("c", before=None, after={column.name: value}) for value in values)
    chunks = list(Decoders(form).rows(pa.py_buffer(lines), "json", schema, "f"))
    return [value for chunk in chunks for value in chunk.rows.column(0).to_pylist()]


PRICE = Column("price", "decimal", length=10, scale=2)


def test_how_debezium_decimals_are_written_is_told_by_those_that_can_be_read_one_way() -> None:
    assert one_column(PRICE, None, "1.50", "1234") == [None, "1.50", "1234"]
    assert one_column(PRICE, "1234", "AJY=") == ["-26588.24", "1.50"]
    assert one_column(PRICE, None) == [None]
    many = ["1234"] * (CHUNK_BYTES // 100)
    assert one_column(PRICE, *many, "AJY=")[:: len(many)] == ["-26588.24", "1.50"]
    told = StoredForm(debezium=DebeziumReading(decimal_mode="string"))
    assert one_column(PRICE, "1234", form=told) == ["1234"]
    with pytest.raises(RunFailed, match="text, or base64") as caught:
        one_column(PRICE, "1234")
    assert caught.value.code == "debezium.decimal"
    for mixed in (["1.50", "AJY="], ["AJY=", "1.50"], ["AJY=", "AACW"], ["1.50", 1]):
        with pytest.raises(RunFailed, match="is no decimal") as caught:
            one_column(PRICE, *mixed)
        assert caught.value.code == "debezium.value"


@pytest.mark.parametrize(
    ("column", "values", "wanted"),
    [
        (Column("a", "bit", length=1), [True, False, None], [1, 0, None]),
        (Column("a", "bit", length=9), ["AgE=", None], [258, None]),
        (Column("a", "date"), [-1, None], ["1969-12-31", None]),
        (Column("a", "datetime", scale=3), [1], ["1970-01-01 00:00:00.001"]),
        (Column("a", "datetime", scale=6), [1], ["1970-01-01 00:00:00.000001"]),
        (Column("a", "datetime"), [1000, 10], ["1970-01-01 00:00:01", "1970-01-01 00:00:00.01"]),
        (Column("a", "time", scale=0), [-3020399000000, 0], ["-838:59:59", "00:00:00"]),
        (Column("a", "timestamp"), ["2018-06-20T13:37:03.10Z"], ["2018-06-20 21:37:03.10"]),
        (Column("a", "timestamp"), ["0000-00-00 00:00:00"], ["0000-00-00 00:00:00"]),
        (Column("a", "float"), [], []),
        (Column("a", "double"), ["NaN", "-Infinity", 3], [pytest.approx(float("nan"), nan_ok=True), -math.inf, 3.0]),
    ],
)
def test_debezium_values_of_a_column(column: Column, values: list[Any], wanted: list[Any]) -> None:
    form = StoredForm(debezium=DebeziumReading(time_zone="Asia/Shanghai"))
    assert one_column(column, *values, form=form) == wanted


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (Column("a", "bit", length=1), 1),
        (Column("a", "bit", length=9), "AQ=="),
        (Column("a", "bit", length=9), "AAI="),
        (Column("a", "date"), 2932897),
        (Column("a", "date"), 2**40),
        (Column("a", "date"), "20260102"),
        (Column("a", "datetime", scale=0), 1),
        (Column("a", "datetime"), 2**62),
        (Column("a", "time"), 839 * 3600 * 10**6),
        (Column("a", "time"), -(2**63)),
        (Column("a", "timestamp"), 1),
        (Column("a", "timestamp"), "2018-02-30T13:37:03Z"),
        (Column("a", "timestamp"), "2018-06-20T13:37:03+01:00Z"),
        (Column("a", "float"), 1e300),
        (Column("a", "double"), "1.5"),
        (Column("a", "double"), True),
        (Column("a", "enum", elements=("x",)), 1),
        (Column("a", "set", elements=("x",)), "y"),
        (Column("a", "varchar"), 1),
    ],
)
def test_debezium_values_that_a_column_cannot_have_are_refused(column: Column, value: Any) -> None:
    with pytest.raises(RunFailed) as caught:
        one_column(column, None, value)
    assert caught.value.code == "debezium.value"
    assert caught.value.place is not None
    assert caught.value.place.position == "row 2"


def test_a_time_zone_that_is_not_known_is_invalid() -> None:
    with pytest.raises(PipelineInvalid, match="not known"):
        DebeziumReading(time_zone="Nowhere/At_All")
