"""Rows of a COPY become columns, whatever they hold; what is no row of the table is refused."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay.errors import RunFailed
from afterbay_nodes.sources.postgres.copy_binary import SIGNATURE, CopyDecoder, copy_command, forms
from afterbay_nodes.sources.postgres.copy_wire import Piece
from afterbay_nodes.sources.postgres.pgoutput import Relation
from afterbay_nodes.sources.postgres.type_table import mapped_columns
from tests.support.pgoutput_bytes import relation_of

BOOL, BYTEA, INT8, INT2, INT4, TEXT, OID, FLOAT8, DATE = 16, 17, 20, 21, 23, 25, 26, 701, 1082
HEADER, TRAILER = SIGNATURE + bytes(8), b"\xff\xff"
WRITTEN = {BOOL: "b", INT8: "q", INT2: "h", INT4: "i", OID: "I", FLOAT8: "d"}
VALUES: dict[int, st.SearchStrategy[Any]] = {
    BOOL: st.sampled_from([0, 1]),
    INT8: st.integers(-(1 << 63), (1 << 63) - 1),
    INT2: st.integers(-(1 << 15), (1 << 15) - 1),
    INT4: st.integers(-(1 << 31), (1 << 31) - 1),
    OID: st.integers(0, (1 << 32) - 1),
    FLOAT8: st.floats(allow_nan=False),
    TEXT: st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    BYTEA: st.binary(),
    DATE: st.dates().map(str),
}


def row(kinds: list[int], values: tuple[Any, ...]) -> bytes:
    """As the server writes it."""
    fields = []
    for kind, value in zip(kinds, values, strict=True):
        if value is None:
            fields.append(struct.pack("!i", -1))
            continue
        known = WRITTEN.get(kind)
        data = struct.pack("!" + known, value) if known else value if kind == BYTEA else value.encode()
        fields.append(struct.pack("!i", len(data)) + data)
    return struct.pack("!h", len(kinds)) + b"".join(fields)


def decoder(relation: Relation) -> CopyDecoder:
    return CopyDecoder(forms(relation, mapped_columns(relation, {})), "shop.orders", "the snapshot at 0/1")


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[int], list[tuple[Any, ...]]]:
    kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4))
    return kinds, draw(st.lists(st.tuples(*[st.none() | VALUES[kind] for kind in kinds]), max_size=8))


@settings(deadline=None)
@given(tables(), st.data())
def test_rows_come_as_they_are_however_they_are_cut(
    table: tuple[list[int], list[tuple[Any, ...]]], data: st.DataObject
) -> None:
    kinds, rows = table
    messages = [row(kinds, values) for values in rows]
    if data.draw(st.booleans(), "the header is with the first row"):
        first, *rest = [*messages, TRAILER]
        messages = [HEADER + first, *rest]
    else:
        messages = [HEADER, *messages, TRAILER]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(messages)), max_size=4)))
    reading = decoder(relation_of(*kinds))
    found: list[tuple[Any, ...]] = []
    for start, stop in zip([0, *cuts], [*cuts, len(messages)], strict=True):
        batch = reading.rows(Piece.of(messages[start:stop]))
        if batch is not None:
            batch.validate(full=True)
            found += [tuple(column[index].as_py() for column in batch.columns) for index in range(batch.num_rows)]
    reading.end()
    assert found == rows


def test_only_what_has_another_binary_form_is_asked_for_as_text() -> None:
    relation = relation_of(INT4, TEXT, DATE)
    assert copy_command(relation, forms(relation, mapped_columns(relation, {}))) == (
        'COPY (SELECT "c0", "c1", CASE WHEN "c2" IS NOT DISTINCT FROM NULL THEN NULL ELSE pg_catalog.concat("c2") END '
        'FROM ONLY "shop"."orders") TO STDOUT (FORMAT binary)'
    )
    as_text = forms(relation, mapped_columns(relation, {}, ["c0"]))
    assert [(form.number, form.written) for form in as_text] == [(None, True), (None, False), (None, True)]


def test_a_value_is_refused_with_the_table_and_the_snapshots_position() -> None:
    kinds = [INT4, DATE]
    messages = [HEADER + row(kinds, (1, "2024-01-01")), row(kinds, (2, "infinity")), TRAILER]
    with pytest.raises(RunFailed, match="holds 'infinity', which is no date") as raised:
        decoder(relation_of(*kinds)).rows(Piece.of(messages))
    assert raised.value.code == "postgres.value"
    assert str(raised.value.place) == "table shop.orders, at the snapshot at 0/1"


GOOD = row([INT4, TEXT], (1, "a"))
NUMBER = struct.pack("!i", 4) + bytes(4)


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([GOOD], "no signature"),
        ([SIGNATURE + b"\0\1\0\0" + bytes(4)], "no signature"),
        ([HEADER + GOOD], "without their end"),
        ([HEADER, TRAILER, GOOD], "behind their end"),
        ([HEADER, TRAILER, TRAILER], "behind their end"),
        ([HEADER, b"\0\2"], "behind its number of columns"),
        ([HEADER, b"\0"], "within its number of columns"),
        ([HEADER, b"\0\1" + GOOD[2:]], "another number of columns"),
        ([HEADER, GOOD[:-1]], "within a column"),
        ([HEADER, GOOD[:8]], "within a column"),
        ([HEADER, GOOD + b"!"], "goes on behind its columns"),
        ([HEADER, b"\0\2" + NUMBER + struct.pack("!i", -2)], "negative length"),
        ([HEADER, b"\0\2" + struct.pack("!i", 3) + bytes(3) + struct.pack("!i", -1)], "another width"),
        ([HEADER, b"\0\2" + NUMBER + struct.pack("!i", (1 << 31) - 1)], "within a column"),
    ],
)
def test_what_is_no_row_of_the_table_is_refused(messages: list[bytes], why: str) -> None:
    reading = decoder(relation_of(INT4, TEXT))
    with pytest.raises(RunFailed, match=why) as raised:  # noqa: PT012 - what is not a row, or the end behind it
        for message in messages:
            reading.rows(Piece.of([message]))
        reading.end()
    assert raised.value.code == "postgres.protocol"


@settings(deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=4))
def test_any_bytes_are_read_or_refused(messages: list[bytes]) -> None:
    with suppress(RunFailed):
        batch = decoder(relation_of(INT4, BYTEA)).rows(Piece.of([HEADER, *messages]))
        assert batch is None or isinstance(batch, pa.RecordBatch)
        if batch is not None:
            batch.validate(full=True)


def test_a_table_without_columns_is_refused() -> None:
    with pytest.raises(RunFailed) as raised:
        decoder(relation_of())
    assert raised.value.code == "postgres.no_columns"
