r"""Keys that an object of a JSON line has twice: parsers take the last one in silence, so that a value would be lost.

A line is not parsed for it. A key ends with `":`, and no string of JSON has that inside but as `\":`; so a line with as
many of them as different keys were read has none twice. Only another line is parsed once more. What slips through is a
double key in a line that has white space before a colon elsewhere, which no writer of the protocol puts there.
"""

from __future__ import annotations

import json


class _TwiceError(Exception):
    """The key is its argument."""


def key_told_twice(line: bytes, distinct: int) -> str | None:
    """A key that an object of `line`, which is JSON, has more than once; `distinct` is how many keys were read from it.

    A key that two objects have counts twice.
    """
    ends = line.count(b'":')
    if ends == distinct:
        return None
    # A name that ends with a backslash has its key taken for an end inside a string: such lines are parsed.
    if ends - line.count(b'\\":') == distinct and b'\\\\":' not in line:
        return None
    return find_double_key(line)


def find_double_key(line: bytes) -> str | None:
    """The same by parsing; None for what is no JSON, or nested too deep: that is told elsewhere."""
    try:
        _parse(line)
    except _TwiceError as error:
        return str(error)
    except (ValueError, RecursionError):
        return None
    return None


def _no_double(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise _TwiceError(key)
        seen.add(key)


_decoder = json.JSONDecoder(object_pairs_hook=_no_double)


def _parse(line: bytes) -> None:
    _decoder.decode(line.decode())
