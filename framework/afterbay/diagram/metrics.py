"""How wide text will be at most: a diagram is laid out without a font at hand, and no text may leave its box.

The widths are those of DejaVu Sans, which is what a plain Linux shows and the widest of the common sans-serif faces;
elsewhere a box is a little wider than its text.
"""

from __future__ import annotations

import unicodedata

_WIDTHS = {
    0.28: "ijl'",
    0.30: "IJ",
    0.34: " .,:;/\\|",
    0.37: "-f",
    0.42: "()[]rt!",
    0.50: '*_`"',
    0.56: "csz?L",
    0.62: "kvxyFTYe",
    0.64: "abdghnopqu0123456789{}$ESP",
    0.70: "ABCKRVXZ",
    0.79: "DGHNOQU&",
    0.87: "w#+=<>~^M",
    1.00: "mW@%",
}
_EM = {character: width for width, characters in _WIDTHS.items() for character in characters}
ELLIPSIS = "…"


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Width of one line in the unit of the font size `size`, at most."""
    return size * sum(_em(character, bold) for character in text)


def fitted(text: str, size: float, room: float, *, bold: bool = False) -> str:
    """`text`, or as much of its beginning as fits `room`, with an ellipsis."""
    if text_width(text, size, bold=bold) <= room:
        return text
    left = room - text_width(ELLIPSIS, size, bold=bold)
    kept = 0
    for character in text:
        left -= size * _em(character, bold)
        if left < 0:
            break
        kept += 1
    return text[:kept].rstrip() + ELLIPSIS


def _em(character: str, bold: bool) -> float:
    width = _EM.get(character)
    if width is None:
        if unicodedata.combining(character):
            return 0.0
        # An accent adds nothing; other scripts have letters as wide as an ideogram.
        width = _EM.get(unicodedata.normalize("NFD", character)[0], 1.0 if character == ELLIPSIS else 1.2)
    return width * 1.1 + 0.05 if bold else width
