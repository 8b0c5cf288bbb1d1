"""A table with a column of every SQL type, signed and unsigned, wide and narrow, and rows with values at the edges.

The values are those of the golden table, by hand. What some targets cannot hold is in tables of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from afterbay.schema import Column
from tests.roundtrip.upstream import Col, Upstream
from tests.support.golden_values import GOLDEN

EVERY, ZERO, NUL = "types.every", "types.zero", "types.nul"

# Types that the golden table does not have, and values of any text.
TEXTS = ("", " ", "NULL", "\\N", '"', "'", "\\", "a,b\tc\r\nd\n", "🐈 é e\u0301 \u202eשלום", "{}", "<&>", "x" * 3000)
MORE: list[tuple[str, tuple[Any, ...]]] = [
    ("DECIMAL(10,2) UNSIGNED", ("0.00", "99999999.99")),
    ("DECIMAL(38,10)", ("-" + "9" * 28 + "." + "9" * 10, "0.0000000001")),
    ("DECIMAL", ("0", "-9999999999")),
    ("DOUBLE UNSIGNED", (0.0, 5e-324, 1.7976931348623157e308)),
    ("FLOAT UNSIGNED", (1.5,)),
    ("INT(5) UNSIGNED ZEROFILL", (0, 42, 4294967295)),
    ("BOOLEAN", (0, 1, -128)),
    ("VARCHAR(3000) NOT NULL", TEXTS),
    ("LONGTEXT", TEXTS),
    ("VARBINARY(300)", (b"", bytes(range(256)), b"\\N", b'",\r\n')),
    ("BINARY(4)", (b"\x00\x00\x00\x00", b"\xff\x00'\n")),
]


def _definition(column: Column, full: str | None, mysql: str) -> str:
    widths = {"binary": "binary(5)", "varbinary": "varbinary(5)"}
    return widths.get(column.type, full or mysql)


def _golden(*, zero: bool, nul: bool) -> list[tuple[Col, list[Any]]]:
    """The golden values by their columns."""
    found: dict[Column, tuple[str, list[Any]]] = {}
    for item in GOLDEN:
        text = item.value if isinstance(item.value, str) else ""
        if (item.numbers == "refused", "\0" in text) == (zero, nul):
            sql = _definition(item.column, item.full, item.mysql)
            found.setdefault(item.column, (sql, []))[1].append(item.value)
    return [
        (Col(f"c{number}", sql, replace(column, name=f"c{number}")), values)
        for number, (column, (sql, values)) in enumerate(found.items())
    ]


def every_type(up: Upstream) -> None:
    """Inserted, turned by one row, some set to NULL, some deleted."""
    more = [(Col.of(f"m{number}", sql), [*values]) for number, (sql, values) in enumerate(MORE)]
    _table(up, EVERY, [*_golden(zero=False, nul=False), *more])
    _table(up, ZERO, _golden(zero=True, nul=False))
    _table(up, NUL, _golden(zero=False, nul=True))


def _table(up: Upstream, name: str, columns: list[tuple[Col, list[Any]]]) -> None:
    ident = Col.of("id", "BIGINT UNSIGNED NOT NULL")
    up.create(name, [ident, *(column for column, _ in columns)], "id")
    count = max(len(values) for _, values in columns)
    top = 2**64 - 1
    with up.transaction():
        for n in range(count):
            up.insert(name, (top - n, *(values[n % len(values)] for _, values in columns)))
        up.insert(name, (0, *(values[0] if "NOT NULL" in column.sql else None for column, values in columns)))
    for n in range(count):
        changes = {column.name: values[(n + 1) % len(values)] for column, values in columns}
        up.update(name, {"id": top - n}, **changes)
    up.update(name, {"id": 0}, **{column.name: values[-1] for column, values in columns})
    up.update(name, {"id": top}, **{column.name: None for column, _ in columns if "NOT NULL" not in column.sql})
    up.update(name, {"id": 0}, id=2**63)  # another key: a delete and an insert
    if count > 2:
        up.delete(name, id=top - 1)
