"""Every type through a real slot: what comes out is what the server says it holds, and casts back to it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from afterbay_nodes.apply.engine import Apply, ApplyOptions
from afterbay_nodes.apply.targets.open import open_target
from afterbay_nodes.apply.type_table import Temporal
from afterbay_nodes.sources.postgres.copy_binary import CopyDecoder, copy_command, forms
from afterbay_nodes.sources.postgres.copy_wire import Piece
from afterbay_nodes.sources.postgres.pgoutput import ROW_KINDS, Relation, RowMessage, parse
from afterbay_nodes.sources.postgres.row_run import XLOG_HEAD, RowRun
from afterbay_nodes.sources.postgres.session import startup_options
from afterbay_nodes.sources.postgres.tuples import DecodedRows, decode_rows
from afterbay_nodes.sources.postgres.type_facts import QUERY, type_catalog
from afterbay_nodes.sources.postgres.type_table import BUILT_IN, mapped, mapped_columns, table_schema, unknown_types
from tests.support.made_store import CANAL, CSV, MadeStore
from tests.support.postgres_server import PostgresServer
from tests.support.reference_pgoutput import READERS
from tests.support.replication import Replication

SETUP = """
CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'ha,ppy');
CREATE TYPE pair AS (a int, b text);
CREATE TYPE span AS RANGE (subtype = float8);
CREATE DOMAIN price AS numeric(7, 2) CHECK (VALUE >= 0);
CREATE DOMAIN cheap AS price CHECK (VALUE < 100);
CREATE DOMAIN code AS varchar(3);
CREATE DOMAIN codes AS varchar(3)[];
"""
LONG = "repeat('9', 131072)"
# (xml is missing: the server in the package is built without it.)
# By type: its logical type and length or digits in the schema file, and values at its edges as SQL.
CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "bool": ("tinyint 1", ("true", "false")),
    "int2": ("smallint", ("-32768", "32767")),
    "int4": ("int", ("-2147483648", "2147483647", "0")),
    "int8": ("bigint", ("-9223372036854775808", "9223372036854775807")),
    "oid": ("int unsigned", ("0", "4294967295")),
    "xid": ("int unsigned", ("'4294967295'",)),
    "cid": ("int unsigned", ("'4294967295'",)),
    "xid8": ("bigint unsigned", ("'18446744073709551615'",)),
    "float4": ("float", ("'NaN'", "'Infinity'", "'-Infinity'", "3.4028235e38", "1e-45", "'-0'", "0.1", "16777217")),
    "float8": ("double", ("'NaN'", "'-Infinity'", "1.7976931348623157e308", "5e-324", "'-0'", "0.1", "1e15", "1e16")),
    "numeric(5,2)": ("decimal 5 2", ("0", "-999.99", "0.01", "1e2")),
    "numeric(5,-2)": ("decimal 7", ("9999900", "149", "-100")),
    "numeric(3,5)": ("decimal 5 5", ("0.00999", "-0.00001")),
    "numeric(65,30)": ("decimal 65 30", ("1e34", "-1e-30")),
    "numeric(66,2)": ("longtext", ("'NaN'", "1e63")),
    "numeric(40,31)": ("longtext", ("1e-31", "'NaN'")),
    "numeric": ("longtext", ("'NaN'", "'Infinity'", "'-Infinity'", f"{LONG}::numeric", "1e-16383", "1.500", "-0.0")),
    "money": ("varchar 64", ("'-92233720368547758.08'", "'92233720368547758.07'", "0")),
    "date": ("date", ("'0001-01-01'", "'9999-12-31'", "'2024-02-29'")),
    "timestamp": ("datetime 6", ("'0001-01-01'", "'9999-12-31 23:59:59.999999'", "'2024-02-29 12:00:00.5'")),
    "timestamp(0)": ("datetime 0", ("'2024-02-29 23:59:59.6'",)),
    "timestamp(3)": ("datetime 3", ("'2024-02-29 12:00:00'", "'2024-02-29 12:00:00.12'", "'2024-02-29 12:00:00.123'")),
    "timestamptz": ("timestamp 6", ("'2024-02-29 12:00:00.1+05:30'", "'0001-01-01 00:00:00+00'")),
    "timestamptz(2)": ("timestamp 2", ("'2024-02-29 12:00:00.12-08'",)),
    "time": ("time 6", ("'00:00'", "'24:00'", "'23:59:59.999999'", "'12:00:00.5'")),
    "time(0)": ("time 0", ("'23:59:59.9'",)),
    "timetz": ("varchar 24", ("'24:00:00+15:59:59'", "'00:00:00.000001-15:59:59'")),
    "interval": ("varchar 64", ("'-178000000 years -11 mons -99 days -23:59:59.999999'", "'0'", "'infinity'")),
    "interval(0)": ("varchar 64", ("'1.5 s'",)),
    "bytea": ("longblob", ("''", r"'\x00ff'", "decode(repeat('00', 9000), 'hex')")),
    "text": ("longtext", ("''", r"E'\\N\t\n\r\\'", "'äöü€😀'", "repeat('x', 20000)")),
    "varchar": ("longtext", ("'a'",)),
    "varchar(5)": ("varchar 5", ("'äöü€😀'", "''", "' a '")),
    "varchar(16383)": ("varchar 16383", ("'a'",)),
    "varchar(16384)": ("longtext", ("'a'",)),
    "char": ("char 1", ("'a'", "''")),
    "char(5)": ("char 5", ("'ab'", "'äöü'", "''")),
    "char(256)": ("varchar 256", ("'ab'",)),
    "bpchar": ("longtext", ("'ab '",)),
    '"char"': ("varchar 4", ("'a'", "''", r"'\377'")),
    "name": ("varchar 63", ("repeat('n', 63)",)),
    "json": ("json", ("""'{"a": 1,  "a": [null, "\\u0000"]}'""", "'1e999'", "'null'")),
    "jsonb": ("json", ("""'{"b": 1.500, "a": {}}'""", "'null'", "'\"x\"'")),
    "uuid": ("char 36", ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",)),
    "bit": ("varchar 1", ("B'1'",)),
    "bit(70)": ("varchar 70", ("B'1'::bit(70)",)),
    "bit varying": ("longtext", ("B'001'", "B''")),
    "bit varying(9)": ("varchar 9", ("B'001'",)),
    "inet": ("varchar 43", ("'::ffff:1.2.3.4/96'", "'10.0.0.1'", "repeat('ffff:', 7)::text || 'ffff/127'")),
    "cidr": ("varchar 43", ("'10.0.0.0/8'", "'::/0'")),
    "macaddr": ("varchar 17", ("'08:00:2b:01:02:03'",)),
    "macaddr8": ("varchar 23", ("'08:00:2b:01:02:03:04:05'",)),
    "pg_lsn": ("varchar 17", ("'FFFFFFFF/FFFFFFFF'", "'0/0'")),
    "tid": ("varchar 18", ("'(4294967295,65535)'",)),
    "tsvector": ("longtext", ("'fat:2,4A cat:3'", "'''a b'''")),
    "tsquery": ("longtext", ("'fat & !rat'",)),
    "jsonpath": ("longtext", ("'$.a[*] ? (@ > 1)'",)),
    "point": ("longtext", ("'(0.1,-1e300)'", "'(NaN,Infinity)'")),
    "line": ("longtext", ("'{1,-1,0}'",)),
    "lseg": ("longtext", ("'[(0,0),(1,1)]'",)),
    "box": ("longtext", ("'(1,1),(0,0)'",)),
    "path": ("longtext", ("'[(0,0),(1,1)]'", "'((0,0),(1,1))'")),
    "polygon": ("longtext", ("'((0,0),(1,1),(1,0))'",)),
    "circle": ("longtext", ("'<(0,0),1.5>'",)),
    "int4range": ("longtext", ("'[1,5)'", "'empty'", "'(,)'")),
    "numrange": ("longtext", ("'[NaN,NaN]'", "'(1.50,)'")),
    "tstzrange": ("longtext", ("'[2024-01-01 00:00+01,infinity]'",)),
    "daterange": ("longtext", ("'[0044-03-15 BC,infinity)'",)),
    "int8multirange": ("longtext", ("'{[1,2),[5,)}'", "'{}'")),
    "datemultirange": ("longtext", ("'{[2024-01-01,2024-02-01)}'",)),
    "regclass": ("longtext", ("'pg_catalog.pg_class'", "'public.tested_here'")),
    "regtype": ("longtext", ("'int4'", "'public.mood'")),
    "txid_snapshot": ("longtext", ("'10:20:10,14,15'",)),
    "pg_snapshot": ("longtext", ("'10:20:10,14,15'",)),
    "int2vector": ("longtext", ("'1 2 3'",)),
    "refcursor": ("longtext", ("'a'",)),
    "int4[]": ("longtext", ("'{1,NULL,3}'", "'{{1,2},{3,4}}'", "'[0:1]={1,2}'", "'{}'")),
    "text[]": ("longtext", (r"""ARRAY['a,b', 'c"d', 'NULL', NULL, '', E'\\']""",)),
    "bytea[]": ("longtext", (r"ARRAY['\x00ff'::bytea]",)),
    "timestamptz[]": ("longtext", ("ARRAY['infinity'::timestamptz, '2024-01-01 00:00-08']",)),
    "public.mood": ("varchar 63", ("'sad'", "'it''s ok'", "'ha,ppy'")),
    "public.mood[]": ("longtext", ("ARRAY['ha,ppy']::public.mood[]",)),
    "public.pair": ("longtext", ("ROW(1, 'x, \"y\"')", "ROW(NULL, '')")),
    "public.span": ("longtext", ("'[0.1,2.5)'",)),
    "public.price": ("decimal 7 2", ("1", "99999.99")),
    "public.cheap": ("decimal 7 2", ("99.99",)),
    "public.code": ("varchar 3", ("'abc'",)),
    "public.codes": ("longtext", ("ARRAY['abc', NULL]",)),
}  # fmt: skip
# As text, what their own type holds and the logical one does not.
BEYOND = {
    "date": ("'infinity'", "'-infinity'", "'0044-03-15 BC'", "'5874897-12-31'"),
    "timestamp": ("'infinity'", "'294276-12-31 23:59:59.999999'", "'4713-01-01 00:00:00 BC'"),
    "timestamptz": ("'-infinity'", "'0044-03-15 12:00:00+00 BC'", "'10000-01-01 00:00:00+00'"),
    "numeric(5,2)": ("'NaN'",),
}


@pytest.fixture(scope="module")
def replication(logical_postgres: PostgresServer) -> Iterator[Replication]:
    """A stream of tables, one a type, and of what is beyond under names of its own."""
    with Replication(logical_postgres.database()) as replication:
        db = replication.db
        db.execute("SET search_path = public")
        db.execute(SETUP)
        db.execute("CREATE TABLE tested_here (id int)")
        for name, (_, values) in CASES.items():
            _fill(db, f"is {name}", name, values)
        for name, values in BEYOND.items():
            _fill(db, f"beyond {name}", name, values)
        db.execute("SET search_path = pg_catalog")
        yield replication


def _fill(db: psycopg.Connection[Any], table: str, type_: str, values: tuple[str, ...]) -> None:
    quoted = '"' + table.replace('"', '""') + '"'
    db.execute(f"CREATE TABLE {quoted} (id int PRIMARY KEY, v {type_})")
    literals = [f"({index}, CAST({value} AS {type_}))" for index, value in enumerate((*values, "NULL"))]
    db.execute(f"INSERT INTO {quoted} VALUES {', '.join(literals)}")


@pytest.fixture(scope="module")
def runs(replication: Replication) -> dict[str, tuple[Relation, list[bytes]]]:
    """By table: its relation and its row messages."""
    relations: dict[int, Relation] = {}
    rows: dict[int, list[bytes]] = defaultdict(list)
    for data in replication.messages():
        message = parse(data[XLOG_HEAD:], 0)
        if isinstance(message, Relation):
            relations[message.oid] = message
        elif isinstance(message, RowMessage):
            assert data[XLOG_HEAD] in ROW_KINDS
            rows[message.relation_oid].append(data)
    return {relations[oid].name: (relations[oid], messages) for oid, messages in rows.items()}


def _decoded(
    replication: Replication, run: tuple[Relation, list[bytes]], as_text: tuple[str, ...] = ()
) -> tuple[DecodedRows, str]:
    """The rows, and the second column's logical type with its length and digits."""
    relation, messages = run
    types = type_catalog(replication.db.execute(QUERY, [list(unknown_types(relation, {}))]))
    assert not unknown_types(relation, types)
    found = decode_rows(relation, RowRun.of(messages, head=XLOG_HEAD), mapped_columns(relation, types, as_text))
    schema = table_schema(relation, (), types, version=1, as_text=as_text)
    assert found.rows.schema == schema.arrow_schema
    assert [column.name for column in schema.key_columns] == ["id"]
    column = schema.columns[1]
    parts = (column.type, "unsigned" if column.unsigned else "", column.length, _scale(column.type, column.scale))
    return found, " ".join(str(part) for part in parts if part not in ("", None))


