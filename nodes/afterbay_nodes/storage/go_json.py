"""JSON text as Go's encoder writes it, indented by four spaces: schema files and their checksums depend on each byte.

`<`, `>`, `&`, U+2028 and U+2029 are escaped, other non-ASCII is raw, keys keep their order, an empty list is `[]`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring

_INDENT = "    "
_ESCAPED = re.compile("[<>&\u2028\u2029\ud800-\udfff]")
_ESCAPES = {"<": r"\u003c", ">": r"\u003e", "&": r"\u0026", "\u2028": r"\u2028", "\u2029": r"\u2029"}


def go_json(value: object, indent: str = "") -> str:
    """`value` (None, bool, int, float, str, sequence or mapping of str) as indented text. NaN raises ValueError."""
    if isinstance(value, str):
        return _text(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return _float(value)
    inner = indent + _INDENT
    if isinstance(value, Mapping):
        lines = [f"{_text(str(key))}: {go_json(item, inner)}" for key, item in value.items()]
        opening, closing = "{", "}"
    elif isinstance(value, Sequence):
        lines = [go_json(item, inner) for item in value]
        opening, closing = "[", "]"
    else:
        raise TypeError(f"{type(value).__name__} has no JSON form")
    if not lines:
        return opening + closing
    return f"{opening}\n{inner}" + f",\n{inner}".join(lines) + f"\n{indent}{closing}"


@lru_cache(maxsize=4096)
def _text(value: str) -> str:
    """A string in quotes. Kept: the keys of schema files, their types and most column names come again and again."""
    # Go puts the replacement character where a string is no valid Unicode.
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found.group(), r"\ufffd"), encode_basestring(value))


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError("JSON has no infinity and no NaN")
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    shortest = repr(value)
    if 1e-6 <= abs(value) < 1e21:
        return format(Decimal(shortest), "f").removesuffix(".0")
    mantissa, _, exponent = shortest.partition("e")
    return f"{mantissa.removesuffix('.0')}e{exponent[0]}{exponent[1:].lstrip('0')}"
