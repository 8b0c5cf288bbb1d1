"""Values that their type cannot hold are refused, the first of them named; nothing near is let through."""

from __future__ import annotations

from functools import partial

import pyarrow as pa
import pytest

from afterbay_nodes.sources.postgres import values as read
from afterbay_nodes.sources.postgres.values import BadValue, Values

INT4 = partial(read.whole, type_=pa.int32())
UINT4 = partial(read.whole, type_=pa.uint32())
FLOAT4 = partial(read.real, type_=pa.float32())
FLOAT8 = partial(read.real, type_=pa.float64())
DECIMAL = partial(read.decimal, digits=5, scale=2)
WIDE = partial(read.decimal, digits=65, scale=30)
MOMENT = partial(read.moment, digits=6, zoned=False)
SECOND = partial(read.moment, digits=0, zoned=False)
ZONED = partial(read.moment, digits=3, zoned=True)
CLOCK = partial(read.clock, digits=6)
CASES: list[tuple[Values, bytes, list[bytes]]] = [
    (read.text, "ä".encode(), [b"\xff", "ä".encode()[:1], b"\xed\xa0\x80"]),
    (INT4, b"1", [b"", b"2147483648", b"1.0", b"x", b"\xff", b"NaN"]),
    (UINT4, b"1", [b"-1", b"4294967296"]),
    (FLOAT4, b"Infinity", [b"1e39", b"", b"x", b"1e", b"inf", b"\xff"]),
    (FLOAT8, b"-Infinity", [b"1e309", b"-1e309", b"+inf"]),
    (read.boolean, b"t", [b"", b"true", b"T", b"1"]),
    (DECIMAL, b"-1.50", [b"NaN", b"Infinity", b"1e2", b"", b"-", b"+1", b"1-2", b"1.2.3", b" 1", b"1000", b"0.001"]),
    (WIDE, b"-" + b"9" * 35 + b"." + b"9" * 30, [b"NaN", b"1" + b"0" * 35, b"1-2"]),
    (read.date, b"2024-02-29", [b"infinity", b"-infinity", b"0044-03-15 BC", b"10000-01-01", b"2024/02/29", b""]),
    (MOMENT, b"2024-02-29 12:00:00.5", [
        b"infinity", b"-infinity", b"0044-03-15 12:00:00 BC", b"10000-01-01 00:00:00", b"2024-02-29T12:00:00", b"",
        b"2024-02-29 12:00:00.1234567", b"2024-02-29 12:00:00.5+00", b"2024-02-29 12:00",
        b"2024-02-29 12:00:00.\xc3\xa4", b"9999999-12-31 12:00:00.000",
    ]),
    (SECOND, b"2024-02-29 12:00:00", [b"2024-02-29 12:00:00.5", b"infinity"]),
    (ZONED, b"2024-02-29 12:00:00.5+00", [
        b"2024-02-29 12:00:00.5+01", b"2024-02-29 12:00:00.5", b"infinity", b"+00", b"0044-03-15 12:00:00+00 BC",
        b"10000-01-01 00:00:00+00",
    ]),
    (CLOCK, b"24:00:00", [b"", b"1:00:00", b"12:00:00+00", b"12:00:00.1234567", b"12:00", b"-1:00:00"]),
    (read.hex_bytes, b"\\x00ff", [b"", b"\\x0", b"\\xzz", b"00ff", b"\\000", b"\\x\xff\xff", b"\\x0\xff", b"x\\00"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "good", "bad"), [(values, good, bad) for values, good, all_bad in CASES for bad in all_bad]
)
@pytest.mark.parametrize("others", [0, 3])
def test_a_bad_value_is_named_among_good_ones(values: Values, good: bytes, bad: bytes, others: int) -> None:
    among = pa.array([good, None] * others + [bad, None, bad] + [good] * others, pa.binary())
    with pytest.raises(BadValue) as raised:
        values(among)
    assert raised.value.index == 2 * others


@pytest.mark.parametrize(("values", "good"), [(values, good) for values, good, _ in CASES])
def test_good_values_and_nulls_are_read(values: Values, good: bytes) -> None:
    found = values(pa.array([None, good, None, good], pa.binary()))
    found.validate(full=True)
    assert [value is None for value in found.to_pylist()] == [True, False, True, False]


@pytest.mark.parametrize("values", [values for values, _, _ in CASES])
def test_nothing_but_nulls(values: Values) -> None:
    assert values(pa.nulls(3, pa.binary())).to_pylist() == [None] * 3
