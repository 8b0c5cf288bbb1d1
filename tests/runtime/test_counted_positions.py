"""A position that only counts is found again as the changes come, and drops the same as the position itself (I6)."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay.errors import RunFailed
from afterbay.messages import ChangeBatch, Op
from afterbay.runtime.replay import ReplayCutter
from afterbay.schema import Column, RowPosition, TableName, TableSchema

SCHEMA = TableSchema(TableName("bank", "accounts"), 1, (Column("id", "int"),))


def batch(stamps: list[RowPosition]) -> ChangeBatch:
    n = len(stamps)
    return ChangeBatch.of(
        partition="changes",
        dispatcher="d1",
        schema=SCHEMA,
        rows=pa.RecordBatch.from_arrays([pa.array(range(n), pa.int32())], schema=SCHEMA.arrow_schema),
        ops=pa.array([int(Op.INSERT)] * n, pa.uint8()),
        commit_ts=pa.array([stamp.commit_ts for stamp in stamps], pa.uint64()),
        ordinals=pa.array([stamp.ordinal for stamp in stamps], pa.uint32()),
    )


def batches(stamps: list[RowPosition], cuts: list[int]) -> Iterator[ChangeBatch]:
    ends = [*sorted({cut % len(stamps) for cut in cuts} - {0}), len(stamps)]
    for start, end in zip([0, *ends], ends, strict=False):
        yield batch(stamps[start:end])


def new(cutter: ReplayCutter, stamps: list[RowPosition], cuts: list[int]) -> list[RowPosition]:
    """What is not dropped as stored, row by row."""
    found: list[RowPosition] = []
    for whole in batches(stamps, cuts):
        for piece, stored in cutter.cut(whole):
            if not stored:
                found += map(RowPosition, piece.commit_ts.to_pylist(), piece.ordinals.to_pylist())
    return found


@settings(deadline=None)  # the machine may be busy
@given(
    # Ordinals may have gaps: rows that were put aside took theirs.
    stamps=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 9)), min_size=1, max_size=30, unique=True).map(
        lambda found: [RowPosition(*stamp) for stamp in sorted(found)]
    ),
    at=st.integers(0, 29),
    cuts=st.lists(st.integers(0, 29), max_size=6),
)
def test_a_count_drops_what_the_position_drops(stamps: list[RowPosition], at: int, cuts: list[int]) -> None:
    last = stamps[at % len(stamps)]
    count = sum(stamp.commit_ts == last.commit_ts and stamp <= last for stamp in stamps)
    counted = ReplayCutter([{}], {"d1": RowPosition(last.commit_ts, count - 1)})
    assert new(counted, stamps, cuts) == new(ReplayCutter([{"d1": last}]), stamps, cuts)


def test_fewer_changes_than_are_stored_are_refused() -> None:
    cutter = ReplayCutter([{}], {"d1": RowPosition(5, 2)})
    with pytest.raises(RunFailed, match=r"replay\.count.*1 changes more at 5") as refused:
        new(cutter, [RowPosition(5, 0), RowPosition(5, 1), RowPosition(6, 0)], [])
    assert "I6" in str(refused.value)
    assert new(ReplayCutter([{}], {"d1": RowPosition(5, 2)}), [RowPosition(5, 0), RowPosition(5, 1)], []) == []
