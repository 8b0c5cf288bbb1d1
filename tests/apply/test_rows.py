"""Rows of many files, applied in whatever pieces: the target is what the changes leave, one after the other."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay.errors import RunFailed
from afterbay.messages import ChangeBatch, EncodedBatch
from afterbay.node import Transform
from afterbay.schema import Column
from afterbay_nodes.apply import file_rows
from afterbay_nodes.apply.engine import Apply, ApplyOptions
from afterbay_nodes.apply.sql_target import SqlTarget
from afterbay_nodes.apply.targets.open import open_target
from tests.apply.conftest import Applies, Makes
from tests.support.landed import KINDS, Landed
from tests.support.made_store import CANAL, CSV, Change, MadeStore
from tests.support.reference_tables import applied

A = Column("a", "int", nullable=False, primary_key=True)
B = Column("b", "varchar", length=9, nullable=False, primary_key=True)
V = Column("v", "varchar", length=9)
COLUMNS = (A, V, B)
KEYS = (0, 2)
ROW = st.tuples(st.integers(0, 2), st.none() | st.sampled_from(["", "x", "\\N", "\n"]), st.sampled_from(["", "k"]))


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[list[Change]], list[int], bool]:
    """(the changes of each file, the checkpoints to stop at on the way, whether updates have before-images)."""
    with_before = draw(st.booleans())
    commit_ts = 100
    files: list[list[Change]] = []
    for _ in range(draw(st.integers(1, 4))):
        file: list[Change] = []
        for operation in draw(st.lists(st.sampled_from("IUD"), max_size=8)):
            commit_ts += draw(st.integers(0, 2))
            more = (draw(ROW),) if operation == "U" and with_before else ()
            file.append((operation, commit_ts, draw(ROW), *more))  # type: ignore[arg-type]
        files.append(file)
    stops = sorted(draw(st.lists(st.integers(99, commit_ts), max_size=3)))
    return files, [*stops, commit_ts], with_before


@pytest.mark.parametrize("kind", KINDS)
def test_any_history_in_any_pieces(kind: str, make_target: Makes) -> None:
    landed = make_target(kind)
    target = open_target(landed.uri)
    assert isinstance(target, SqlTarget)
    made = itertools.count()

    @settings(max_examples=40, deadline=None)
    @given(histories())
    def check(history: tuple[list[list[Change]], list[int], bool]) -> None:
        files, stops, with_before = history
        table = f"s.t{next(made)}"
        store = MadeStore(CANAL if with_before else CSV)
        store.ddl(table, 50, "", 0, COLUMNS)
        for file in files:
            store.rows(table, *file)
        for stop in stops:
            store.checkpoint(stop)
            # A new one each time: all that it knows comes from the target.
            Apply(store.bucket(), target, ApplyOptions(source=table)).round()
            changes = [change for file in files for change in file if change[1] <= stop]
            got = target.rows(f"SELECT a, v, b FROM {landed.name(table)}")
            assert sorted(got, key=str) == sorted(applied(changes, KEYS).values(), key=str)

    try:
        check()
    finally:
        target.close()


@pytest.mark.parametrize("encoder", [CSV, CANAL], ids=["csv", "canal-json"])
def test_a_file_larger_than_one_merge(
    encoder: Transform[ChangeBatch, EncodedBatch],
    apply: Applies,
    landed: Landed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Merges of one file follow each other in order, in one transaction."""
    monkeypatch.setattr(file_rows, "MERGE_BYTES", 1)
    store = MadeStore(encoder)
    store.ddl("s.t", 50, "", 0, COLUMNS)
    # Longer than a decoder's chunk, so that there are several.
    changes: list[Change] = [("I", 100, (number % 5, "v" * 900, "k")) for number in range(6000)]
    changes += [("U", 101, (2, "last", "k"), (2, "v" * 900, "k")), ("D", 102, (3, "v" * 900, "k"))]
    store.rows("s.t", *changes)
    store.checkpoint(200)
    report = apply(store)
    assert landed.rows("s.t", "a, v") == [(0, "v" * 900), (1, "v" * 900), (2, "last"), (4, "v" * 900)]
    assert (report.rows, report.of(next(iter(report.tables))).deleted) == (6002, 1)


def test_updates_in_some_chunks_of_a_file_only(apply: Applies, landed: Landed) -> None:
    """Before-images may be there for a part of what is merged at once."""
    store = MadeStore(CANAL)
    store.ddl("s.t", 50, "", 0, COLUMNS)
    changes: list[Change] = [("I", 100, (number, "v" * 900, "k")) for number in range(6000)]
    store.rows("s.t", *changes, ("U", 101, (-1, "moved", "k"), (5, "v" * 900, "k")))
    store.checkpoint(200)
    apply(store)
    assert landed.rows("s.t", "a, v", "a < 7")[:2] == [(-1, "moved"), (0, "v" * 900)]
    assert landed.rows("s.t", "a", "a = 5") == []


def test_an_update_that_changed_the_key(apply: Applies, landed: Landed) -> None:
    store = MadeStore(CANAL)
    store.ddl("s.t", 50, "", 0, COLUMNS)
    store.rows("s.t", ("I", 60, (1, "one", "k")), ("I", 60, (2, "two", "k")))
    store.rows("s.t", ("U", 61, (3, "one", "k"), (1, "one", "k")))
    # Two rows swap their keys in one file.
    store.rows("s.t", ("U", 62, (2, "one", "k"), (3, "one", "k")), ("U", 62, (3, "two", "k"), (2, "two", "k")))
    store.checkpoint(61)
    apply(store)
    assert landed.rows("s.t", "a, v") == [(2, "two"), (3, "one")]


def test_a_table_of_nothing_but_its_key(apply: Applies, landed: Landed) -> None:
    store = MadeStore()
    store.ddl("s.t", 50, "", 0, (A,))
    store.rows("s.t", ("I", 60, (1,)), ("I", 60, (2,)))
    store.rows("s.t", ("U", 61, (1,)), ("D", 61, (2,)))
    store.checkpoint(70)
    apply(store)
    assert landed.rows("s.t") == [(1,)]


def test_files_without_rows_count(apply: Applies, landed: Landed) -> None:
    store = MadeStore()
    store.ddl("s.t", 50, "", 0, COLUMNS)
    store.rows("s.t")
    store.rows("s.t", ("I", 60, (1, "x", "k")))
    store.checkpoint(70)
    assert apply(store).files == 2
    assert len(landed.rows("s.t")) == 1


def test_a_null_in_the_key_is_refused(apply: Applies, landed: Landed) -> None:
    store = MadeStore()
    store.ddl("s.t", 50, "", 0, (A, V))
    row: tuple[Any, ...] = (None, "x")
    store.rows("s.t", ("I", 60, (1, "x")), ("I", 60, row))
    store.checkpoint(70)
    with pytest.raises(RunFailed) as caught:
        apply(store)
    assert caught.value.code == "apply.key_null"
    assert "row 2" in str(caught.value)
    assert landed.rows("s.t") == []
