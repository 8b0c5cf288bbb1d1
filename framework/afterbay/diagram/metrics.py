"""How wide text will be, near enough: a diagram is laid out without a font at hand.

The widths are those of common sans-serif faces, rounded up, so that a box is sooner too wide than too narrow.
"""

from __future__ import annotations

import unicodedata

_NARROW = frozenset("ijl.,:;'|!()[]{}`")
_SLIM = frozenset('frtI" -/\\*')
_WIDE = frozenset("mwMW@%")
ELLIPSIS = "…"


def text_width(text: str, size: float) -> float:
    """Width of one line in the unit of the font size `size`."""
    return size * sum(_em(character) for character in text)


def fitted(text: str, size: float, room: float) -> str:
    """`text`, or as much of its beginning as fits `room`, with an ellipsis."""
    if text_width(text, size) <= room:
        return text
    left = room - text_width(ELLIPSIS, size)
    kept = 0
    for character in text:
        left -= size * _em(character)
        if left < 0:
            break
        kept += 1
    return text[:kept].rstrip() + ELLIPSIS


def _em(character: str) -> float:
    if character in _NARROW:
        return 0.29
    if character in _SLIM:
        return 0.39
    if character in _WIDE:
        return 0.9
    if unicodedata.combining(character):
        return 0.0
    if ord(character) > 0x2E80 and unicodedata.east_asian_width(character) in "WF":
        return 1.05
    return 0.68 if character.isupper() else 0.58
