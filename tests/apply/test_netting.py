"""Netting by key agrees with applying the changes one by one."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterbay_nodes.apply.netting import KeyMissing, net
from tests.support.made_store import OPS, Change
from tests.support.reference_tables import applied

KEYS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "int": (pa.int32(), st.integers(0, 3)),
    "text": (pa.utf8(), st.sampled_from(["", "a", "A", "a\0", "é"])),
    "bytes": (pa.binary(), st.sampled_from([b"", b"\0", b"\0\0"])),
    "real": (pa.float64(), st.sampled_from([0.0, -0.0, 1.5])),
    "wide": (pa.uint64(), st.sampled_from([0, 2**63, 2**64 - 1])),
}
Row = tuple[Any, ...]


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[str], list[Change], bool]:
    """(kinds of the key columns, changes of (key …, value), whether updates have before-images)."""
    kinds = draw(st.lists(st.sampled_from(sorted(KEYS)), min_size=1, max_size=2))
    row = st.tuples(*(KEYS[kind][1] for kind in kinds), st.integers(0, 9))
    with_before = draw(st.booleans())
    changes: list[Change] = []
    for operation in draw(st.lists(st.sampled_from("IUD"), max_size=12)):
        more = (draw(row),) if operation == "U" and with_before else ()
        changes.append((operation, 1, draw(row), *more))  # type: ignore[arg-type]
    return kinds, changes, with_before


def columns(rows: list[Row | None], kinds: list[str]) -> pa.Table:
    types = [*(KEYS[kind][0] for kind in kinds), pa.int64()]
    arrays = [pa.array([None if row is None else row[at] for row in rows], kind) for at, kind in enumerate(types)]
    return pa.table(arrays, names=[*(f"k{at}" for at in range(len(kinds))), "v"])


@given(runs())
def test_the_last_change_of_a_key_wins(run: tuple[list[str], list[Change], bool]) -> None:
    kinds, changes, with_before = run
    keys = [f"k{at}" for at in range(len(kinds))]
    rows = columns([change[2] for change in changes], kinds)
    before = columns([change[3] if len(change) > 3 else None for change in changes], kinds) if with_before else None
    found = net(rows, pa.array([OPS[change[0]] for change in changes], pa.uint8()), keys, before)
    wanted = applied(changes, range(len(kinds)))
    assert {row[:-1]: row for row in tuples(found.stand)} == wanted
    # Every key that a change spoke of is settled: it stands, or it is gone; and once.
    spoken = {image[:-1] for change in changes for image in change[2:]}
    settled = [row[:-1] for row in tuples(found.stand)] + list(tuples(found.gone))
    assert len(settled) == len(set(settled))
    assert set(settled) == spoken
    places = found.stand_from.to_pylist()
    assert places == sorted(places)
    assert [changes[place][2] for place in places] == list(tuples(found.stand))


def tuples(table: pa.Table) -> list[Row]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True)) if table.num_rows else []


def test_a_null_key_is_refused_with_its_row() -> None:
    rows = pa.table({"k": [1, None, None]})
    with pytest.raises(KeyMissing) as caught:
        net(rows, pa.array([0, 0, 0], pa.uint8()), ["k"])
    assert (caught.value.index, caught.value.column) == (1, "k")
