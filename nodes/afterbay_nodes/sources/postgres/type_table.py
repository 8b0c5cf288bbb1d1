"""Which column each PostgreSQL type becomes: its type in the schema file, and so in Arrow, and how its text is read.

The mapping goes by type, never by value. A type whose values the logical types can hold becomes one of them; all others
are text from the start, exactly as the server writes them, which a cast to the type takes back. What a type of the
first kind may hold beyond (NaN in a numeric(p,s), infinite dates, years beyond 1 to 9999) is refused by value; a column
that is named in `as_text` is text, and holds it. docs/postgres-types.md is made from this table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import pyarrow as pa

from afterbay.schema import Column, TableName, TableSchema
from afterbay_nodes.sources.postgres import values as read
from afterbay_nodes.sources.postgres.pgoutput import Relation, RelationColumn
from afterbay_nodes.sources.postgres.type_facts import TypeCatalog
from afterbay_nodes.sources.postgres.values import SECOND_DIGITS, Values

LONGEST_VARCHAR: Final = 16_383
"""Characters: what MySQL's varchar can hold of four bytes each."""

LONGEST_CHAR: Final = 255
MOST_DIGITS, MOST_SCALE = 65, 30
"""Of a decimal, as MySQL has it."""

_NAME_LENGTH = 63
_HEAD = 4  # what a type modifier of text or a numeric has on top


@dataclass(frozen=True, slots=True)
class Mapped:
    """A column with what it is made of: `source` is the PostgreSQL type's name, `values` reads its text."""

    column: Column
    source: str
    values: Values


def _plain(name: str, logical: str, values: Values, **facts: int | bool) -> Callable[[int], Mapped]:
    """A type without modifiers."""
    found = Mapped(Column("", logical, **facts), name, values)  # type: ignore[arg-type]
    return lambda _: found


def _integer(name: str, logical: str, type_: pa.DataType, *, unsigned: bool = False) -> Callable[[int], Mapped]:
    return _plain(name, logical, partial(read.whole, type_=type_), unsigned=unsigned)


def _text(name: str, length: int | None = None) -> Callable[[int], Mapped]:
    """Text, of a known greatest length or of none."""
    return _plain(name, "longtext", read.text) if length is None else _plain(name, "varchar", read.text, length=length)


def _sized(name: str, logical: str, most: int, size: int | None) -> Mapped:
    """Text of `size` characters at most, or of any length."""
    source = name if size is None else f"{name}({size})"
    if size is None or size > LONGEST_VARCHAR:
        return Mapped(Column("", "longtext"), source, read.text)
    return Mapped(Column("", logical if size <= most else "varchar", length=size), source, read.text)


def _characters(name: str, logical: str, most: int) -> Callable[[int], Mapped]:
    return lambda typmod: _sized(name, logical, most, typmod - _HEAD if typmod >= _HEAD else None)


def _bits(name: str) -> Callable[[int], Mapped]:
    return lambda typmod: _sized(name, "varchar", LONGEST_VARCHAR, typmod if typmod > 0 else None)


def _numeric(typmod: int) -> Mapped:
    if typmod < _HEAD:
        return Mapped(Column("", "longtext"), "numeric", read.text)
    digits, scale = (typmod - _HEAD) >> 16 & 0xFFFF, ((typmod - _HEAD & 0x7FF) ^ 0x400) - 0x400
    source = f"numeric({digits},{scale})"
    # A negative scale means zeros in front of the point, one above the precision zeros behind it.
    precision = digits - scale if scale < 0 else max(digits, scale)
    if precision > MOST_DIGITS or scale > MOST_SCALE:
        return Mapped(Column("", "longtext"), source, read.text)
    exact = partial(read.decimal, digits=precision, scale=max(scale, 0))
    return Mapped(Column("", "decimal", length=precision, scale=max(scale, 0)), source, exact)


def _moment(name: str, logical: str, *, zoned: bool) -> Callable[[int], Mapped]:
    def mapped(typmod: int) -> Mapped:
        digits, source = _digits(name, typmod)
        return Mapped(Column("", logical, scale=digits), source, partial(read.moment, digits=digits, zoned=zoned))

    return mapped


def _time(typmod: int) -> Mapped:
    digits, source = _digits("time", typmod)
    return Mapped(Column("", "time", scale=digits), source, partial(read.clock, digits=digits))


def _digits(name: str, typmod: int) -> tuple[int, str]:
    return (SECOND_DIGITS, name) if not 0 <= typmod < SECOND_DIGITS else (typmod, f"{name}({typmod})")


AS_WRITTEN: Final[Mapping[int, str]] = {
    142: "xml", 3614: "tsvector", 3615: "tsquery", 4072: "jsonpath",
    600: "point", 628: "line", 601: "lseg", 603: "box", 602: "path", 604: "polygon", 718: "circle",
    3904: "int4range", 3926: "int8range", 3906: "numrange", 3908: "tsrange", 3910: "tstzrange", 3912: "daterange",
    4451: "int4multirange", 4536: "int8multirange", 4532: "nummultirange",
    4533: "tsmultirange", 4534: "tstzmultirange", 4535: "datemultirange",
    24: "regproc", 2202: "regprocedure", 2203: "regoper", 2204: "regoperator", 2205: "regclass", 2206: "regtype",
    3734: "regconfig", 3769: "regdictionary", 4089: "regnamespace", 4096: "regrole", 4191: "regcollation",
    2970: "txid_snapshot", 5038: "pg_snapshot", 1790: "refcursor", 1033: "aclitem", 22: "int2vector", 30: "oidvector",
}  # fmt: skip
"""Types without a greatest length whose values no logical type holds."""

