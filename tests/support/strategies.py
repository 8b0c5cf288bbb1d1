"""Tables and change batches of every logical type, with every width and option of a column, edges first.

`schemas` and `change_batches` are what a change log can say. Whatever a test needs beyond that it builds by hand.
"""

from __future__ import annotations

from datetime import date
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

_SPECIAL = ",\"'\\\r\n\t|!;~N+<>&\x00\x1f\x7f é│\u2028😀rn"
_NASTY = [
    "",
    "\\N",
    "\\",
    "NULL",
    'a"b',
    '"',
    '""',
    "\\\\N",
    "a,b",
    "\r\n",
    "||",
    "x|",
    "x~",
    "│",
    "\x00",
    "</script>",
    "\u2028\u2029",
    "\ufeff",
    "NaN",
]
_JSON = ["null", "{}", '{"a": "\\"\\\\n\\u0000", "b": [1, 2.5]}', '"🐈"', "9007199254740993"]
_VECTORS = ["[]", "[1,2]", "[-0.5,1e-07]"]
_DAYS = ["0000-00-00", "2026-00-00", "1000-01-01", "1969-12-31", "1970-01-01", "2024-02-29", "9999-12-31"]
_CLOCKS = ["00:00:00", "12:34:56", "23:59:59"]
_TIMES = ["-838:59:59", "838:59:59", "-00:00:01", *_CLOCKS]
_STAMPS = ["0000-00-00 00:00:00", "1970-01-01 00:00:01", "2038-01-19 03:14:07", "2018-06-20 06:37:03"]
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
    """A column of any logical type, with a width and digits that its type can have, or none."""
    type_ = draw(st.sampled_from(sorted(LOGICAL_TYPES)))
    length, scale = draw(_widths(type_))
    zerofill = type_ in _SIGNED and draw(st.booleans())
    return Column(
        name,
        type_,
        unsigned=type_ in _SIGNED and (zerofill or draw(st.booleans())),
        zerofill=zerofill,
        length=length,
        scale=scale,
        nullable=draw(st.booleans()),
        primary_key=draw(st.booleans()),
        unique_key=draw(st.booleans()),
        elements=draw(_elements(type_)) if type_ in ("enum", "set") else (),
        virtual=draw(st.integers(0, 9)) == 0,
    )


_SIGNED = frozenset(INTEGER_TYPES) | {"float", "double", "decimal"}


def _widths(type_: str) -> st.SearchStrategy[tuple[int | None, int | None]]:
    none = st.none()
    if type_ == "bit":
        return st.tuples(none | st.sampled_from([1, 8, 63, 64]) | st.integers(1, 64), none)
    if type_ in TEMPORAL_TYPES - {"date"}:
        return st.tuples(none, none | st.integers(0, 6))
    if type_ in ("decimal", "float", "double"):
        digits = st.integers(1, 30).flatmap(lambda scale: st.tuples(st.integers(scale, 65), st.just(scale)))
        return st.tuples(none, none) | st.tuples(st.integers(1, 65), none | st.just(0)) | digits
    if type_ in INTEGER_TYPES or type_ in TEXT_TYPES or type_ in BINARY_TYPES or type_ in ("year", "vector"):
        return st.tuples(none | st.integers(1, 255), none)
    return st.tuples(none, none)


def _elements(type_: str) -> st.SearchStrategy[tuple[str, ...]]:
    few = st.lists(texts(4), min_size=1, max_size=4, unique=True).map(tuple)
    many = st.just(tuple(f"e{number}" for number in range(64 if type_ == "set" else 300)))
    return few | few | many


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
        return _temporal(column)
    if kind == "decimal":
        return _decimals(column)
    if kind in TEXT_TYPES:
        return texts()
    if kind in ("json", "vector"):
        return st.sampled_from(_JSON if kind == "json" else _VECTORS) | texts()
    limit = {
        "year": 2155,
        "bit": 2 ** (column.length or 1) - 1,
        "enum": len(column.elements),
        "set": (1 << len(column.elements)) - 1,
    }[kind]
    return st.sampled_from([0, 1, limit]) | st.integers(0, limit)


def _temporal(column: Column) -> st.SearchStrategy[str]:
    """Canonical text, with as many digits of a second as the column has; any number where it does not say."""
    if column.type == "date":
        return st.sampled_from(_DAYS) | st.dates().map(str)
    digits = st.integers(0, 6) if column.scale is None else st.just(column.scale)
    fraction = digits.flatmap(lambda n: st.text("0123456789", min_size=n, max_size=n)).map(lambda d: d and "." + d)
    clock = st.sampled_from(_CLOCKS) | st.times().map(lambda time: f"{time:%H:%M:%S}")
    if column.type == "time":
        whole = st.sampled_from(_TIMES) | st.builds("{}{}".format, st.sampled_from(["", "-"]), clock)
    else:
        first, last = (date(1970, 1, 2), date(2038, 1, 18)) if column.type == "timestamp" else (date.min, date.max)
        days = st.sampled_from(_DAYS) | st.dates(first, last).map(str)
        whole = st.sampled_from(_STAMPS) | st.builds("{} {}".format, days, clock)
    return st.builds("{}{}".format, whole, fraction)


def _decimals(column: Column) -> st.SearchStrategy[str]:
    """Text as MySQL prints it: exactly `scale` digits after the point."""
    scale = column.scale or 0
    whole = (column.length or 10) - scale
    least, most = -(10 ** (whole + scale)) + 1, 10 ** (whole + scale) - 1
    unscaled = st.sampled_from([least, most, 0, 1, -1, 127, 128, -128, -129]) | st.integers(least, most)
    return unscaled.filter(lambda number: least <= number <= most).map(lambda number: _with_point(number, scale))


def _with_point(number: int, scale: int) -> str:
    digits = str(abs(number)).rjust(scale + 1, "0")
    text = digits if not scale else f"{digits[:-scale]}.{digits[-scale:]}"
    return f"-{text}" if number < 0 else text


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
