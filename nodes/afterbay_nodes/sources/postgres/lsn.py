"""Positions in the write-ahead log, as numbers and as PostgreSQL writes them (`16/B374D848`)."""

from __future__ import annotations

import re

_FORM = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})", re.ASCII)


def lsn_text(lsn: int) -> str:
    """The text of a position."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def lsn_number(text: str) -> int:
    """The inverse of `lsn_text`. Raises ValueError."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no position in a write-ahead log")
    return int(found[1], 16) << 32 | int(found[2], 16)
