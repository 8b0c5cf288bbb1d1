"""`docs/postgres-types.md` from the types' table. `python -m tests.docs` writes it anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from afterbay_nodes.sources.postgres.session import SESSION
from afterbay_nodes.sources.postgres.type_facts import TypeFacts
from afterbay_nodes.sources.postgres.type_table import AS_WRITTEN, Mapped, mapped
from afterbay_nodes.storage.schema_file import column_entry

PAGE = Path(__file__).parents[2] / "docs" / "postgres-types.md"
HEAD = """\
# PostgreSQL's types

What a column of each PostgreSQL type becomes: its type in schema files, its Arrow type in change batches, its values.
Made from the types' table itself by `python -m tests.docs`.

**The mapping goes by type, never by value.** A type whose values the store's types can hold becomes one of them. All
others are text from the start, exactly as the server writes them, and a cast takes that back: `'{1,NULL}'::int[]`.
Nothing is rounded, cut or replaced.

**What is refused.** A few types hold values beyond the one they become: NaN in a `numeric(p,s)`; infinity, and years
before Christ and after 9999, in a `date`, `timestamp` or `timestamptz`. Such a value fails the run (`postgres.value`)
with its table, column and position (LSN). Where such values are wanted, name the column under `as_text`: it is then
text (`LONGTEXT`), and holds them all.

**How text looks** depends on the session that it is read in, so every connection is set alike:

"""
TABLE_HEAD = """
`money` is written as the database's `lc_monetary` has it.

| PostgreSQL | schema file | Arrow | values |
|---|---|---|---|
"""
TAIL = """
**Domains** become what they are made of, with the digits or length of the domain. **Enums** are their labels: one may
be added at any time, which no column tells. What the catalog does not know any more is text.

**`timestamptz`** is a `TIMESTAMP` because that is a moment too. MySQL's own ends in 2038; here and in our readers it
does not.

**Keys.** The key in the schema file is the replica identity, as the stream itself tells it: the primary key, or the
index that `REPLICA IDENTITY USING INDEX` names. With `REPLICA IDENTITY FULL` it is the primary key, unless that is
deferrable.

