"""Column kinds of the nasty change log, and values of each that have broken somebody's pipeline before.

A value is written down twice, by hand or by a rule of the protocol page: as canal-json carries it and as CSV shows it.
Nothing of afterbay is used.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Cell:
    """One value in both notations, None for NULL."""

    canal: str | None
    csv: str | None


NULL = Cell(None, None)


def plain(text: str) -> Cell:
    """A value that both notations write alike."""
    return Cell(text, text)


@dataclass(frozen=True, slots=True)
class Kind:
    """A column type. `ddl` stands in CREATE TABLE, `file_type` in the schema file, `mysql_type` in a row's `mysqlType`.

    `precision` and `scale` are what §3 wants in the schema file; "?" where the page leaves it open.
    `java` is the Java type number; `java_above` the (limit, number) for large unsigned values.
    """

    ddl: str
    file_type: str
    java: int
    make: Callable[[Random], Cell]
    precision: str | None = None
    scale: str | None = None
    java_above: tuple[int, int] | None = None

    @property
    def mysql_type(self) -> str:
        """The short type name that a row message carries."""
        return self.file_type.lower()

    def java_type(self, cell: Cell) -> int:
        """The Java type number of this value."""
        if self.java_above is not None and cell.canal is not None and int(cell.canal) > self.java_above[0]:
            return self.java_above[1]
        return self.java


PIECES = (
    *('"', '""', "'", "\\", "\\\\", "\\N", "\\\\N", "\\n", "\n", "\r", "\r\n", "\t", "\0", "\x1b", "\x7f", "\ufeff"),
    *(
        ",",
        ",,",
        ";",
        "|",
        "!",
        "`",
        "<b>",
        "&amp;",
        "\u2028",
        "\u2029",
        "NULL",
        "null",
        "\\u0000",
        "{}",
        "[",
        "%",
        "$",
    ),
    *(
        "🐈",
        "👩‍👩‍👧‍👦",
        "é",
        "e\u0301",
        "ﷺ",
        "日本語",
        "שלום",
        "\u202e",
        "plain",
        "two words",
        " ",
        "  lead",
        "trail  ",
    ),
)
WHOLE = ("", " ", "\\N", '"', '""', '"\\N"', "\r\n", "\n", "NULL", "\\", ",", '",', "0", "🐈")


def text(rng: Random) -> Cell:
    """A text that is empty, a trap on its own, or a heap of traps; now and then long."""
    roll = rng.random()
    if roll < 0.3:
        return plain(rng.choice(WHOLE))
    size = 400 if roll > 0.995 else rng.randint(1, 6)
    return plain("".join(rng.choices(PIECES, k=size)))


def _binary(size: int | None) -> Callable[[Random], Cell]:
    def make(rng: Random) -> Cell:
        data = rng.randbytes(size if size is not None else rng.choice((0, 1, 2, 3, 40)))
        return Cell(data.decode("latin-1"), base64.b64encode(data).decode())

    return make


def _integer(low: int, high: int) -> Callable[[Random], Cell]:
    return lambda rng: plain(str(rng.choice((low, high, 0, rng.randint(low, high)))))


def _one_of(*cells: Cell | str) -> Callable[[Random], Cell]:
    made = tuple(plain(cell) if isinstance(cell, str) else cell for cell in cells)
    return lambda rng: rng.choice(made)


ELEMENTS = ("it's", "b,c", "", '"q"')
FLAGS = ("x", "y", "z")

KINDS = {
    "bigint": Kind("BIGINT", "BIGINT", -5, _integer(-(2**63), 2**63 - 1), "20"),
    "ubigint": Kind("bigint(20) unsigned", "BIGINT UNSIGNED", -5, _integer(0, 2**64 - 1), "20", None, (2**63 - 1, 3)),
    "int": Kind("INT", "INT", 4, _integer(-(2**31), 2**31 - 1), "11"),
    "uint": Kind("INT(10) UNSIGNED", "INT UNSIGNED", 4, _integer(0, 2**32 - 1), "10", None, (2**31 - 1, -5)),
    "smallint": Kind("SMALLINT(6)", "SMALLINT", 5, _integer(-(2**15), 2**15 - 1), "6"),
    "tinyint": Kind("TINYINT(1)", "TINYINT", -6, _integer(-128, 127), "1"),
    "utinyint": Kind("TINYINT(3) UNSIGNED", "TINYINT UNSIGNED", -6, _integer(0, 255), "3", None, (127, 5)),
    "varchar": Kind("VARCHAR(2000)", "VARCHAR", 12, text, "2000"),
    "char": Kind("CHAR(40)", "CHAR", 1, _one_of("", "x", "\\N", "ü", "a\nb"), "40"),
    "text": Kind("TEXT", "TEXT", 2005, text, "?"),
    "mediumtext": Kind("MEDIUMTEXT", "MEDIUMTEXT", 2005, text, "?"),
    "json": Kind("JSON", "JSON", 12, _one_of("{}", "null", '{"a": "\\"\\\\n\\u0000", "b": [1, 2.5]}', '"🐈"'), "?"),
    "decimal": Kind("DECIMAL(12,2)", "DECIMAL", 3, _one_of("0.00", "-0.01", "12.30", "9999999999.99"), "12", "2"),
    "date": Kind("DATE", "DATE", 91, _one_of("2026-02-28", "0000-00-00", "1000-01-01", "9999-12-31")),
    "datetime6": Kind(
        *("DATETIME(6)", "DATETIME", 93, _one_of("2026-01-02 03:04:05.000006", "1970-01-01 00:00:00.999999")),
        scale="6",
    ),
    "datetime": Kind("DATETIME", "DATETIME", 93, _one_of("2026-01-02 03:04:05", "0000-00-00 00:00:00")),
    "timestamp3": Kind("TIMESTAMP(3)", "TIMESTAMP", 93, _one_of("2026-01-02 03:04:05.120"), scale="3"),
    "time": Kind("TIME", "TIME", 92, _one_of("00:00:00", "-838:59:59", "838:59:59", "12:34:56")),
    "year": Kind("YEAR", "YEAR", 12, _one_of("2026", "1901", "2155"), "4"),
    "bit": Kind("BIT(16)", "BIT", -7, _one_of("0", "1", "65535"), "16"),
    "enum": Kind(
        "ENUM('it''s','b,c','','\"q\"')",
        *("ENUM", 4, _one_of(*(Cell(str(index), name) for index, name in enumerate(ELEMENTS, 1)))),
    ),
    "set": Kind(
        "SET('x','y','z')",
        *(
            "SET",
            -7,
            _one_of(*(Cell(str(m), ",".join(f for i, f in enumerate(FLAGS) if m >> i & 1)) for m in range(8))),
        ),
    ),
    "double": Kind(
        "DOUBLE",
        *("DOUBLE", 8),
        _one_of(
            *("0", "-3", "0.1", "999999", "0.0001", "-1234.5678"),
            *(Cell("1000000", "1e+06"), Cell("123456789", "1.23456789e+08"), Cell("0.00001", "1e-05")),
        ),
        "22",
    ),
    "float": Kind("FLOAT", "FLOAT", 7, _one_of("0.1", "3.5", "-2", Cell("16777216", "1.6777216e+07")), "12"),
    "blob": Kind("BLOB", "BLOB", 2004, _binary(None), "?"),
    "binary": Kind("BINARY(8)", "BINARY", 2004, _binary(8), "8"),
}
