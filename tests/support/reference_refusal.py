"""What the reference encoders do with a value that has no form: refuse it, as the encoders must."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from afterbay.errors import RunFailed
from afterbay.messages import ChangeBatch
from afterbay.node import Transform
from tests.support.batches import encode


class Refused(Exception):
    """A value that could not be written, or not be read back."""


def assert_same(node: Transform[Any, Any], changes: ChangeBatch, reference: Callable[[], bytes]) -> None:
    """`node` writes the bytes of `reference`, or refuses what it refuses."""
    try:
        wanted = reference()
    except Refused:
        with pytest.raises(RunFailed, match=r"\[(csv|encode)\.\w+\]"):
            encode(node, changes)
    else:
        assert encode(node, changes) == wanted
