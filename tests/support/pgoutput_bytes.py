"""Row messages of pgoutput, written."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import Enum

from afterbay_nodes.sources.postgres.pgoutput import Relation, RelationColumn


class Unsent(Enum):
    """A value that is not in a tuple."""

    UNCHANGED = "u"


Field = bytes | None | Unsent
Tuple = Sequence[Field]


def tuple_bytes(fields: Tuple) -> bytes:
    """Null, unchanged, or text."""
    out = [struct.pack(">h", len(fields))]
    for field in fields:
        if field is None:
            out.append(b"n")
        elif isinstance(field, Unsent):
            out.append(b"u")
        else:
            out.append(b"t" + struct.pack(">i", len(field)) + field)
    return b"".join(out)


def row_bytes(
    oid: int, kind: str, new: Tuple | None = None, old: Tuple | None = None, *, mark: str = "K", xid: int | None = None
) -> bytes:
    """One Insert, Update or Delete."""
    head = kind.encode() + (b"" if xid is None else struct.pack(">I", xid)) + struct.pack(">I", oid)
    first = b"" if old is None else mark.encode() + tuple_bytes(old)
    return head + first + (b"" if new is None else b"N" + tuple_bytes(new))


def xlog_head(lsn: int) -> bytes:
    """What stands before a message in XLogData."""
    return b"w" + struct.pack(">QQQ", lsn, lsn, 0)


def relation_of(*types: int, keys: int = 1, identity: str = "d", typmods: Sequence[int] = ()) -> Relation:
    """A relation of columns `c0`, `c1`, … of the types; the first `keys` are its replica identity."""
    columns = tuple(
        RelationColumn(f"c{index}", oid, typmods[index] if typmods else -1, index < keys or identity == "f")
        for index, oid in enumerate(types)
    )
    return Relation(16_384, "shop", "orders", identity, columns)
