"""Tables and change batches of every logical type, edges first."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from afterbay.messages import ChangeBatch, Op
from afterbay.schema import (
    BINARY_TYPES,
    INTEGER_TYPES,
    LOGICAL_TYPES,
    TEMPORAL_TYPES,
    TEXT_TYPES,
    Column,
    TableName,
    TableSchema,
)
from tests.support.batches import COMMIT_TS, batch

_SPECIAL = ",\"'\\\r\n\t|!;N+<>&\x00\x1f\x7f é│\u2028😀rn"
_NASTY = [
    "",
    "\\N",
    "NULL",
    'a"b',
    '"',
    '""',
    "\\",
    "\\\\N",
    "a,b",
    "\r\n",
    "||",
    "x|",
    "│",
    "\x00",
    "</script>",
    "NaN",
]
_TEMPORAL = {
    "date": ["0000-00-00", "2026-03-01", "9999-12-31"],
    "datetime": ["0000-00-00 00:00:00", "2026-03-01 12:00:00.123456"],
    "timestamp": ["1970-01-01 00:00:01", "2038-01-19 03:14:07"],
    "time": ["-838:59:59", "00:00:00", "12:34:56.5"],
}
_DECIMALS = ["0", "-0.00", "123456789012345678901234567890.123456789", "1.50"]
_FLOATS = [0.0, -0.0, 3.0, 0.0001, 0.00001, 999999.0, 1e6, 123456789.0, 1e14, 1e15, 1e16, 1e17, 1e20, 1e21, 1e-7]
_FLOATS += [float("nan"), float("inf"), float("-inf"), 0.1, 1 / 3, 5e-324, 1.7976931348623157e308]
_FLOATS += [123456789012345.67, 1234567890123456.7, 12345678901234567.0, 99999999999999990.0]


def texts(max_size: int = 10) -> st.SearchStrategy[str]:
    """Text with everything that a format could trip over, and ordinary Unicode."""
    return st.one_of(
        st.sampled_from(_NASTY),
        st.text(alphabet=_SPECIAL, max_size=max_size),
        st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=max_size),
    )


def names() -> st.SearchStrategy[str]:
    """Names as hostile as values."""
    return st.one_of(st.sampled_from(["id", "a b", "Ünï", 'q"uote', "meta"]), texts(6).filter(bool))


@st.composite
def columns(draw: st.DrawFn, name: str) -> Column:
    """A column of any logical type."""
    type_ = draw(st.sampled_from(sorted(LOGICAL_TYPES)))
    elements: tuple[str, ...] = ()
    if type_ in ("enum", "set"):
        most = 64 if type_ == "set" and draw(st.booleans()) else 4
        elements = tuple(draw(st.lists(texts(4), min_size=1, max_size=most, unique=True)))
    return Column(
        name,
        type_,
        unsigned=type_ in INTEGER_TYPES and draw(st.booleans()),
        zerofill=type_ in INTEGER_TYPES and draw(st.booleans()),
        length=draw(st.none() | st.integers(1, 255)),
        scale=draw(st.none() | st.integers(0, 6)),
        nullable=draw(st.booleans()),
        primary_key=draw(st.booleans()),
        unique_key=draw(st.booleans()),
        elements=elements,
        virtual=draw(st.integers(0, 9)) == 0,
    )


@st.composite
def schemas(draw: st.DrawFn, max_columns: int = 4) -> TableSchema:
    """A table of one to `max_columns` columns, at least one of which is stored."""
    unique = draw(st.lists(names(), min_size=1, max_size=max_columns, unique=True))
    made = tuple(draw(columns(name)) for name in unique)
    if all(column.virtual for column in made):
        made = (Column("stored", "int"), *made)
    return TableSchema(TableName(draw(names()), draw(names())), draw(st.integers(0, 2**62)), made)


def values(column: Column) -> st.SearchStrategy[Any]:
    """Values of `column`, None among them."""
    return st.none() | _present(column)


def _present(column: Column) -> st.SearchStrategy[Any]:
    kind = column.type
    if kind in INTEGER_TYPES:
        bits = column.arrow_type.bit_width
        low, high = (0, 2**bits - 1) if column.unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return st.sampled_from([low, high, 0, high // 2, high // 2 + 1]) | st.integers(low, high)
    if kind in ("float", "double"):
        width = 32 if kind == "float" else 64
        exact = st.floats(width=32) if kind == "float" else st.floats()
        edges = [value for value in _FLOATS if width == 64 or abs(value) < 1e38 or value != value]  # noqa: PLR0124
        return st.one_of(st.sampled_from(edges), exact, st.integers(-(10**7), 10**7).map(float))
    if kind in BINARY_TYPES:
        return st.binary(max_size=12) | st.sampled_from([b"", b"\x00\xff", b"<&>", b'"\\', bytes(range(256))])
    if kind in TEMPORAL_TYPES:
        return st.sampled_from(_TEMPORAL[kind])
    if kind == "decimal":
        return st.sampled_from(_DECIMALS) | st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str)
    if kind in TEXT_TYPES or kind in ("json", "vector"):
        return texts()
    limit = {
        "year": 2**16 - 1,
        "bit": 2**64 - 1,
        "enum": len(column.elements),
        "set": (1 << len(column.elements)) - 1,
    }[kind]
    return st.sampled_from([0, limit]) | st.integers(0, limit)


@st.composite
def change_batches(draw: st.DrawFn, max_rows: int = 6) -> ChangeBatch:
    """A batch of any operations with before-images for the updates; half of them are slices of a longer one."""
    schema = draw(schemas())
    rows = st.tuples(*(values(column) for column in schema.stored_columns))
    n = draw(st.integers(1, max_rows))
    ops = draw(st.lists(st.sampled_from(list(Op)), min_size=n, max_size=n))
    after = draw(st.lists(rows, min_size=n, max_size=n))
    # Half of the old values equal the new ones, so that "changed columns only" has something to leave out.
    before = [
        tuple(new if draw(st.booleans()) else old for old, new in zip(draw(rows), row, strict=True))
        if op is Op.UPDATE
        else None
        for op, row in zip(ops, after, strict=True)
    ]
    steps = draw(st.lists(st.integers(0, 2**40), min_size=n, max_size=n))
    commit_ts = [COMMIT_TS + sum(steps[: index + 1]) for index in range(n)]
    commit_ms = draw(st.none() | st.lists(st.integers(0, 2**45), min_size=n, max_size=n))
    whole = batch(schema, after, ops=ops, before=before, commit_ts=commit_ts, commit_ms=commit_ms)
    start = draw(st.integers(0, n - 1))
    stop = draw(st.integers(start + 1, n))
    return whole.slice(start, stop)
