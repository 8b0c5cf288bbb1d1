"""Every type on every target: what went in comes out, or is refused with its file, row and column."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay.errors import RunFailed
from afterbay.schema import LOGICAL_TYPES, Column
from afterbay_nodes.apply.engine import Apply, ApplyOptions
from afterbay_nodes.apply.sql_target import SqlTarget
from afterbay_nodes.apply.targets.open import open_target
from afterbay_nodes.apply.type_table import Temporal
from tests.apply.conftest import Applies, Makes
from tests.support import strategies
from tests.support.landed import KINDS, Landed
from tests.support.landed_values import found, wanted
from tests.support.made_store import CANAL, CSV, MadeStore

ID = Column("id", "bigint", nullable=False, primary_key=True)
FLOATS = (0.0, 0.1, -3.5, 1e-7, 1e20, float("nan"), float("inf"), float("-inf"))
TEXTS = ("", " ", "\\N", "a\tb\nc\rd", "\\.", "\\\\", "quote'\"`", "🐈 é", "NULL", "$$", "%s ? :x", "x" * 5000)
# (column, values); the edges of each type, signed and unsigned
EDGES: list[tuple[Column, tuple[Any, ...]]] = [
    (Column("c", "tinyint"), (-128, 127)),
    (Column("c", "tinyint", unsigned=True), (0, 255)),
    (Column("c", "smallint"), (-(2**15), 2**15 - 1)),
    (Column("c", "smallint", unsigned=True), (0, 2**16 - 1)),
    (Column("c", "mediumint"), (-(2**23), 2**23 - 1)),
    (Column("c", "mediumint", unsigned=True), (0, 2**24 - 1)),
    (Column("c", "int"), (-(2**31), 2**31 - 1)),
    (Column("c", "int", unsigned=True), (0, 2**32 - 1)),
    (Column("c", "bigint"), (-(2**63), 2**63 - 1)),
    (Column("c", "bigint", unsigned=True), (0, 2**63 - 1, 2**63, 2**64 - 1)),
    (Column("c", "bit", length=64), (0, 1, 2**63, 2**64 - 1)),
    (Column("c", "bit", length=1), (0, 1)),
    (Column("c", "year"), (0, 1901, 2155)),
    (Column("c", "float"), (*FLOATS[:4], 16777216.0, *FLOATS[5:])),
    (Column("c", "double"), (*FLOATS, 5e-324, 1.7976931348623157e308)),
    (Column("c", "decimal", length=10, scale=2), ("0.00", "-0.01", "99999999.99")),
    (Column("c", "decimal", length=38, scale=10), ("9" * 28 + "." + "9" * 10, "-" + "9" * 28 + "." + "9" * 10)),
    (Column("c", "decimal", length=65, scale=30), ("9" * 35 + "." + "9" * 30, "-" + "9" * 35 + "." + "9" * 30)),
    (Column("c", "date"), ("1000-01-01", "9999-12-31", "0001-01-01", "2024-02-29")),
    (Column("c", "datetime"), ("1000-01-01 00:00:00", "9999-12-31 23:59:59")),
    (Column("c", "datetime", scale=6), ("1000-01-01 00:00:00.000001", "9999-12-31 23:59:59.999999")),
    (Column("c", "timestamp", scale=3), ("1970-01-01 00:00:01.000", "2038-01-19 03:14:07.999")),
    (Column("c", "time"), ("-838:59:59", "838:59:59", "00:00:00", "-00:00:01")),
    (Column("c", "time", scale=6), ("-838:59:58.999999", "12:34:56.120000")),
    (Column("c", "varchar", length=5000), TEXTS),
    (Column("c", "longtext"), TEXTS),
    (Column("c", "char", length=3), ("", "abc")),
    (Column("c", "json"), ("null", "{}", '{"a": "\\u0000", "b": [1, 2.50]}', '"🐈"')),
    (Column("c", "vector"), ("[1,2.5,-3]",)),
    (Column("c", "enum", elements=("it's", "b,c", "\\", "ü")), (0, 1, 2, 3, 4)),
    (Column("c", "set", elements=tuple("abc")), (0, 1, 5, 7)),
    (Column("c", "set", elements=tuple(f"e{n}" for n in range(64))), (0, 2**64 - 1, 2**63)),
    (Column("c", "binary", length=4), (b"\x00\xff\x00\x01",)),
    (Column("c", "longblob"), (b"", bytes(range(256)), b"\\x00")),
]


def named(edge: tuple[Column, tuple[Any, ...]]) -> str:
    column = edge[0]
    return f"{column.type}{' unsigned' if column.unsigned else ''}({column.length},{column.scale})"


def stored(column: Column, values: tuple[Any, ...], encoder: Any = CSV) -> MadeStore:
    store = MadeStore(encoder)
    store.ddl("s.t", 10, "", 0, (ID, column))
    store.rows("s.t", *(("I", 11 + number, (number, value)) for number, value in enumerate((*values, None))))
    store.checkpoint(99)
    return store


def test_there_is_an_edge_of_every_type() -> None:
    assert {column.type for column, _ in EDGES} >= LOGICAL_TYPES - {
        *("tinytext", "text", "mediumtext", "tinyblob", "blob", "mediumblob", "varbinary")
    }


@pytest.mark.parametrize("temporal", Temporal)
@pytest.mark.parametrize("edge", EDGES, ids=named)
def test_edges(edge: tuple[Column, tuple[Any, ...]], temporal: Temporal, apply: Applies, landed: Landed) -> None:
    column, values = edge
    if temporal is Temporal.TEXT and column.type not in ("date", "datetime", "timestamp", "time"):
        temporal = Temporal.NATIVE
    apply(stored(column, values), temporal)
    rows = landed.rows("s.t", f"id, {printed(landed, column)}")
    assert [found(column, value) for _, value in rows] == [wanted(column, value) for value in (*values, None)]


def printed(landed: Landed, column: Column) -> str:
    """The column as its text where the driver would make something of it that loses what it was."""
    as_text = column.type == "json" or (landed.kind == "duckdb" and column.type == "time")
    return (
        {"sqlite": "c", "duckdb": "CAST(c AS VARCHAR)", "postgres": "CAST(c AS text)"}[landed.kind] if as_text else "c"
    )


@pytest.mark.parametrize(
    "edge", [edge for edge in EDGES if edge[0].type not in ("float", "double", "json", "vector", "set")], ids=named
)
def test_edges_as_keys(edge: tuple[Column, tuple[Any, ...]], apply: Applies, landed: Landed) -> None:
    """Inserted, updated and deleted by key: the key is found again whatever its type."""
    column, values = edge
    key = replace(column, nullable=False, primary_key=True)
    values = tuple(value for value in values if not isinstance(value, str) or len(value) < 100)
    store = MadeStore()
    store.ddl("s.t", 10, "", 0, (key, Column("v", "int")))
    store.rows("s.t", *(("I", 11, (value, number)) for number, value in enumerate(values)))
    store.rows("s.t", *(("U", 12, (value, number + 100)) for number, value in enumerate(values)))
    store.rows(
        "s.t",
        ("D", 13, (values[0], 100)),
        *(("U", 13, (value, number + 200)) for number, value in enumerate(values) if number),
    )
    store.checkpoint(99)
    apply(store)
    assert [row[0] for row in landed.rows("s.t", "v")] == [number + 200 for number in range(1, len(values))]


# -- what does not fit


ZERO = [
    ("date", "0000-00-00"),
    ("datetime", "0000-00-00 00:00:00"),
    ("timestamp", "0000-00-00 00:00:00"),
    ("date", "2026-00-10"),
    ("date", "2026-01-00"),
]


@pytest.mark.parametrize(("kind", "zero"), ZERO)
def test_zero_dates(kind: str, zero: str, make_target: Makes, apply: Applies, landed: Landed) -> None:
    store = stored(Column("c", kind), ("2026-01-02" + " 00:00:00" * (kind != "date"), zero))
    if landed.kind == "sqlite":
        apply(store)
    else:
        with pytest.raises(RunFailed) as caught:
            apply(store)
        assert caught.value.code == "apply.zero_date"
        assert "CDC00000000000000000001.csv" in str(caught.value)
        assert "row 2" in str(caught.value)
        assert "column 'c'" in str(caught.value)
        assert "--temporal text" in str(caught.value)
        assert landed.rows("s.t") == []  # nothing of the file
        landed.run(
            f"DROP TABLE {landed.name('s.t')}",
            "DELETE FROM _afterbay_applied",
            "DELETE FROM _afterbay_tables",
            "DELETE FROM _afterbay_ddls",
        )
        apply(store, Temporal.TEXT)
    assert landed.rows("s.t")[1] == (1, zero)


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        (Column("c", "date"), "2026-02-30", "apply.value"),
        (Column("c", "datetime"), "2026-01-01 25:00:00", "apply.value"),
        (Column("c", "time"), "12:61:00", "apply.value"),
        (Column("c", "decimal", length=5, scale=2), "1.005", "apply.value"),
        (Column("c", "decimal", length=5, scale=2), "1234.00", "apply.value"),
    ],
)
def test_values_that_would_be_changed_are_refused(
    column: Column, value: str, code: str, apply: Applies, landed: Landed
) -> None:
    if landed.kind == "sqlite" and column.type != "decimal":
        return  # it keeps dates and times as they are written
    good = {"decimal": "1.00", "date": "2026-01-01", "datetime": "2026-01-01 00:00:00", "time": "00:00:00"}[column.type]
    with pytest.raises(RunFailed) as caught:
        apply(stored(column, (good, good, value, good), CANAL))
    assert caught.value.code in (code, "decode.value", "canal.value")
    assert "row 3" in str(caught.value)
    assert landed.tables() in (set(), {"s.t"})


def test_a_nul_in_a_text(apply: Applies, landed: Landed) -> None:
    store = stored(Column("c", "varchar", length=9), ("fine", "a\0b"))
    if landed.kind == "postgres":
        with pytest.raises(RunFailed) as caught:
            apply(store)
        assert caught.value.code == "apply.nul"
        assert "row 2" in str(caught.value)
        assert landed.rows("s.t") == []
    else:
        apply(store)
        assert landed.rows("s.t")[1] == (1, "a\0b")


def test_json_that_is_none_is_refused_where_the_target_reads_it(apply: Applies, landed: Landed) -> None:
    store = stored(Column("c", "json"), ("{}", "{"))
    if landed.kind == "sqlite":
        apply(store)
        return
    with pytest.raises(RunFailed) as caught:
        apply(store)
    assert caught.value.code == "apply.value"
    assert "CDC00000000000000000001.csv" in str(caught.value)
    assert "row 2" in str(caught.value)
    assert landed.rows("s.t") == []


def test_the_same_table_with_the_other_choice_of_dates_is_refused(apply: Applies, landed: Landed) -> None:
    store = stored(Column("c", "date"), ("2026-01-02",))
    apply(store)
    store.rows("s.t", ("I", 20, (9, "2026-01-03")))
    if landed.kind == "sqlite":
        apply(store, Temporal.TEXT)
        return
    with pytest.raises(RunFailed) as caught:
        apply(store, Temporal.TEXT)
    assert caught.value.code == "apply.shape"
    assert "--temporal" in str(caught.value)


# -- anything


@pytest.mark.parametrize("kind", KINDS)
def test_any_values_of_any_columns(kind: str, make_target: Makes) -> None:
    """Hypothesis makes columns and values; dates are kept as text, so that all of them fit."""
    landed = make_target(kind)
    target = open_target(landed.uri, Temporal.TEXT)
    assert isinstance(target, SqlTarget)
    made = itertools.count()

    @settings(max_examples=40, deadline=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        names = [f"c{number}" for number in range(data.draw(st.integers(1, 4)))]
        columns = [fitted(data.draw(strategies.columns(name)), kind) for name in names]
        rows = data.draw(st.lists(st.tuples(*(fitting(column, kind) for column in columns)), min_size=1, max_size=5))
        store = MadeStore()
        table = f"s.t{next(made)}"
        store.ddl(table, 10, "", 0, (ID, *columns))
        store.rows(table, *(("I", 11, (number, *row)) for number, row in enumerate(rows)))
        store.checkpoint(99)
        Apply(store.bucket(), target, ApplyOptions(source=table)).round()
        chosen = ", ".join(f"CAST({c.name} AS TEXT)" if c.type == "json" else c.name for c in columns)
        got = target.rows(f"SELECT {chosen} FROM {landed.name(table)} ORDER BY id")
        for row, there in zip(rows, got, strict=True):
            assert [*map(found, columns, there)] == [*map(wanted, columns, row)]

    try:
        check()
    finally:
        target.close()


def fitted(column: Column, kind: str) -> Column:
    """A stored column that is no key, whose elements the target can hold and a set can join."""
    elements = column.elements
    if column.type == "set" or (kind == "postgres" and elements):
        elements = tuple(f"e{number}" for number in range(len(elements)))
    length, scale = (40, 4) if column.type == "decimal" else (column.length, column.scale)
    return replace(column, primary_key=False, virtual=False, length=length, scale=scale, elements=elements)


def fitting(column: Column, kind: str) -> st.SearchStrategy[Any]:
    """Values that the target can hold as they are."""
    special: dict[str, st.SearchStrategy[Any]] = {
        "decimal": st.decimals(-(10**9), 10**9, places=4).map(lambda value: format(value, "f")),
        "json": st.sampled_from(["{}", "[1]", '"x"']),
        "vector": st.sampled_from(["[1,2]", "[]"]),
        "year": st.integers(1901, 2155),
    }
    if column.type in special:
        return st.none() | special[column.type]
    values = strategies.values(column)
    if kind == "postgres":
        return values.map(lambda value: value.replace("\0", "") if isinstance(value, str) else value)
    if kind == "sqlite" and column.type in ("float", "double"):
        return values.map(lambda value: 0.0 if value == 0 else value)  # SQLite keeps -0.0 as 0
    return values
