r"""Text as JSON strings, escaped as Go's easyjson does: `\t`, `\n`, `\r`, `\"`, `\\`, and `\u00xx` for other control
characters and for `<`, `>`, `&`. All above stays as it is.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from afterbay_nodes.encoders.joining import Piece, body_of, constant, joined, text_of

_SHORT = {b"\\": b"\\\\", b'"': b'\\"', b"\t": b"\\t", b"\n": b"\\n", b"\r": b"\\r"}
_CONTROLS = [bytes([code]) for code in range(0x20)]
# The backslash comes first, so that no escape is escaped again.
_VISIBLE = [b"\\", b'"', b"<", b">", b"&"]


def json_values(text: pa.Array) -> list[Piece]:
    """`text` as JSON strings, null as `null`: pieces of a line."""
    raw = escaped(text_of(text))
    if not raw.null_count:
        return [b'"', raw, b'"']
    strings = joined([b'"', raw, b'"'], len(raw))
    return [pc.fill_null(strings, constant(b"null", strings))]


def json_string(text: str) -> bytes:
    """One name as a JSON string."""
    return b'"' + bytes(escaped(pa.array([text.encode()], pa.binary()))[0].as_py()) + b'"'


def escaped(raw: pa.Array) -> pa.Array:
    """(Large) binary `raw` with its special characters escaped, nulls as they are.

    Only characters that occur cost a pass, and finding them is a memchr each over the column's bytes.
    """
    body = body_of(raw)
    if not body.size:
        return raw
    data = body.to_pybytes()
    codes = pa.Array.from_buffers(pa.uint8(), len(data), [None, body])
    candidates = _VISIBLE + _CONTROLS if pc.min(codes).as_py() < 0x20 else _VISIBLE
    for character in candidates:
        if character in data:
            raw = pc.replace_substring(raw, character, _SHORT.get(character) or b"\\u%04x" % ord(character))
    return raw
