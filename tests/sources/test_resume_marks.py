"""Where a run resumed at a watermark reads on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterbay_nodes.sources import resume_marks
from afterbay_nodes.sources.log_reader import Mark
from afterbay_nodes.sources.resume_marks import ResumeMarks


def mark(number: int) -> Mark:
    return Mark("log", 10 * number, number, b"", 0)


@given(st.lists(st.integers(1, 50)), st.integers(0, 60), st.booleans())
def test_the_cursor_is_at_or_before_the_first_line_above_the_watermark(
    stamps: list[int], watermark: int, thinned: bool
) -> None:
    marks = ResumeMarks(-1)
    with pytest.MonkeyPatch.context() as patch:
        if thinned:
            patch.setattr(resume_marks, "_MOST", 3)
        for number, stamp in enumerate(stamps, 1):
            if stamp > marks.highest:
                marks.saw(stamp, mark(number))
    first = next((number for number, stamp in enumerate(stamps, 1) if stamp > watermark), len(stamps) + 1)
    found = marks.resume_at(watermark, mark(len(stamps) + 1)).number
    assert found <= first if thinned else found == first
    assert marks.highest == max([watermark, *stamps])


def test_marks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume_marks, "_MOST", 8)
    marks = ResumeMarks(-1)
    for number in range(1, 1_000):
        marks.saw(number, mark(number))
        assert len(marks._rising) <= 8
    assert marks.resume_at(0, mark(0)).number == 1