def _scale(logical: str, scale: int | None) -> int | None:
    return None if logical == "decimal" and scale == 0 else scale


def _written(replication: Replication, table: str) -> list[str | None]:
    quoted = '"' + table.replace('"', '""') + '"'
    found = replication.db.execute(f"SELECT v IS NULL, format('%s', v) FROM public.{quoted} ORDER BY id")
    return [None if null else text for null, text in found]


def _expected(logical: str, text: str | None) -> Any:
    if text is None:
        return None
    kind, *numbers = logical.split()
    match kind:
        case "tinyint":
            return int(text == "t")
        case "smallint" | "int" | "bigint":
            return int(text)
        case "float":
            return READERS[700](text)
        case "double":
            return float(text)
        case "longblob":
            return bytes.fromhex(text.removeprefix("\\x"))
        case "datetime" | "timestamp" | "time":
            whole, _, part = text.removesuffix("+00").partition(".")
            digits = int(numbers[0])
            return f"{whole}.{part:0<{digits}}" if digits else whole
    return text


def _same(value: Any, expected: Any) -> bool:
    if isinstance(expected, float):
        same_sign = math.copysign(1, value) == math.copysign(1, expected)
        return math.isnan(value) if math.isnan(expected) else value == expected and same_sign
    return bool(value == expected)


