r"""Which damage of a canal-json file nothing in its store tells: the file is another right one, with other values.

Written from the protocol page alone. A damaged file is another right one if each of its lines has the keys of the good
one, in their order, once, and all that is not one row's own is the same: only `es` and `ts` (other numbers), `commitTs`
(another number) and the values in `data` and `old` may differ, and each line is written as the protocol writes JSON.
Values stay what they were, a null or a text; a column of whole numbers has one as it is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_ESCAPES |= {chr(code): f"\\u{code:04x}" for code in [*range(0x20), *b"<>&"] if chr(code) not in _ESCAPES}
_WHOLE = re.compile(r"(tiny|small|medium|big)?int|year|bit|enum|set")
_NUMBER = re.compile(r"0|-?[1-9][0-9]*")


def is_another_right_file(good: bytes, bad: bytes) -> bool:
    """True if `bad` differs from `good`, which is right, in nothing but what rows alone say."""
    terminator = b"\r\n" if good.endswith(b"\r\n") else b"\n"
    lines, others = good.split(terminator), bad.split(terminator)
    return len(lines) == len(others) and all(
        line == other or _is_another_right_line(line, other) for line, other in zip(lines, others, strict=True)
    )


def is_another_line_end(good: bytes, bad: bytes) -> bool:
    """True if the files are of one and the same line, which ends otherwise: nothing tells how the writer ended it."""
    line, end = bad.rstrip(b" \t\r\n"), bad[len(bad.rstrip(b" \t\r\n")) :]
    return line == good.rstrip(b" \t\r\n") and line.count(b"\n") == 0 and re.search(rb"[\r\n]", end) is not None


def _is_another_right_line(good: bytes, bad: bytes) -> bool:
    try:
        was, now = (json.loads(line.decode(), object_pairs_hook=_object) for line in (good, bad))
    except ValueError:
        return False
    return _written(now).encode() == bad and _shape(now) == _shape(was) and _has_whole_numbers(now)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{_written(key)}:{_written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(_ESCAPES.get(letter, letter) for letter in value) + '"'
    return json.dumps(value)


def _shape(line: Mapping[str, Any]) -> Any:
    """The line without what is the row's own; keys in their order. Signs of Java types are the row's as well."""
    blank = dict(line) | {"es": type(line["es"]), "ts": type(line["ts"])}
    if isinstance(line.get("_tidb"), dict):
        blank["_tidb"] = [(key, type(value)) for key, value in line["_tidb"].items()]
    for image in ("data", "old"):
        if isinstance(line[image], list):
            blank[image] = [[(key, value is None) for key, value in row.items()] for row in line[image]]
    return [(key, list(value.items()) if isinstance(value, dict) else value) for key, value in blank.items()]


def _has_whole_numbers(line: Mapping[str, Any]) -> bool:
    rows = [row for image in ("data", "old") for row in line[image] or []]
    kinds = {name for name, kind in line["mysqlType"].items() if _WHOLE.match(kind)}
    return all(
        value is None or _NUMBER.fullmatch(value) for row in rows for name, value in row.items() if name in kinds
    )
