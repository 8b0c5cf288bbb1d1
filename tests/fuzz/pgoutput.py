"""The pgoutput decoder: messages as a server sends them, with edits. What is accepted, a plain reading must say too."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from afterbay_nodes.sources.postgres.pgoutput import ROW_KINDS, RowMessage, parse
from afterbay_nodes.sources.postgres.row_run import RowRun
from afterbay_nodes.sources.postgres.tuples import decode_rows
from afterbay_nodes.sources.postgres.type_table import mapped_columns
from tests.fuzz.damage import Edit, edited, edits
from tests.fuzz.target import Target, refusal
from tests.support.pgoutput_bytes import Field, Unsent, relation_of, row_bytes
from tests.support.reference_pgoutput import read_row, values_of

BYTEA, INT4, TEXT = 17, 23, 25
OID = 16_384
RELATION = relation_of(INT4, TEXT, BYTEA, identity="f")
COLUMNS = mapped_columns(RELATION, {})
MESSAGES = [
    bytes.fromhex(text)
    for text in (
        "420000000001af9148000304146dc85a56000002f2",
        "43000000000001af91480000000001af92f0000304146dc85a56",
        "59000040027075626c6963006d6f6f6400",
        "52000040077075626c69630074006400040169640000000017ffffffff006d0000004002ffffffff007600000004130000000e00"
        "62696700000000" + "19ffffffff",
        "5400000002030000400700" + "00400f",
        "4d010000000001af835861667465726261792e74657374000000000368c3a9",
        "53000002f401",
        "45",
        "41000002f4000002f50000000001b37ff0000304146dc86558",
        "63000002f4000000000001b380980000000001b380c8000304146dc866ca",
    )
]
LENGTHS = [0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFF]  # where a length stands, or a count
VALUES: list[Field] = [None, Unsent.UNCHANGED, b"1", b"-2147483648", b"text", b"\\x00ff", b"\xff", b"", b"9" * 5000]
ROW = st.tuples(*(st.sampled_from(VALUES) for _ in COLUMNS))
ROWS = st.one_of(
    st.builds(lambda new: row_bytes(OID, "I", new), ROW),
    st.builds(lambda new: row_bytes(OID, "U", new), ROW),
    st.builds(lambda new, old: row_bytes(OID, "U", new, old, mark="O"), ROW, ROW),
    st.builds(lambda old: row_bytes(OID, "D", None, old, mark="O"), ROW),
)
BROKEN = st.tuples(st.floats(0, 1), st.sampled_from(LENGTHS))
EXAMPLES = st.one_of(
    st.tuples(
        st.just("message"), st.tuples(st.sampled_from(MESSAGES) | st.binary(max_size=60), edits(3), st.booleans())
    ),
    st.tuples(
        st.just("rows"), st.lists(st.tuples(ROWS, st.just([]) | edits(2), st.none() | BROKEN), min_size=1, max_size=6)
    ),
)


def check(example: tuple[str, Any]) -> str:
    kind, what = example
    return _message(*what) if kind == "message" else _rows(what)


def _message(data: bytes, changes: list[Edit], streamed: bool) -> str:
    data = edited(data, changes)
    found: list[Any] = []
    code = refusal(lambda: found.append(parse(data, 7, streamed=streamed)))
    if code is not None:
        assert code in ("postgres.protocol", "postgres.two_phase")
        return code
    assert isinstance(found[0], RowMessage) == (data[0] in ROW_KINDS)
    return "right"


def _rows(parts: list[tuple[bytes, list[Edit], tuple[float, int] | None]]) -> str:
    messages = []
    for data, changes, broken in parts:
        data = edited(data, changes)
        if broken is not None:  # a number that leads out of the message
            at = int(broken[0] * len(data))
            data = data[:at] + broken[1].to_bytes(4, "big") + data[at + 4 :]
        messages.append(data)
    found: list[Any] = []
    code = refusal(lambda: found.append(decode_rows(RELATION, RowRun.of(messages), COLUMNS)))
    if code is not None:
        assert code in ("postgres.protocol", "postgres.value"), code
        return code
    rows = [read_row(message, RELATION) for message in messages]
    decoded = found[0]
    decoded.rows.validate(full=True)
    assert decoded.ops.to_pylist() == [row.op for row in rows]
    for index, column in enumerate(RELATION.columns):
        assert decoded.rows.column(index).to_pylist() == values_of([row.row[index] for row in rows], column.type_oid)
    return "right"


TARGET = Target(EXAMPLES, check)
