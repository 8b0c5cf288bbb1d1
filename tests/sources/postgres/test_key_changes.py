"""Updates of a key become a delete and an insert, and whoever applies them has the source's rows."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay_nodes.sources.postgres.key_changes import split_key_changes
from afterbay_nodes.sources.postgres.row_run import RowRun
from afterbay_nodes.sources.postgres.tuples import DecodedRows, decode_rows
from afterbay_nodes.sources.postgres.type_table import mapped_columns
from tests.support.pgoutput_bytes import Unsent, relation_of, row_bytes

OID = 16_384
INT, TEXT = 23, 25


def decoded(messages: list[bytes], identity: str = "d") -> DecodedRows:
    relation = relation_of(INT, TEXT, identity=identity)
    return decode_rows(relation, RowRun.of(messages), mapped_columns(relation, {}))


def changes(found: DecodedRows) -> list[tuple[str, Any, Any]]:
    return [
        ("IUD"[op], row["c0"], row["c1"]) for op, row in zip(found.ops.to_pylist(), found.rows.to_pylist(), strict=True)
    ]


def test_a_key_that_changes_twice_ends_right() -> None:
    found, source = split_key_changes(
        decoded(
            [
                row_bytes(OID, "I", [b"1", b"a"]),
                row_bytes(OID, "U", [b"2", b"a"], [b"1", None]),
                row_bytes(OID, "U", [b"2", b"b"]),
                row_bytes(OID, "U", [b"3", b"b"], [b"2", None]),
            ]
        ),
        [0],
    )
    assert changes(found) == [
        ("I", 1, "a"), ("D", 1, None), ("I", 2, "a"), ("U", 2, "b"), ("D", 2, None), ("I", 3, "b"),
    ]  # fmt: skip
    assert source is not None
    assert source.to_pylist() == [0, 1, 1, 2, 3, 3]
    assert found.old.to_pylist() == [0, 1, 0, 0, 1, 0]
    assert found.before is None


def test_an_old_tuple_with_the_same_key_splits_nothing() -> None:
    whole = decoded([row_bytes(OID, "U", [b"1", b"b"], [b"1", b"a"], mark="O")], identity="f")
    assert split_key_changes(whole, [0]) == (whole, None)
    assert split_key_changes(whole, []) == (whole, None)
    without = decoded([row_bytes(OID, "U", [None, b"b"], [None, b"a"], mark="O")], identity="f")
    assert split_key_changes(without, [0]) == (without, None)


def test_full_old_rows_stay_with_the_updates_that_are_left() -> None:
    messages = [
        row_bytes(OID, "U", [b"1", b"b"], [b"1", b"a"], mark="O"),
        row_bytes(OID, "U", [b"2", b"b"], [b"1", b"b"], mark="O"),
    ]
    found, _ = split_key_changes(decoded(messages, identity="f"), [0])
    assert changes(found) == [("U", 1, "b"), ("D", 1, "b"), ("I", 2, "b")]
    assert found.before is not None
    assert found.before.to_pylist()[0] == {"c0": 1, "c1": "a"}
    assert found.before.column(0).to_pylist() == [1, None, None]


def test_what_was_not_sent_stays_marked_in_the_insert() -> None:
    found, _ = split_key_changes(decoded([row_bytes(OID, "U", [b"2", Unsent.UNCHANGED], [b"1", None])]), [0])
    assert found.unchanged[1].to_pylist() == [False, True]


_moves = st.lists(st.tuples(st.sampled_from("IUKD"), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30)


@settings(deadline=None)
@given(_moves, st.booleans())
def test_applied_in_order_they_give_the_sources_rows(moves: list[tuple[str, int, int]], full: bool) -> None:
    rows: dict[int, str] = {}
    messages = []
    for number, (kind, key, other) in enumerate(moves):
        value = f"v{number}"
        was = [str(key).encode(), rows[key].encode() if full else None] if key in rows else None
        mark = "O" if full else "K"
        if kind == "I" and key not in rows:
            rows[key] = value
            messages.append(row_bytes(OID, "I", [str(key).encode(), value.encode()]))
        elif kind == "D" and was is not None:
            del rows[key]
            messages.append(row_bytes(OID, "D", None, was, mark=mark))
        elif kind == "U" and was is not None:
            rows[key] = value
            messages.append(row_bytes(OID, "U", [str(key).encode(), value.encode()], was if full else None, mark=mark))
        elif kind == "K" and was is not None and other not in rows:
            del rows[key]
            rows[other] = value
            messages.append(row_bytes(OID, "U", [str(other).encode(), value.encode()], was, mark=mark))
    if not messages:
        return
    found, _ = split_key_changes(decoded(messages, "f" if full else "d"), [0])
    copy: dict[int, str] = {}
    for kind, key, value in changes(found):
        assert (key in copy) == (kind != "I")
        if kind == "D":
            del copy[key]
        else:
            copy[key] = value
    assert copy == rows