BUILT_IN: Final[Mapping[int, Callable[[int], Mapped]]] = {
    16: _plain("bool", "tinyint", read.boolean, length=1),
    21: _integer("int2", "smallint", pa.int16()),
    23: _integer("int4", "int", pa.int32()),
    20: _integer("int8", "bigint", pa.int64()),
    26: _integer("oid", "int", pa.uint32(), unsigned=True),
    28: _integer("xid", "int", pa.uint32(), unsigned=True),
    29: _integer("cid", "int", pa.uint32(), unsigned=True),
    5069: _integer("xid8", "bigint", pa.uint64(), unsigned=True),
    700: _plain("float4", "float", partial(read.real, type_=pa.float32())),
    701: _plain("float8", "double", partial(read.real, type_=pa.float64())),
    1700: _numeric,
    1082: _plain("date", "date", read.date),
    1114: _moment("timestamp", "datetime", zoned=False),
    1184: _moment("timestamptz", "timestamp", zoned=True),
    1083: _time,
    17: _plain("bytea", "longblob", read.hex_bytes),
    25: _text("text"),
    1043: _characters("varchar", "varchar", LONGEST_VARCHAR),
    1042: _characters("char", "char", LONGEST_CHAR),
    18: _text('"char"', 4),
    19: _text("name", _NAME_LENGTH),
    114: _plain("json", "json", read.text),
    3802: _plain("jsonb", "json", read.text),
    2950: _plain("uuid", "char", read.text, length=36),
    1560: _bits("bit"),
    1562: _bits("varbit"),
    1266: _text("timetz", 24),
    1186: _text("interval", 64),
    790: _text("money", 64),
    869: _text("inet", 43),
    650: _text("cidr", 43),
    829: _text("macaddr", 17),
    774: _text("macaddr8", 23),
    3220: _text("pg_lsn", 17),
    27: _text("tid", 18),
} | {oid: _text(name) for oid, name in AS_WRITTEN.items()}
"""By oid, which servers never change: from a type modifier (-1: none) to a column without a name."""

_ENUM = _text("enum", _NAME_LENGTH)
_ANY = _text("text")


def mapped_columns(relation: Relation, types: TypeCatalog, as_text: Collection[str] = ()) -> tuple[Mapped, ...]:
    """The columns of `relation`, in its order, all nullable and without a key.

    `as_text`: the names of those that are text whatever their type is.
    """
    return tuple(
        _named(column, mapped(column.type_oid, column.typmod, types), column.name in as_text)
        for column in relation.columns
    )


def mapped(oid: int, typmod: int, types: TypeCatalog) -> Mapped:
    """The column of a type, without a name. A domain is what it is made of; what is not known is text."""
    seen: set[int] = set()
    while (found := types.get(oid)) is not None and found.kind == "d" and oid not in seen:
        seen.add(oid)
        oid, typmod = found.base_oid, found.base_typmod
    if oid in BUILT_IN:
        return BUILT_IN[oid](typmod)
    if found is None:
        return replace(_ANY(typmod), source=f"type {oid}")
    return replace(_ENUM(typmod) if found.kind == "e" else _ANY(typmod), source=f"{found.schema}.{found.name}")


def unknown_types(relation: Relation, types: TypeCatalog) -> tuple[int, ...]:
    """The oids that the server is to be asked about (`type_facts.QUERY`) before rows of `relation` are mapped.

    Without an answer they are text: a domain that was dropped since is then written as its values are.
    """
    oids = dict.fromkeys(column.type_oid for column in relation.columns)
    return tuple(oid for oid in oids if oid not in BUILT_IN and oid not in types)


def table_schema(
    relation: Relation,
    keys: Collection[str],
    types: TypeCatalog,
    *,
    version: int,
    not_null: Collection[str] = (),
    as_text: Collection[str] = (),
) -> TableSchema:
    """The table at `version`, its id the relation's oid.

    Its key is what identifies rows in the stream: the replica identity's columns where this is an index (the default,
    or a chosen one), which the relation message tells at its own place in the stream. Only where the identity is the
    full row or nothing is it `keys`, the names of the primary key's columns as the catalog has them; give none for a
    deferrable key, whose values may meet in the middle of a transaction. `not_null` are those which the catalog calls
    so.
    """
    identity = {column.name for column in relation.columns if column.key}
    key = identity if relation.replica_identity in "di" else set(keys)
    columns = tuple(
        replace(
            found.column,
            primary_key=found.column.name in key,
            nullable=found.column.name not in key and found.column.name not in not_null,
        )
        for found in mapped_columns(relation, types, as_text)
    )
    return TableSchema(TableName(relation.schema, relation.name), version, columns, table_id=relation.oid)


def _named(column: RelationColumn, found: Mapped, as_text: bool) -> Mapped:
    if as_text:
        found = replace(_ANY(-1), source=found.source)
    return replace(found, column=replace(found.column, name=column.name))
