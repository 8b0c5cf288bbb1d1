"""The change log that goes out and comes back, and what its source holds at the end."""

from __future__ import annotations

from functools import cache

from tests.roundtrip.every_ddl import every_ddl
from tests.roundtrip.every_type import every_type
from tests.roundtrip.upstream import Upstream


@cache
def history() -> Upstream:
    """Every class of DDL and every SQL type, the same each time. Nobody changes it any more."""
    up = Upstream()
    every_ddl(up)
    every_type(up)
    up.watermark()
    return up