@pytest.mark.parametrize("name", CASES)
def test_a_type_comes_as_the_server_writes_it(
    name: str, replication: Replication, runs: dict[str, tuple[Relation, list[bytes]]]
) -> None:
    found, logical = _decoded(replication, runs[f"is {name}"])
    assert logical == CASES[name][0]
    values = found.rows.column(1).to_pylist()
    written = _written(replication, f"is {name}")
    expected = [_expected(logical, text) for text in written]
    assert len(values) == len(expected)
    assert all(map(_same, values, expected)), (values, expected)
    for value, text in zip(values, written, strict=True):
        given = str(value) if isinstance(value, int | float) else value
        (back,) = replication.db.execute(
            f"SELECT format('%%s', CAST(CAST(%s AS {_way(logical)}) AS {name}))", [given]
        ).fetchone() or ("",)
        assert back == (text or "")


def _way(logical: str) -> str:
    return "bytea" if logical == "longblob" else "text"


@pytest.mark.parametrize("name", CASES)
def test_a_copy_has_what_the_stream_has(
    name: str, replication: Replication, runs: dict[str, tuple[Relation, list[bytes]]]
) -> None:
    relation, _ = runs[f"is {name}"]
    found, _ = _decoded(replication, runs[f"is {name}"])
    types = type_catalog(replication.db.execute(QUERY, [list(unknown_types(relation, {}))]))
    columns = forms(relation, mapped_columns(relation, types))
    with replication.db.cursor().copy(copy_command(relation, columns).encode()) as copy:
        messages = [bytes(message) for message in copy]
    decoder = CopyDecoder(columns, name, "0/1")
    copied = decoder.rows(Piece.of(messages))
    decoder.end()
    assert copied is not None
    if name.startswith("float"):  # a NaN equals nothing
        assert copied.to_pylist().__repr__() == found.rows.to_pylist().__repr__()
    else:
        assert copied.equals(found.rows)


