"""Debezium events line by line: the envelope by hand from Debezium's documentation, and what has no form in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from afterbay.errors import RunFailed
from afterbay.messages import Op
from afterbay.schema import Column
from afterbay_nodes.encoders.encode_debezium_json import EncodeDebeziumJson
from tests.support.batches import COMMIT_TS, NOW_MS, batch, encode, operator, table

# The customer of the documentation's example, in its table `inventory.customers`.
CUSTOMERS = table(
    Column("id", "int", nullable=False, primary_key=True),
    Column("first_name", "varchar", length=255),
    Column("last_name", "varchar", length=255),
    Column("email", "varchar", length=255),
    name="inventory.customers",
)
ANNE = (1004, "Anne", "Kretchmar", "annek@noanswer.org")
ANNE_MARIE = (1004, "Anne Marie", "Kretchmar", "annek@noanswer.org")
JSON_ANNE = '{"id":1004,"first_name":"Anne","last_name":"Kretchmar","email":"annek@noanswer.org"}'
JSON_ANNE_MARIE = JSON_ANNE.replace('"Anne"', '"Anne Marie"')


def line(before: str, after: str, op: str, ordinal: int = 0, *, name: str = "afterbay", ts_ms: int = 1) -> str:
    return (
        f'{{"before":{before},"after":{after},"source":{{"version":"2.4.0.Final","connector":"afterbay","name":"{name}",'
        f'"ts_ms":{ts_ms},"snapshot":"false","db":"inventory","table":"customers","server_id":0,"gtid":null,"file":"",'
        f'"pos":0,"row":0,"thread":0,"query":null,"commit_ts":{COMMIT_TS},"ordinal":{ordinal}}},'
        f'"op":"{op}","ts_ms":{NOW_MS},"transaction":null}}'
    )


def lines(node: EncodeDebeziumJson, *args: Any, **columns: Any) -> list[str]:
    return encode(node, batch(CUSTOMERS, *args, **columns)).decode().split("\r\n")[:-1]


def test_a_create_an_update_and_a_delete_in_full() -> None:
    made = lines(
        EncodeDebeziumJson(),
        [ANNE, ANNE_MARIE, ANNE_MARIE],
        ops=[Op.INSERT, Op.UPDATE, Op.DELETE],
        before=[None, ANNE, None],
        commit_ms=[1, 2, 3],
    )
    assert made == [
        line("null", JSON_ANNE, "c", 0, ts_ms=1),
        line(JSON_ANNE, JSON_ANNE_MARIE, "u", 1, ts_ms=2),
        line(JSON_ANNE_MARIE, "null", "d", 2, ts_ms=3),
    ]


@pytest.mark.parametrize(
    ("op", "before", "after"),
    [(Op.INSERT, "null", JSON_ANNE), (Op.UPDATE, JSON_ANNE, JSON_ANNE), (Op.DELETE, JSON_ANNE, "null")],
)
def test_rows_of_one_operation_only(op: Op, before: str, after: str) -> None:
    made = lines(EncodeDebeziumJson(), [ANNE, ANNE], ops=[op, op], before=[ANNE, ANNE], commit_ms=[1, 1])
    assert made == [line(before, after, "cud"[op], ordinal) for ordinal in (0, 1)]


def test_the_payload_envelope_is_that_of_ticdc() -> None:
    (made,) = lines(EncodeDebeziumJson(envelope="payload", source_name="shop"), [ANNE], commit_ms=[1])
    assert made == f'{{"payload":{line("null", JSON_ANNE, "c", name="shop")}}}'


def test_the_commit_time_is_that_of_the_tso_where_the_source_has_none() -> None:
    assert lines(EncodeDebeziumJson(), [ANNE]) == [line("null", JSON_ANNE, "c", ts_ms=COMMIT_TS >> 18)]


def test_old_values_can_be_left_out_and_are_then_not_needed() -> None:
    node = EncodeDebeziumJson(output_old_value=False)
    assert lines(node, [ANNE], ops=[Op.UPDATE], commit_ms=[1]) == [line("null", JSON_ANNE, "u")]
    deleted = lines(node, [ANNE], ops=[Op.DELETE], commit_ms=[1])
    assert deleted == [line(JSON_ANNE, "null", "d")]


def test_an_update_without_the_row_before_it_is_refused() -> None:
    with pytest.raises(RunFailed, match=r"\[encode.no_before\]"):
        lines(EncodeDebeziumJson(), [ANNE], ops=[Op.UPDATE])


def test_the_largest_commit_ts_is_written_in_full() -> None:
    (made,) = lines(EncodeDebeziumJson(), [ANNE], commit_ts=[2**64 - 1])
    assert f'"commit_ts":{2**64 - 1},' in made


def test_the_file_is_json_without_a_header() -> None:
    head = operator(EncodeDebeziumJson()).process(batch(CUSTOMERS, [ANNE])).head
    assert (head.format.extension, head.format.header, head.rows) == ("json", b"", 1)


def test_virtual_columns_are_left_out() -> None:
    schema = table(Column("id", "int"), Column("twice", "int", virtual=True), Column("n", "int"))
    assert b'"after":{"id":1,"n":2}' in encode(EncodeDebeziumJson(), batch(schema, [(1, 2)]))


# -- time zones


def test_a_timestamp_is_turned_into_utc_from_the_zone_that_is_stated() -> None:
    # The documentation's example: 06:37:03 in a server that is seven hours behind.
    node = EncodeDebeziumJson(temporal_mode="debezium", time_zone="America/Los_Angeles")
    times = table(Column("t", "timestamp", scale=6), Column("d", "datetime"))
    made = encode(node, batch(times, [("2018-06-20 06:37:03.000001", "2018-06-20 06:37:03")]))
    assert b'"after":{"t":"2018-06-20T13:37:03.000001Z","d":1529476623000}' in made


@pytest.mark.parametrize("text", ["2018-11-04 01:30:00", "2018-03-11 02:30:00"])
def test_a_time_that_comes_twice_or_never_is_refused(text: str) -> None:
    node = EncodeDebeziumJson(temporal_mode="debezium", time_zone="America/Los_Angeles")
    with pytest.raises(RunFailed, match=r"\[encode.timestamp\]"):
        encode(node, batch(table(Column("t", "timestamp")), [(text,)]))


def test_a_time_zone_is_known_and_used() -> None:
    with pytest.raises(ValueError, match="the time zone 'Mars/Olympus' is not known here"):
        EncodeDebeziumJson(temporal_mode="debezium", time_zone="Mars/Olympus")
    (unused,) = EncodeDebeziumJson(time_zone="Asia/Shanghai").check()
    assert (unused.code, unused.field) == ("node.option", "time_zone")
    assert not list(EncodeDebeziumJson(temporal_mode="debezium", time_zone="Asia/Shanghai").check())


# -- what has no form


def refusal(node: EncodeDebeziumJson, column: Column, values: list[Any], **columns: Any) -> str:
    schema = table(Column("id", "int"), column)
    rows = [(number, value) for number, value in enumerate(values)]
    if "before" in columns:
        columns["before"] = [None if value is None else (0, value) for value in columns["before"]]
    with pytest.raises(RunFailed) as caught:
        encode(node, batch(schema, rows, **columns))
    return str(caught.value)


NUMBERS = EncodeDebeziumJson(temporal_mode="debezium", decimal_mode="precise")


def test_a_zero_date_is_refused_with_its_table_column_and_row() -> None:
    told = refusal(NUMBERS, Column("born", "date"), ["2026-01-01", None, "2026-01-02", "0000-00-00", "0000-00-00"])
    assert f"node 'under_test', table test.table1, at {COMMIT_TS}/3: [encode.date] column 'born' holds the date" in told
    assert "'0000-00-00', which these options have no form for" in told
    assert "hint: write dates and times as text (`temporal_mode: string`)" in told


def test_a_zero_date_of_a_before_image_is_refused_at_its_row() -> None:
    told = refusal(
        NUMBERS,
        Column("at", "datetime"),
        ["2026-01-01 00:00:00"] * 3,
        ops=[Op.INSERT, Op.INSERT, Op.UPDATE],
        before=[None, None, "0000-00-00 00:00:00"],
    )
    assert f"at {COMMIT_TS}/2: [encode.datetime]" in told


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (Column("c", "datetime"), "2026-01-01 00:00:00.1234"),  # the schema says milliseconds
        (Column("c", "datetime", scale=6), "2026-01-01"),
        (Column("c", "datetime", scale=6), "2026-01-01 00:00"),
        (Column("c", "date"), "2026-1-1"),
        (Column("c", "date"), "2026-02-30"),
        (Column("c", "time"), "12:60:00"),
        (Column("c", "time"), "noon"),
        (Column("c", "decimal", length=10, scale=2), "1.234"),
        (Column("c", "decimal"), "1.5"),  # no digits after the point, as far as is known
        (Column("c", "decimal", length=10, scale=2), "1" + "0" * 80),
        (Column("c", "bit"), 2),
        (Column("c", "bit", length=9), 512),
    ],
)
def test_a_value_that_its_column_cannot_have_is_refused(column: Column, value: Any) -> None:
    assert f"at {COMMIT_TS}/0: [encode.{column.type}] column 'c' holds the" in refusal(NUMBERS, column, [value])


def test_a_hostile_value_is_shown_short_and_harmless() -> None:
    told = refusal(NUMBERS, Column("c", "date"), ["\x1b[2J" + "x" * 1000])
    assert "\x1b" not in told
    assert len(told) < 400


def test_dates_and_decimals_of_any_kind_are_text_by_default() -> None:
    schema = table(Column("d", "date"), Column("n", "decimal"))
    (event,) = encode(EncodeDebeziumJson(terminator="\n"), batch(schema, [("0000-00-00", "1.50")])).splitlines()
    assert json.loads(event)["after"] == {"d": "0000-00-00", "n": "1.50"}
