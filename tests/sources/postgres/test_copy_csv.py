"""Rows of a COPY become columns, whatever their texts hold; what is no row of the table is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay.errors import RunFailed
from afterbay_nodes.sources.postgres.copy_csv import decode_copy
from afterbay_nodes.sources.postgres.type_table import mapped_columns
from tests.support.pgoutput_bytes import relation_of

INT4, TEXT, DATE = 23, 25, 1082
Row = tuple[str | None, ...]

_texts = st.none() | st.text(st.sampled_from('ab",\r\n \\.ä') | st.characters(codec="utf-8", exclude_characters="\0"))


def written(rows: list[Row]) -> bytes:
    """As the server writes CSV: what needs quotes has them, and so has an empty text."""

    def field(text: str | None) -> str:
        if text is None:
            return ""
        needed = not text or text == "\\." or set(text) & set('",\r\n')
        return '"' + text.replace('"', '""') + '"' if needed else text

    return "".join(",".join(map(field, row)) + "\n" for row in rows).encode()


@settings(deadline=None)
@given(st.integers(1, 3).flatmap(lambda width: st.lists(st.tuples(*[_texts] * width), min_size=1, max_size=8)))
def test_texts_and_nulls_come_as_they_are(rows: list[Row]) -> None:
    relation = relation_of(*[TEXT] * len(rows[0]))
    found = decode_copy(written(rows), mapped_columns(relation, {}), "t", "0/1")
    assert [tuple(row.values()) for row in found.to_pylist()] == rows


def test_a_value_may_begin_as_a_file_in_utf_8_would() -> None:
    rows: list[Row] = [("\ufeffa", "\ufeff"), ("\ufeff", None)]
    found = decode_copy(written(rows), mapped_columns(relation_of(TEXT, TEXT), {}), "t", "0/1")
    assert [tuple(row.values()) for row in found.to_pylist()] == rows


def test_a_value_is_refused_with_the_table_and_the_snapshots_position() -> None:
    columns = mapped_columns(relation_of(INT4, DATE), {})
    with pytest.raises(RunFailed, match="holds 'infinity', which is no date") as raised:
        decode_copy(b"1,2024-01-01\n2,infinity\n", columns, "shop.orders", "the snapshot at 0/1")
    assert raised.value.code == "postgres.value"
    assert str(raised.value.place) == "table shop.orders, at the snapshot at 0/1"


@pytest.mark.parametrize("data", [b"1\n", b"1,2,3\n", b"1,2\n1\n", b""])
def test_what_is_no_row_of_the_table_is_refused(data: bytes) -> None:
    with pytest.raises(RunFailed, match="not CSV of their 2 columns") as raised:
        decode_copy(data, mapped_columns(relation_of(INT4, INT4), {}), "t", "0/1")
    assert raised.value.code == "postgres.protocol"


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(RunFailed):
        decode_copy(data, mapped_columns(relation_of(INT4, TEXT), {}), "t", "0/1").validate(full=True)