@pytest.mark.parametrize("name", BEYOND)
def test_what_only_text_holds_is_refused_unless_it_is_text(
    name: str, replication: Replication, runs: dict[str, tuple[Relation, list[bytes]]]
) -> None:
    relation, messages = runs[f"beyond {name}"]
    for message, text in zip(messages, _written(replication, f"beyond {name}"), strict=True):
        if text is None:
            continue
        with pytest.raises(Exception, match="name the column 'v' under `as_text`") as raised:
            _decoded(replication, (relation, [message]))
        assert f"column 'v' ({name}) holds '{text}', which is no" in str(raised.value)
        assert f"table public.beyond {name}, at 0/" in str(raised.value)
    found, logical = _decoded(replication, (relation, messages), as_text=("v",))
    assert logical == "longtext"
    assert found.rows.column(1).to_pylist() == _written(replication, f"beyond {name}")


@pytest.mark.parametrize("encoder", [CSV, CANAL], ids=["csv", "canal-json"])
def test_the_way_back(
    encoder: Any,
    logical_postgres: PostgresServer,
    replication: Replication,
    runs: dict[str, tuple[Relation, list[bytes]]],
) -> None:
    """Into files, and applied to another database: each value casts back to what it was."""
    store = MadeStore(encoder)
    written = {}
    for number, name in enumerate(CASES):
        relation, messages = runs[f"is {name}"]
        found, _ = _decoded(replication, (relation, messages))
        types = type_catalog(replication.db.execute(QUERY, [list(unknown_types(relation, {}))]))
        table = f"s.t{number}"
        store.ddl(table, 10, columns=table_schema(relation, (), types, version=10).columns)
        store.rows(table, *(("I", 11, (row["id"], row["v"])) for row in found.rows.to_pylist()))
        written[table] = name
    store.checkpoint(99)
    uri = logical_postgres.database()
    with closing(open_target(uri, Temporal.NATIVE)) as target:
        Apply(store.bucket(), target, ApplyOptions()).round()
    with psycopg.connect(uri, autocommit=True, options=startup_options()) as db:
        db.execute("SET search_path = public")
        db.execute(SETUP)
        db.execute("CREATE TABLE tested_here (id int)")
        db.execute("SET search_path = pg_catalog")
        for table, name in written.items():
            value = "v" if name == "bytea" else f"CAST(CAST(v AS text) AS {name})"
            back = db.execute(f"SELECT v IS NULL, format('%s', {value}) FROM {table} ORDER BY id").fetchall()
            assert [None if null else text for null, text in back] == _written(replication, f"is {name}"), name


NO_COLUMNS = {
    "pg_node_tree", "pg_ndistinct", "pg_dependencies", "pg_mcv_list", "pg_brin_bloom_summary",
    "pg_brin_minmax_multi_summary", "gtsvector",
}  # fmt: skip


def test_every_built_in_scalar_type_is_in_the_table(replication: Replication) -> None:
    found = replication.db.execute(
        "SELECT oid::int8, format_type(oid, NULL), typname::text FROM pg_type"
        " WHERE typtype IN ('b', 'r', 'm') AND typcategory <> 'A' AND oid < 10000 AND typname <> 'oidvector'"
    ).fetchall()
    names = {oid: (spelled, name) for oid, spelled, name in found if oid in BUILT_IN}
    assert {name for oid, _, name in found if oid not in BUILT_IN} == NO_COLUMNS
    for oid, (spelled, name) in names.items():
        assert mapped(oid, -1, {}).source in (name, spelled, name.replace("bpchar", "char"))


def test_a_type_that_is_gone_from_the_catalog_is_text(replication: Replication) -> None:
    assert mapped(99_999, 5, {}).column.type == "longtext"
    assert type_catalog(replication.db.execute(QUERY, [[99_999]])) == {}