**Large values that an update leaves alone** are not in the server's log. They never become NULL: with `REPLICA IDENTITY
FULL` they are taken from the old row, without it they are known to be missing.

Why text, and why by type: [0095](adr/0095-postgres-rows-are-read-as-text.md),
[0096](adr/0096-postgres-types-are-mapped-by-type.md).
"""
AS_IT_IS = "as the server writes them"
_MOODS, _PAIRS, _INTS = 99_001, 99_002, 1007
USER_TYPES: Mapping[int, TypeFacts] = {
    _MOODS: TypeFacts(_MOODS, "public", "mood", "e"),
    _PAIRS: TypeFacts(_PAIRS, "public", "pair", "c"),
    _INTS: TypeFacts(_INTS, "pg_catalog", "_int4", "b"),
}


def _numeric(digits: int, scale: int) -> tuple[int, int]:
    return 1700, (digits << 16 | scale & 0x7FF) + 4


# What is said of types, those types with a modifier (-1: none), and what is said of values.
ROWS: list[tuple[str, list[tuple[int, int]], str]] = [
    ("`boolean`", [(16, -1)], "1 and 0"),
    ("`smallint`", [(21, -1)], ""),
    ("`integer`", [(23, -1)], ""),
    ("`bigint`", [(20, -1)], ""),
    ("`oid`, `xid`, `cid`", [(26, -1), (28, -1), (29, -1)], ""),
    ("`xid8`", [(5069, -1)], ""),
    ("`real`", [(700, -1)], "with NaN and the infinities"),
    ("`double precision`", [(701, -1)], "with NaN and the infinities"),
    ("`numeric(10,2)`, up to 65 digits, 30 of them behind the point", [_numeric(10, 2)], "exact; NaN is refused"),
    ("`numeric(5,-2)`", [_numeric(5, -2)], "exact; NaN is refused"),
    ("`numeric` with more digits, or without any said", [(1700, -1), _numeric(66, 2), _numeric(40, 31)],
     "all digits that there are (up to 147 455), NaN, the infinities"),
    ("`date`", [(1082, -1)], "years 1 to 9999"),
    ("`timestamp`", [(1114, -1), (1114, 6)], "years 1 to 9999, with 6 digits of a second"),
    ("`timestamp(3)`", [(1114, 3)], "with 3 digits of a second"),
    ("`timestamptz`", [(1184, -1), (1184, 6)], "in UTC, years 1 to 9999, with 6 digits of a second"),
    ("`timestamptz(0)`", [(1184, 0)], "in UTC, without digits of a second"),
    ("`time`", [(1083, -1), (1083, 6)], "up to `24:00:00.000000`, with 6 digits of a second"),
    ("`time(3)`", [(1083, 3)], "with 3 digits of a second"),
    ("`timetz`", [(1266, -1)], AS_IT_IS),
    ("`interval`", [(1186, -1)], AS_IT_IS + ": `1 mon -3 days 04:05:06.7`"),
    ("`bytea`", [(17, -1)], "the bytes"),
    ("`text`, `varchar`, `bpchar`", [(25, -1), (1043, -1), (1042, -1)], ""),
    ("`varchar(100)`, up to 16 383", [(1043, 104)], ""),
    ("`varchar(20000)`", [(1043, 20_004)], ""),
    ("`char(10)`, up to 255", [(1042, 14)], "with the blanks that fill them up"),
    ("`char(1000)`", [(1042, 1004)], "with the blanks that fill them up"),
    ('`"char"`', [(18, -1)], ""),
    ("`name`", [(19, -1)], ""),
    ("`json`, `jsonb`", [(114, -1), (3802, -1)], AS_IT_IS + ": of `json`, every blank and key"),
    ("`uuid`", [(2950, -1)], "`a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11`"),
    ("`bit(8)`, `bit varying(8)`, up to 16 383", [(1560, 8), (1562, 8)], "`00101010`"),
    ("`bit varying`", [(1562, -1)], "`00101010`"),
    ("`money`", [(790, -1)], AS_IT_IS),
    ("`inet`, `cidr`", [(869, -1), (650, -1)], AS_IT_IS),
    ("`macaddr`", [(829, -1)], AS_IT_IS),
    ("`macaddr8`", [(774, -1)], AS_IT_IS),
    ("`pg_lsn`", [(3220, -1)], AS_IT_IS),
    ("`tid`", [(27, -1)], AS_IT_IS),
    (", ".join(f"`{name}`" for name in AS_WRITTEN.values()), [(oid, -1) for oid in AS_WRITTEN], AS_IT_IS),
    ("enums", [(_MOODS, -1)], "the label"),
    ("arrays, composites, ranges of your own, types of extensions, unknown types",
     [(_INTS, -1), (_PAIRS, -1), (99_999, -1)], AS_IT_IS),
]  # fmt: skip


def page() -> str:
    """The whole page."""
    settings = "".join(f"- `{name} = {value}`\n" for name, value in SESSION.items())
    return HEAD + settings + TABLE_HEAD + "".join(map(_row, ROWS)) + TAIL


def _row(row: tuple[str, list[tuple[int, int]], str]) -> str:
    said, types, values = row
    told = {_told(mapped(oid, typmod, USER_TYPES)) for oid, typmod in types}
    (cells,) = told  # types that share a row are mapped alike
    return f"| {said} | {cells} | {values} |\n"


def _told(found: Mapped) -> str:
    entry = column_entry(found.column)
    digits = [str(entry[key]) for key in ("ColumnPrecision", "ColumnScale") if key in entry]
    shown = f"({','.join(digits)})" if digits and found.column.type not in ("longtext", "longblob") else ""
    return f"`{entry['ColumnType']}{shown}` | `{found.column.arrow_type}`"
