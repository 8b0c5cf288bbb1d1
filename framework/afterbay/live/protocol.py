r"""The protocol of the live socket: one line of JSON a question, one line an answer, as often as one likes.

::

    -> {"afterbay": 1, "ask": "figures"}\n
    <- {"afterbay": 1, "answer": {...}}\n
    <- {"afterbay": 1, "error": {"code": "ask.unknown", "message": "..."}}\n

| ask     | with                     | answer                                                       |
|---------|--------------------------|--------------------------------------------------------------|
| hello   |                          | `pipeline`, `version`, `pid`, `protocol`                     |
| graph   |                          | nodes and edges (`figures.graph_of`)                         |
| figures |                          | totals and levels (`figures.Figures`); at most `FRESH` s old |
| drain   | `timeout` seconds or none| `{}`: it has begun                                           |
| pause, resume, flush |             | `{}`                                                         |
| tap     | `node`, `rows`, `redact` | rows seen since the last such ask (`taps`); the first begins |

The version is raised when an old asker would misread an answer; new keys of an answer do not raise it. Whoever may
open the socket, which is its owner alone (mode 0600), may ask all of this.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from afterbay.schema import Json

VERSION = 1
SOCKET_FILE = "live.sock"
LAST_FILE = "last-run.json"
MOST_QUESTION = 4096
"""Bytes of a question."""
MOST_ANSWER = 16 << 20
"""Bytes of an answer, which an asker reads."""
FRESH = 0.1
"""Seconds: several askers within them get the same figures."""


def line(content: Mapping[str, Json]) -> bytes:
    """One line of the protocol."""
    return json.dumps({"afterbay": VERSION, **content}, separators=(",", ":")).encode() + b"\n"


def parse(text: bytes) -> dict[str, Json]:
    """A line's content. Raises ValueError for what is none."""
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(content, dict):
        raise ValueError("a line is a JSON object")
    return content
