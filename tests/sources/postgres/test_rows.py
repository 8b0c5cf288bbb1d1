"""Runs of row messages become columns: as a reading of one message at a time has it, and never more than that."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay.errors import RunFailed
from afterbay_nodes.sources.postgres.pgoutput import Relation
from afterbay_nodes.sources.postgres.row_run import XLOG_HEAD, RowRun
from afterbay_nodes.sources.postgres.tuples import DecodedRows, OldKind, decode_rows
from afterbay_nodes.sources.postgres.type_table import mapped_columns
from tests.support.pgoutput_bytes import Field, Unsent, relation_of, row_bytes, xlog_head
from tests.support.reference_pgoutput import read_row, values_of

BOOL, BYTEA, INT8, INT4, TEXT, FLOAT4, FLOAT8, DATE, TIME, TIMESTAMP, TIMESTAMPTZ = (
    16, 17, 20, 23, 25, 700, 701, 1082, 1083, 1114, 1184,
)  # fmt: skip
OID = 16_384
UNCHANGED = Unsent.UNCHANGED


def decoded(relation: Relation, messages: Sequence[bytes], **how: Any) -> DecodedRows:
    return decode_rows(relation, RowRun.of(messages, **how), mapped_columns(relation, {}))


# -- agreement with the reference

_fraction = st.integers(0, 999_999).map(lambda part: f".{part:06}".rstrip("0").rstrip("."))
_day = st.dates().map(str)
_clock = st.builds("{:02}:{:02}:{:02}{}".format, st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), _fraction)
_texts: dict[int, st.SearchStrategy[str]] = {
    BOOL: st.sampled_from("tf"),
    BYTEA: st.binary(max_size=20).map(lambda value: "\\x" + value.hex()),
    INT4: st.integers(-(2**31), 2**31 - 1).map(str),
    INT8: st.integers(-(2**63), 2**63 - 1).map(str),
    TEXT: st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
    FLOAT4: st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda value: f"{value:.9g}"),
    FLOAT8: st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.sampled_from(["Infinity", "-Infinity"]),
    DATE: _day,
    TIME: _clock | st.just("24:00:00"),
    TIMESTAMP: st.builds("{} {}".format, _day, _clock),
    TIMESTAMPTZ: st.builds("{} {}+00".format, _day, _clock),
}
_types = st.lists(st.sampled_from(list(_texts)), min_size=1, max_size=5)


def _fields(oid: int, *unsent: Field) -> st.SearchStrategy[Field]:
    value: st.SearchStrategy[Field] = _texts[oid].map(str.encode)
    return st.one_of(value, value, st.sampled_from([None, *unsent]))


@st.composite
def _runs(draw: st.DrawFn) -> tuple[Relation, list[bytes], bool]:
    """A relation and messages of it; streamed or not."""
    types = draw(_types)
    full = draw(st.booleans())
    relation = relation_of(*types, keys=draw(st.integers(0, len(types))), identity="f" if full else "d")
    xid = draw(st.none() | st.integers(0, 2**32 - 1))
    known = st.tuples(*map(_fields, types))
    new = st.tuples(*(_fields(oid, UNCHANGED) for oid in types))
    key = known.map(
        lambda row: [value if column.key else None for value, column in zip(row, relation.columns, strict=True)]
    )
    mark = "O" if full else "K"
    old = known if full else key
    message = st.one_of(
        st.builds(lambda row: row_bytes(OID, "I", row, xid=xid), known),
        st.builds(lambda row: row_bytes(OID, "U", row, xid=xid), new),
        st.builds(lambda row, was: row_bytes(OID, "U", row, was, mark=mark, xid=xid), new, old),
        st.builds(lambda was: row_bytes(OID, "D", None, was, mark=mark, xid=xid), old),
    )
    return relation, draw(st.lists(message, min_size=1, max_size=12)), xid is not None


@settings(deadline=None)
@given(_runs(), st.sampled_from([0, 3, XLOG_HEAD]))
def test_a_run_says_what_its_messages_say(run: tuple[Relation, list[bytes], bool], head: int) -> None:
    relation, messages, streamed = run
    found = decoded(relation, [b"?" * head + message for message in messages], streamed=streamed, head=head)
    rows = [read_row(message, relation, streamed=streamed) for message in messages]
    assert found.ops.to_pylist() == [row.op for row in rows]
    assert found.old.to_pylist() == [row.old_kind for row in rows]
    assert (found.before is None) == (not any(row.op == 1 and row.old_kind for row in rows))
    for index, column in enumerate(relation.columns):
        after = [row.row[index] for row in rows]
        assert found.rows.column(index).to_pylist() == values_of(after, column.type_oid)
        unknown = [isinstance(field, Unsent) for field in after]
        assert (found.unchanged[index].to_pylist() if index in found.unchanged else [False] * len(rows)) == unknown
        if found.before is not None:
            before = [row.before[index] for row in rows]
            assert found.before.column(index).to_pylist() == values_of(before, column.type_oid)
    found.rows.validate(full=True)
    if found.before is not None:
        found.before.validate(full=True)


# -- what a later layer relies on


def test_an_unchanged_value_is_marked_and_not_taken_for_null() -> None:
    relation = relation_of(INT4, TEXT)
    messages = [row_bytes(OID, "U", [b"1", UNCHANGED]), row_bytes(OID, "U", [b"2", None])]
    found = decoded(relation, messages)
    assert found.rows.column(1).to_pylist() == [None, None]
    assert {index: mask.to_pylist() for index, mask in found.unchanged.items()} == {1: [True, False]}


def test_an_unchanged_value_comes_from_the_full_old_row() -> None:
    relation = relation_of(INT4, TEXT, identity="f")
    found = decoded(relation, [row_bytes(OID, "U", [b"1", UNCHANGED], [b"1", b"large"], mark="O")])
    assert found.rows.column(1).to_pylist() == ["large"]
    assert not found.unchanged


def test_an_unchanged_part_of_a_key_comes_from_the_old_key() -> None:
    relation = relation_of(INT4, TEXT, TEXT, keys=2)
    found = decoded(relation, [row_bytes(OID, "U", [b"2", UNCHANGED, UNCHANGED], [b"1", b"large", None])])
    assert found.rows.to_pylist() == [{"c0": 2, "c1": "large", "c2": None}]
    assert list(found.unchanged) == [2]


def test_a_key_that_changes_twice_has_both_old_keys() -> None:
    relation = relation_of(INT4, TEXT)
    messages = [row_bytes(OID, "U", [b"2", b"x"], [b"1", None]), row_bytes(OID, "U", [b"3", b"x"], [b"2", None])]
    found = decoded(relation, messages)
    assert found.before is not None
    assert found.before.column(0).to_pylist() == [1, 2]
    assert found.rows.column(0).to_pylist() == [2, 3]
    assert found.old.to_pylist() == [OldKind.KEY, OldKind.KEY]


def test_floats_keep_what_is_no_number() -> None:
    found = decoded(relation_of(FLOAT4, FLOAT8), [row_bytes(OID, "I", [b"NaN", b"NaN"])])
    assert all(math.isnan(column[0].as_py()) for column in found.rows.columns)


def test_a_run_has_rows_and_an_end() -> None:
    with pytest.raises(ValueError, match="at least one message"):
        RowRun.of([])
    with pytest.raises(ValueError, match="at most 1073741824 bytes"):
        RowRun.of([memoryview(bytes(1 << 20))] * 1025)


def test_messages_may_be_views_of_what_was_received() -> None:
    relation = relation_of(INT4)
    messages = [memoryview(row_bytes(OID, "I", [str(number).encode()])) for number in range(3)]
    run = RowRun.of(messages)
    assert decode_rows(relation, run, mapped_columns(relation, {})).rows.column(0).to_pylist() == [0, 1, 2]


def test_a_value_is_refused_with_all_that_finds_it() -> None:
    relation = replace(relation_of(INT4, DATE), schema="a\nb")
    messages = [xlog_head(16 + number) + row_bytes(OID, "I", [b"1", b"infinity" * number]) for number in range(2)]
    messages[0] = xlog_head(16) + row_bytes(OID, "I", [b"1", b"2024-02-29"])
    with pytest.raises(RunFailed) as raised:
        decoded(relation, messages, head=XLOG_HEAD)
    assert str(raised.value) == (
        "table a\\nb.orders, at 0/11: [postgres.value] column 'c1' (date) holds 'infinity', which is no date of the "
        "years 1 to 9999\n  hint: name the column 'c1' under `as_text`: a text column holds every value as the server "
        "writes it"
    )
    with pytest.raises(RunFailed, match=r"holds 'x{60}…', which is no int32"):
        decoded(relation, [row_bytes(OID, "I", [b"x" * 100, None])])
    with pytest.raises(RunFailed, match="SQL_ASCII") as raised:
        decoded(relation_of(TEXT), [row_bytes(OID, "I", [b"\xff"])])
    assert raised.value.hint is None


def test_a_table_without_columns_has_no_rows_to_store() -> None:
    with pytest.raises(RunFailed, match="leave the table out") as raised:
        decoded(relation_of(), [row_bytes(OID, "I", [])])
    assert raised.value.code == "postgres.no_columns"


def test_many_nulls_in_few_bytes_take_few_bytes() -> None:
    """A null is one byte in a message. What is kept of it is kept for one column at a time (I8)."""
    relation = relation_of(*[INT4] * 1000, identity="f")
    messages = [row_bytes(OID, "U", [None] * 1000, [None] * 1000, mark="O")] * 500
    tracemalloc.start()
    try:
        decoded(relation, messages)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * len(b"".join(messages))


# -- what no server should send


UPDATED = row_bytes(OID, "U", [b"1", b"a"], [b"1", None])
INSERTED = row_bytes(OID, "I", [b"1", b"a"])
DELETED = row_bytes(OID, "D", None, [b"1", None])
WRONG: list[tuple[str, bytes]] = [
    ("ends before its row", b"U\0\0\x40\0"),
    ("a message among rows is none", b"X" + UPDATED[1:]),
    ("of another relation", row_bytes(OID + 1, "I", [b"1", b"a"])),
    ("marked as none of its kind", UPDATED.replace(b"K", b"X", 1)),
    ("marked as none of its kind", DELETED.replace(b"K", b"N", 1)),
    ("marked as none of its kind", INSERTED.replace(b"N", b"K", 1)),
    ("has not the 2 columns", row_bytes(OID, "I", [b"1"])),
    ("has not the 2 columns", row_bytes(OID, "I", [b"1", b"a", b"b"])),
    ("ends within its number of columns", row_bytes(OID, "I", [])[:7]),
    ("ends within column 'c1'", INSERTED[:-1]),
    ("a value of no known kind", INSERTED.replace(b"t", b"?", 1)),
    ("a value of negative length", INSERTED.replace(b"t\0\0\0\1", b"t\xff\xff\xff\xff", 1)),
    ("a value of negative length", INSERTED.replace(b"t\0", b"t\x80", 1)),
    ("a binary value, and text was asked for", INSERTED.replace(b"t", b"b", 1)),
    ("goes on behind its columns", INSERTED + b"!"),
    ("goes on behind its columns", UPDATED + b"!"),
    ("goes on behind its columns", DELETED + b"!"),
    ("ends behind its old row", row_bytes(OID, "U", None, [b"1", None])),
    ("has no new row", UPDATED.replace(b"nN", b"nX")),
    ("old row's column 'c1' is not told", row_bytes(OID, "D", None, [b"1", UNCHANGED])),
]


@pytest.mark.parametrize(("why", "wrong"), WRONG)
@pytest.mark.parametrize("neighbours", [[], [INSERTED], [INSERTED, DELETED, UPDATED]])
def test_bytes_that_are_no_row_are_refused_with_their_position(why: str, wrong: bytes, neighbours: list[bytes]) -> None:
    messages = [*neighbours, wrong, *neighbours]
    whole = [xlog_head(0x16_B374D840 + index) + message for index, message in enumerate(messages)]
    with pytest.raises(RunFailed, match=why) as raised:
        decoded(relation_of(INT4, TEXT), whole, head=XLOG_HEAD)
    assert raised.value.code == "postgres.protocol"
    assert str(raised.value.place) == f"table shop.orders, at 16/B374D84{len(neighbours)}"


@pytest.mark.parametrize("head", [0, 9])
def test_without_whole_heads_the_runs_own_position_is_named(head: int) -> None:
    with pytest.raises(RunFailed, match=r"at 0/2A: \[postgres.protocol\]"):
        decoded(relation_of(INT4, TEXT), [b"?" * head + b"I"], lsn=42, head=head)


@settings(deadline=None)
@given(_runs(), st.data())
def test_torn_and_garbled_rows_are_refused_or_read(
    run: tuple[Relation, list[bytes], bool], data: st.DataObject
) -> None:
    relation, messages, streamed = run
    whole = bytearray(b"".join(messages))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=len(messages))))
    parts = [bytes(whole[a:b]) for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    head = data.draw(st.sampled_from([0, 5, XLOG_HEAD]))
    before = pa.total_allocated_bytes()
    with suppress(RunFailed):
        found = decoded(relation, parts, streamed=streamed, head=head)
        found.rows.validate(full=True)
        assert found.rows.num_rows == len(parts)
        del found
    assert pa.total_allocated_bytes() - before < 1 << 20
