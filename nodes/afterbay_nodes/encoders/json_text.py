r"""Text as JSON strings, escaped as Go's easyjson does: `\t`, `\n`, `\r`, `\"`, `\\`, and `\u00xx` for other control
characters and for `<`, `>`, `&`. All above stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from afterbay_nodes.encoders.joining import Piece, body_of, constant, joined, replaced, text_of

# The backslash comes first, so that no escape is escaped again.
_VISIBLE = {b"\\": b"\\\\", b'"': b'\\"', b"<": b"\\u003c", b">": b"\\u003e", b"&": b"\\u0026"}
_SHORT = {b"\t": b"\\t", b"\n": b"\\n", b"\r": b"\\r"}
_ALL = _VISIBLE | {bytes([code]): b"\\u%04x" % code for code in range(0x20)} | _SHORT


def json_values(text: pa.Array) -> list[Piece]:
    """`text` as JSON strings, null as `null`: pieces of a line."""
    return json_quoted(escaped(text_of(text)))


def json_quoted(raw: pa.Array) -> list[Piece]:
    """(Large) binary `raw`, in which nothing is to be escaped, as JSON strings, null as `null`."""
    if not raw.null_count:
        return [b'"', raw, b'"']
    return json_bare(joined([b'"', raw, b'"'], len(raw)))


def json_bare(raw: pa.Array) -> list[Piece]:
    """(Large) binary `raw`, which is JSON already, null as `null`."""
    return [pc.fill_null(raw, constant(b"null", raw)) if raw.null_count else raw]


def json_strings(texts: Sequence[str]) -> list[bytes]:
    """Some names as JSON strings."""
    raw = escaped(pa.array([text.encode() for text in texts], pa.binary()))
    return [b'"' + bytes(text) + b'"' for text in raw.to_pylist()]


def escaped(raw: pa.Array) -> pa.Array:
    """(Large) binary `raw` with its special characters escaped, nulls as they are."""
    body = body_of(raw)
    if not body.size:
        return raw
    # One quick pass tells whether any of the 32 control characters need be looked for.
    lowest = pc.min(pa.Array.from_buffers(pa.uint8(), body.size, [None, body])).as_py()
    return replaced(raw, _ALL if lowest < 0x20 else _VISIBLE)
