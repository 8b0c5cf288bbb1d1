"""What a run of row messages says, read one message and one value at a time: what `decode_rows` must agree with."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from afterbay_nodes.sources.postgres.pgoutput import Relation
from tests.support.pgoutput_bytes import Field, Unsent

_OLD_KINDS = {"K": 1, "O": 2}
_OPS = {"I": 0, "U": 1, "D": 2}


@dataclass(frozen=True)
class ReferenceRow:
    """One change: its operation, which old tuple came, and both images as fields."""

    op: int
    old_kind: int
    row: list[Field]
    before: list[Field]


def read_row(message: bytes, relation: Relation, *, streamed: bool = False) -> ReferenceRow:
    """Reads a message that is as it must be."""
    kind = chr(message[0])
    at = 9 if streamed else 5
    count = len(relation.columns)
    nothing: list[Field] = [None] * count
    old, new, old_kind = nothing, nothing, 0
    while at < len(message):
        mark = chr(message[at])
        fields, at = _tuple(message, at + 1)
        if mark == "N":
            new = fields
        else:
            old, old_kind = fields, _OLD_KINDS[mark]
    if kind == "D":
        return ReferenceRow(_OPS[kind], old_kind, old, nothing)
    for index, column in enumerate(relation.columns):
        if isinstance(new[index], Unsent) and (old_kind == 2 or (old_kind == 1 and column.key)):
            new[index] = old[index]
    return ReferenceRow(_OPS[kind], old_kind, new, old)


def _tuple(message: bytes, at: int) -> tuple[list[Field], int]:
    (count,) = struct.unpack_from(">h", message, at)
    at += 2
    fields: list[Field] = []
    for _ in range(count):
        kind = chr(message[at])
        at += 1
        if kind == "t":
            (length,) = struct.unpack_from(">i", message, at)
            fields.append(message[at + 4 : at + 4 + length])
            at += 4 + length
        else:
            fields.append(None if kind == "n" else Unsent.UNCHANGED)
    return fields, at


def _padded(text: str, digits: int) -> str:
    whole, _, part = text.partition(".")
    return f"{whole}.{part:0<{digits}}" if digits else whole


def _float(width: str) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = float(text)
        return value if math.isinf(value) else float(struct.unpack(width, struct.pack(width, value))[0])

    return read


READERS: dict[int, Callable[[str], Any]] = {
    16: lambda text: {"t": 1, "f": 0}[text],
    17: lambda text: bytes.fromhex(text[2:]),
    20: int,
    21: int,
    23: int,
    26: int,
    700: _float("f"),
    701: float,
    1083: lambda text: _padded(text, 6),
    1114: lambda text: _padded(text, 6),
    1184: lambda text: _padded(text.removesuffix("+00"), 6),
}
"""By type without a modifier; all others are their text."""


def values_of(fields: Sequence[Field], oid: int) -> list[Any]:
    """A column's fields as Python values."""
    read = READERS.get(oid, str)
    return [read(field.decode()) if isinstance(field, bytes) else None for field in fields]
