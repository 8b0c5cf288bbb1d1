"""A column's type is changed by a DDL: the rows that are there become what MySQL made of them."""

from __future__ import annotations

from typing import Any

import pytest

from afterbay.errors import RunFailed
from afterbay.schema import Column
from afterbay_nodes.apply.type_table import Temporal
from tests.apply.conftest import Applies
from tests.support.landed import Landed
from tests.support.landed_values import found, wanted
from tests.support.made_store import MadeStore

ID = Column("id", "bigint", nullable=False, primary_key=True)


def col(kind: str, length: int | None = None, scale: int | None = None, **more: Any) -> Column:
    return Column("c", kind, length=length, scale=scale, **more)


CHANGES: list[tuple[Column, Column, dict[Any, Any]]] = [
    (col("int"), col("bigint"), {-5: -5, 2**31 - 1: 2**31 - 1}),
    (col("int"), col("bigint", unsigned=True), {5: 5}),
    (col("bigint", unsigned=True), col("bigint"), {2**63 - 1: 2**63 - 1, 0: 0}),
    (col("bigint", unsigned=True), col("decimal", 30, 2), {2**64 - 1: f"{2**64 - 1}.00"}),
    (col("bit", 64), col("bigint", unsigned=True), {2**64 - 1: 2**64 - 1, 3: 3}),
    (col("year"), col("int"), {2026: 2026}),
    (col("int"), col("decimal", 12, 2), {7: "7.00", -1: "-1.00"}),
    (col("int"), col("double"), {7: 7.0}),
    (col("int"), col("varchar", 20), {-7: "-7"}),
    (col("decimal", 10, 2), col("decimal", 12, 4), {"1.50": "1.5000", "-0.01": "-0.0100"}),
    (col("decimal", 10, 3), col("decimal", 10, 2), {"1.005": "1.01", "-1.005": "-1.01", "1.004": "1.00"}),
    (col("decimal", 10, 1), col("int"), {"2.5": 3, "-2.5": -3, "2.4": 2}),
    (col("decimal", 10, 2), col("varchar", 20), {"1.50": "1.50"}),
    (col("decimal", 10, 2), col("double"), {"1.50": 1.5}),
    (col("decimal", 60, 2), col("decimal", 65, 2), {"9" * 50 + ".25": "9" * 50 + ".25"}),
    (col("float"), col("double"), {0.5: 0.5, 3.0: 3.0}),
    (col("float"), col("double"), {0.1: 0.10000000149011612}),
    (col("double"), col("float"), {0.25: 0.25}),
    (col("varchar", 20), col("int"), {"12": 12, " 7 ": 7}),
    (col("varchar", 20), col("decimal", 10, 2), {"1.5": "1.50"}),
    (col("varchar", 20), col("longtext"), {"é": "é"}),
    (col("varchar", 20), col("blob"), {"é\n": "é\n".encode()}),
    (col("blob"), col("text"), {"é".encode(): "é"}),
    (col("varbinary", 20), col("longblob"), {b"\0\xff": b"\0\xff"}),
    (col("json"), col("text"), {'{"a": 1}': '{"a": 1}'}),
    (col("enum", elements=("a", "b")), col("enum", elements=("z", "b", "a")), {1: 3, 2: 2}),
    (col("enum", elements=("a", "b")), col("varchar", 20), {2: "b"}),
    (col("set", elements=("a", "b")), col("text"), {3: "a,b"}),
    (col("date"), col("datetime"), {"2026-01-02": "2026-01-02 00:00:00"}),
    (col("date"), col("datetime", scale=3), {"2026-01-02": "2026-01-02 00:00:00.000"}),
    (col("datetime"), col("date"), {"2026-01-02 23:59:59": "2026-01-02"}),
    (col("datetime"), col("timestamp"), {"2026-01-02 23:59:59": "2026-01-02 23:59:59"}),
    (col("datetime"), col("datetime", scale=6), {"2026-01-02 23:59:59": "2026-01-02 23:59:59.000000"}),
    (col("time"), col("time", scale=3), {"-838:59:59": "-838:59:59.000"}),
    (col("datetime"), col("varchar", 30), {"2026-01-02 03:04:05": "2026-01-02 03:04:05"}),
    (col("datetime", scale=3), col("varchar", 30), {"2026-01-02 03:04:05.120": "2026-01-02 03:04:05.120"}),
    (col("date"), col("varchar", 30), {"2026-01-02": "2026-01-02"}),
    (col("time"), col("varchar", 30), {"-12:34:56": "-12:34:56"}),
    (col("varchar", 30), col("date"), {"2026-01-02": "2026-01-02"}),
    (col("varchar", 30), col("datetime"), {"2026-01-02 03:04:05": "2026-01-02 03:04:05"}),
]
FEWER_DIGITS = [
    (
        col("datetime", scale=6),
        col("datetime"),
        {"2026-01-02 03:04:05.499999": "2026-01-02 03:04:05", "2025-12-31 23:59:59.500000": "2026-01-01 00:00:00"},
    ),
    (col("datetime", scale=6), col("datetime", scale=3), {"2026-01-02 03:04:05.000500": "2026-01-02 03:04:05.001"}),
]
REFUSED = [
    (col("double"), col("varchar", 20)),
    (col("double"), col("int")),
    (col("enum", elements=("a",)), col("int")),
    (col("int"), col("enum", elements=("a",))),
    (col("varbinary", 9), col("binary", 9)),
    (col("text"), col("json")),
    (col("int"), col("datetime")),
]


