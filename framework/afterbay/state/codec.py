"""How values are written in `checkpoint.db`, and the refusal of those that cannot be.

A commit-ts is unsigned 64-bit and SQLite's integers are signed, so it is stored as 20 decimal digits: bytewise order
is numeric order, and the database can be read by eye.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from afterbay.errors import RunFailed
from afterbay.schema import Json

_LARGEST_U64 = (1 << 64) - 1
_LARGEST_INTEGER = (1 << 63) - 1


def encode_commit_ts(value: int) -> str:
    """`value` as 20 digits. Raises RunFailed outside 0 … 2^64-1."""
    if not 0 <= value <= _LARGEST_U64:
        raise RunFailed("state.commit_ts", f"commit-ts {value} is not an unsigned 64-bit number")
    return f"{value:020d}"


def decode_commit_ts(text: str) -> int:
    """The inverse of :func:`encode_commit_ts`."""
    return int(text)


def encode_json(value: object, what: str) -> str:
    """Canonical JSON text (sorted keys, ASCII). `what` names the value in the error if it is not plain JSON data."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RunFailed("state.json", f"{what} is not plain JSON data: {error}") from error


def encode_cursor(cursor: Mapping[str, Json]) -> str:
    """A resume point's cursor as JSON text."""
    return encode_json(dict(cursor), "a source's cursor")


def decode_object(text: str) -> dict[str, Json]:
    """A JSON object read back. Raises ValueError if the text is another thing."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, found {type(value).__name__}")
    return value


def check_text(**named: str) -> None:
    """Raises RunFailed if a value cannot be stored as UTF-8 (a lone surrogate from a damaged name)."""
    for name, value in named.items():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise RunFailed("state.text", f"{name} {value!r} is not valid Unicode text: {error.reason}") from error


def check_count(**named: int) -> None:
    """Raises RunFailed if a value is not in 0 … 2^63-1."""
    for name, value in named.items():
        if not 0 <= value <= _LARGEST_INTEGER:
            raise RunFailed("state.number", f"{name} {value} is out of range")
