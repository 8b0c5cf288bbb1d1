"""Values of every SQL type at their edges, as each format writes them. By hand, from the protocol page (CSV §6,
canal-json §7) and from Debezium's documentation of its MySQL connector; nothing of afterbay made them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from afterbay.schema import Column

_NAMES = {
    "utiny": Column("c", "tinyint", unsigned=True),
    "usmall": Column("c", "smallint", unsigned=True),
    "umedium": Column("c", "mediumint", unsigned=True),
    "uint": Column("c", "int", unsigned=True),
    "ubig": Column("c", "bigint", unsigned=True),
}


@dataclass(frozen=True)
class Golden:
    """`csv` is the field with the default options, `canal` and `debezium` the JSON of the value.

    `numbers` is the JSON with `decimal_mode: precise` and `temporal_mode: debezium`; None where it is `debezium`.
    `java` and `mysql` are what canal-json says of the column, `full` its type with `content_compatible`.
    """

    column: Column
    value: Any
    csv: str
    canal: str
    java: int
    debezium: str
    mysql: str
    full: str | None = None
    numbers: str | None = None


def _text(column: Column, value: str, java: int, *, json: str | None = None, numbers: str | None = None) -> Golden:
    """A value that all formats write as the text it is."""
    json = f'"{value}"' if json is None else json
    kind = column.type
    digits = f"({column.length},{column.scale})" if column.length is not None and column.scale is not None else ""
    digits = digits or (f"({column.scale})" if column.scale else "")
    digits = digits or (f"({column.length})" if column.length is not None and kind.endswith("char") else "")
    quoted = '"' + value.replace('"', '""') + '"'
    return Golden(column, value, quoted, json, java, json, kind, kind + digits, numbers)


def _whole(column: Column, value: int, java: int) -> Golden:
    name = column.type + (" unsigned" if column.unsigned else "")
    return Golden(column, value, str(value), f'"{value}"', java, str(value), name)


def _bytes(kind: str, value: bytes, base64: str, canal: str) -> Golden:
    return Golden(Column("c", kind), value, f'"{base64}"', f'"{canal}"', 2004, f'"{base64}"', kind)


def _real(kind: str, value: float, csv: str, canal: str, debezium: str) -> Golden:
    return Golden(Column("c", kind), value, csv, f'"{canal}"', {"float": 7, "double": 8}[kind], debezium, kind)


def _bit(width: int | None, value: int, debezium: str) -> Golden:
    full = "bit" if width is None else f"bit({width})"
    return Golden(Column("c", "bit", length=width), value, str(value), f'"{value}"', -7, debezium, "bit", full)


_COLOURS = ("red", "it's", "", "b,c")
_FLAGS = ("x", "y", "z")
_MANY = tuple(f"e{number}" for number in range(64))
_MANY_TYPE = "(" + ",".join(f"'{name}'" for name in _MANY) + ")"


def _enum(value: int, name: str) -> Golden:
    column = Column("c", "enum", elements=_COLOURS)
    full = "enum('red','it''s','','b,c')"
    return Golden(column, value, f'"{name}"', f'"{value}"', 4, f'"{name}"', "enum", full)


def _set(elements: tuple[str, ...], value: int, names: str, full: str) -> Golden:
    column = Column("c", "set", elements=elements)
    return Golden(column, value, f'"{names}"', f'"{value}"', -7, f'"{names}"', "set", full)


GOLDEN = [
    # integers: signed edges, and unsigned ones around the change of the Java type
    *(_whole(Column("c", "tinyint"), value, -6) for value in (-128, 0, 127)),
    *(_whole(_NAMES["utiny"], value, java) for value, java in ((0, -6), (127, -6), (128, 5), (255, 5))),
    *(_whole(Column("c", "smallint"), value, 5) for value in (-32768, 32767)),
    *(_whole(_NAMES["usmall"], value, java) for value, java in ((32767, 5), (32768, 4), (65535, 4))),
    *(_whole(Column("c", "mediumint"), value, 4) for value in (-8388608, 8388607)),
    *(_whole(_NAMES["umedium"], value, 4) for value in (8388608, 16777215)),
    *(_whole(Column("c", "int"), value, 4) for value in (-2147483648, 2147483647)),
    *(_whole(_NAMES["uint"], value, java) for value, java in ((2147483647, 4), (2147483648, -5), (4294967295, -5))),
    *(_whole(Column("c", "bigint"), value, -5) for value in (-9223372036854775808, 9223372036854775807)),
    _whole(_NAMES["ubig"], 9223372036854775807, -5),
    _whole(_NAMES["ubig"], 9223372036854775808, 3),
    _whole(_NAMES["ubig"], 18446744073709551615, 3),
    *(_whole(Column("c", "year"), value, 12) for value in (0, 1901, 2155)),
    # bits: one is a boolean to Debezium, more are bytes with the low one first
    _bit(None, 1, "true"),
    _bit(1, 0, "false"),
    _bit(8, 1, '"AQ=="'),
    _bit(9, 256, '"AAE="'),
    _bit(16, 258, '"AgE="'),
    _bit(64, 18446744073709551615, '"//////////8="'),
    # floats: Go's %v, plain decimals, and JSON numbers with a point
    _real("double", 999999.0, "999999", "999999", "999999.0"),
    _real("double", 1e6, "1e+06", "1000000", "1000000.0"),
    _real("double", 123456789.0, "1.23456789e+08", "123456789", "123456789.0"),
    _real("double", 0.0001, "0.0001", "0.0001", "0.0001"),
    _real("double", 0.00001, "1e-05", "0.00001", "0.00001"),
    _real("double", 3.0, "3", "3", "3.0"),
    _real("double", -0.0, "-0", "-0", "-0.0"),
    _real("double", 1e100, "1e+100", "1" + "0" * 100, "1" + "0" * 100 + ".0"),
    _real("double", 123456789012345.67, "1.2345678901234567e+14", "123456789012345.67", "123456789012345.67"),
    _real("double", float("nan"), "NaN", "NaN", '"NaN"'),
    _real("double", float("inf"), "+Inf", "+Inf", '"Infinity"'),
    _real("double", float("-inf"), "-Inf", "-Inf", '"-Infinity"'),
    _real("float", 0.1, "0.1", "0.1", "0.1"),
    _real("float", 16777216.0, "1.6777216e+07", "16777216", "16777216.0"),
    _real("float", 3.4028235e38, "3.4028235e+38", "34028235" + "0" * 31, "34028235" + "0" * 31 + ".0"),
    # decimals: 150 is 0x0096, -150 is 0xff6a, 127 is 0x7f, 128 needs a second byte for its sign
    _text(Column("c", "decimal", length=10, scale=2), "1.50", 3, numbers='"AJY="'),
    _text(Column("c", "decimal", length=10, scale=2), "-1.50", 3, numbers='"/2o="'),
    _text(Column("c", "decimal", length=10, scale=2), "0.00", 3, numbers='"AA=="'),
    _text(Column("c", "decimal", length=3, scale=2), "1.27", 3, numbers='"fw=="'),
    _text(Column("c", "decimal", length=3, scale=2), "1.28", 3, numbers='"AIA="'),
    _text(Column("c", "decimal", length=3, scale=2), "-1.28", 3, numbers='"gA=="'),
    _text(
        Column("c", "decimal", length=65, scale=30),
        "12345678901234567890123456789012345.000000000000000000000000000001",
        3,
        # 12345678901234567890123456789012345000000000000000000000000000001
        # = 0x1e02bc1e97858bdc6cb95058f3424bee516ff5b790017840000001
        numbers='"HgK8HpeFi9xsuVBY80JL7lFv9beQAXhAAAAB"',
    ),
    # dates and times, zero dates among them, with 0 to 6 digits of a second
    _text(Column("c", "date"), "1970-01-01", 91, numbers="0"),
    _text(Column("c", "date"), "1969-12-31", 91, numbers="-1"),
    _text(Column("c", "date"), "2018-06-20", 91, numbers="17702"),
    _text(Column("c", "date"), "9999-12-31", 91, numbers="2932896"),
    _text(Column("c", "date"), "0000-00-00", 91, numbers="refused"),
    _text(Column("c", "date"), "2026-02-00", 91, numbers="refused"),
    _text(Column("c", "datetime"), "2018-06-20 06:37:03", 93, numbers="1529476623000"),
    _text(Column("c", "datetime"), "0000-00-00 00:00:00", 93, numbers="refused"),
    _text(Column("c", "datetime", scale=1), "2018-06-20 06:37:03.1", 93, numbers="1529476623100"),
    _text(Column("c", "datetime", scale=3), "2018-06-20 06:37:03.123", 93, numbers="1529476623123"),
    _text(Column("c", "datetime", scale=4), "2018-06-20 06:37:03.1234", 93, numbers="1529476623123400"),
    _text(Column("c", "datetime", scale=6), "2018-06-20 06:37:03.123456", 93, numbers="1529476623123456"),
    _text(Column("c", "datetime", scale=6), "1969-12-31 23:59:59.999999", 93, numbers="-1"),
    _text(Column("c", "datetime", scale=6), "0000-00-00 00:00:00.000000", 93, numbers="refused"),
    _text(Column("c", "timestamp"), "2018-06-20 13:37:03", 93, numbers='"2018-06-20T13:37:03Z"'),
    _text(Column("c", "timestamp", scale=2), "2018-06-20 13:37:03.10", 93, numbers='"2018-06-20T13:37:03.10Z"'),
    _text(Column("c", "timestamp"), "0000-00-00 00:00:00", 93, numbers="refused"),
    _text(Column("c", "time"), "12:34:56", 92, numbers="45296000000"),
    _text(Column("c", "time"), "-838:59:59", 92, numbers="-3020399000000"),
    _text(Column("c", "time", scale=5), "-00:00:00.00001", 92, numbers="-10"),
    # text: quotes, line ends, NUL and other controls, what only some formats escape, all of Unicode
    _text(Column("c", "char", length=4), "", 1),
    _text(Column("c", "varchar", length=16), "hello,world", 12),
    _text(Column("c", "varchar", length=16), 'a"b', 12, json='"a\\"b"'),
    _text(Column("c", "varchar", length=16), "\\N", 12, json='"\\\\N"'),
    _text(Column("c", "tinytext"), "a\r\nb\tc", 2005, json='"a\\r\\nb\\tc"'),
    _text(
        Column("c", "text"),
        "\x00\x01\x08\x0c\x1b\x1f\x7f",
        2005,
        json='"\\u0000\\u0001\\u0008\\u000c\\u001b\\u001f\x7f"',
    ),
    _text(Column("c", "mediumtext"), "<b>&amp;</b>", 2005, json='"\\u003cb\\u003e\\u0026amp;\\u003c/b\\u003e"'),
    _text(Column("c", "longtext"), "é\u2028\u2029\ufeff\U0010ffff😀e\u0301", 2005),
    _text(Column("c", "json"), '{"a": [1, 2.5], "é": null}', 12, json='"{\\"a\\": [1, 2.5], \\"é\\": null}"'),
    _text(Column("c", "vector"), "[1,2.5]", 12),
    # bytes: base64, and the Latin-1 character of each
    *(
        _bytes(kind, b"\x00\xff\x80<\n", "AP+APAo=", "\\u0000\xff\x80\\u003c\\n")
        for kind in ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")
    ),
    _bytes("varbinary", b"", "", ""),
    # enums and sets: names, and numbers in canal-json
    _enum(0, ""),
    _enum(1, "red"),
    _enum(2, "it's"),
    _enum(3, ""),
    _enum(4, "b,c"),
    _set(_FLAGS, 0, "", "set('x','y','z')"),
    _set(_FLAGS, 5, "x,z", "set('x','y','z')"),
    _set(_MANY, 2**64 - 1, ",".join(_MANY), "set" + _MANY_TYPE),
    _set(_MANY, 2**63, "e63", "set" + _MANY_TYPE),
]
