"""No test of the state leaves one open, however it ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.state import close_all


@pytest.fixture(autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    yield
    close_all()
