"""What every connection that values come from is set to, the replication connection and a snapshot's alike.

The text of a value depends on its session. With these settings it is what `values` reads, exact (floats by their
shortest digits that round-trip) and the same in the stream, in a snapshot and on every server.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SESSION: Final[Mapping[str, str]] = MappingProxyType(
    {
        "client_encoding": "UTF8",
        "datestyle": "ISO, YMD",
        "intervalstyle": "postgres",
        "timezone": "UTC",
        "extra_float_digits": "3",
        "bytea_output": "hex",
        "search_path": "pg_catalog",
    }
)
"""By the names of `SET`. `search_path`: so that a regclass outside of pg_catalog is written with its schema.

`lc_monetary` is the database's: `money` is written as it is there.
"""


def startup_options() -> str:
    """The settings as libpq's `options`, for a replication connection, in which `SET` cannot be relied upon."""
    return " ".join(f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in SESSION.items())