def named(change: tuple[Any, ...]) -> str:
    return " to ".join(f"{c.type}({c.length},{c.scale})" for c in change[:2])


def stored(before: Column, after: Column, values: list[Any]) -> MadeStore:
    store = MadeStore()
    store.ddl("s.t", 10, "", 0, (ID, before))
    store.rows("s.t", *(("I", 11, (number, value)) for number, value in enumerate([*values, None])))
    store.ddl("s.t", 20, "ALTER TABLE t MODIFY c whatever_it_is", 12, (ID, after))
    store.checkpoint(99)
    return store


def check(
    change: tuple[Column, Column, dict[Any, Any]], apply: Applies, landed: Landed, temporal: Temporal = Temporal.NATIVE
) -> None:
    before, after, values = change
    apply(stored(before, after, list(values)), temporal)
    chosen = "CAST(c AS TEXT)" if after.type in ("json", "time") else "c"
    assert [found(after, value) for _, value in landed.rows("s.t", f"id, {chosen}")] == [
        wanted(after, value) for value in (*values.values(), None)
    ]


@pytest.mark.parametrize("change", CHANGES, ids=named)
def test_changed(change: tuple[Column, Column, dict[Any, Any]], apply: Applies, landed: Landed) -> None:
    check(change, apply, landed)


@pytest.mark.parametrize("change", FEWER_DIGITS, ids=named)
def test_fewer_digits_of_a_second_are_rounded(
    change: tuple[Column, Column, dict[Any, Any]], apply: Applies, landed: Landed
) -> None:
    check(change, apply, landed)


@pytest.mark.parametrize(
    "change", [item for item in CHANGES if {"date", "datetime", "time"} & {item[0].type, item[1].type}], ids=named
)
def test_changed_where_dates_are_text(
    change: tuple[Column, Column, dict[Any, Any]], apply: Applies, landed: Landed
) -> None:
    check(change, apply, landed, Temporal.TEXT)


@pytest.mark.parametrize("change", REFUSED, ids=named)
def test_what_is_not_known_to_come_out_the_same_is_refused(
    change: tuple[Column, Column], apply: Applies, landed: Landed
) -> None:
    before, after = change
    if (before.type, after.type) == ("text", "json"):
        check((before, after, {"{}": "{}"}), apply, landed)  # read as JSON, which it has to be at the source, too
        return
    values = {"enum": 1, "int": 1, "double": 1.5, "varbinary": b"x"}
    with pytest.raises(RunFailed) as caught:
        apply(stored(before, after, [values[before.type]]))
    assert caught.value.code == "apply.conversion"
    assert "s/t/meta/schema_20" in str(caught.value)
    assert len(landed.rows("s.t")) == 2


def test_a_value_that_does_not_convert(apply: Applies, landed: Landed) -> None:
    with pytest.raises(RunFailed) as caught:
        apply(stored(col("varchar", 20), col("int"), ["12", "twelve"]))
    assert "s/t/meta/schema_20" in str(caught.value)
    assert [row[1] for row in landed.rows("s.t")] == ["12", "twelve", None]
