r"""Names and values come from outside: here they are made safe to show to a person.

A table may be called ``orders\x1b[2J`` or carry a right-to-left override. Shown raw, such a name would steer the
terminal or lie in a diagram; shown here, each such character is its escape.
"""

from __future__ import annotations

import unicodedata

_JOINERS = frozenset("\u200c\u200d")  # format characters that only shape the letters beside them


def visible(text: str) -> str:
    """`text` on one line, with every control, bidi, line-break and surrogate character as its escape."""
    if text.isprintable():
        return text
    return "".join(character if _shows(character) else _escaped(character) for character in text)


def visible_lines(text: str) -> str:
    """As `visible`, but newlines stay: for text that we laid out in lines ourselves."""
    return "\n".join(visible(line) for line in text.split("\n"))


def _shows(character: str) -> bool:
    return character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
