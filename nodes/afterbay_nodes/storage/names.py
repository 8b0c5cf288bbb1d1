r"""Names from a database as levels of a path: reversible, and never out of their directory (I10).

Ordinary names, spaces and Unicode included, stay as they are. Escaped as `%` and two hex digits a byte of UTF-8:
`%` `/` `\`, control characters, lone surrogates, a leading or trailing `.`, a trailing space (some stores drop those
two), and the first letter of a name that the protocol uses itself (`meta`, `metadata`). The empty name is `%_`. A level
of more than 200 bytes is cut after 160 and followed by `%~` and 32 hex digits of the SHA-256 of the whole name; its
full name stands in its schema files.
"""

from __future__ import annotations

import hashlib
import re

LONGEST_NAME = 200
RESERVED = frozenset({"meta", "metadata"})

_KEPT_BYTES = 160
_EMPTY = "%_"
_DIGEST = "%~"
_UNSAFE = re.compile(r"[%/\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|^\.|[. ]\Z")
_ESCAPED = re.compile(r"((?:%[0-9A-F]{2})+)")
_WHOLE_UNITS = re.compile(r"(?:%[0-9A-F]{2}|[^%])*")


def escape(name: str) -> str:
    """The level of a path that stands for `name`. Different names give different levels."""
    if name in RESERVED:
        return _percent(name[0]) + name[1:]
    text = _UNSAFE.sub(lambda found: _percent(found.group()), name) or _EMPTY
    encoded = text.encode()
    if len(encoded) <= LONGEST_NAME:
        return text
    kept = _WHOLE_UNITS.match(encoded[:_KEPT_BYTES].decode(errors="ignore"))
    assert kept is not None
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:32]
    return kept.group() + _DIGEST + digest


def unescape(level: str) -> str | None:
    """The name that `escape` made `level` of; None if that cannot be told (a cut name), or it made no such level."""
    if level == _EMPTY:
        return ""
    pieces = _ESCAPED.split(level)
    try:
        pieces[1::2] = [bytes.fromhex(piece.replace("%", "")).decode(errors="surrogatepass") for piece in pieces[1::2]]
    except UnicodeDecodeError:
        return None
    name = "".join(pieces)
    return name if escape(name) == level else None


def _percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode(errors="surrogatepass"))
