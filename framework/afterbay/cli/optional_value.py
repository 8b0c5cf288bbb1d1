"""Options whose value may be left out: `--wait`, `--wait 30s`, `--wait=30s`.

typer's options have a value or have none. So the words of a call are completed before they are parsed: an option that
is followed by nothing, or by something that cannot be its value, gets the one that it stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

FOREVER = "forever"


@dataclass(frozen=True, slots=True)
class Optional:
    """What an option can have as its value, and what it stands for without one."""

    fits: Callable[[str], bool]
    alone: str


def completed(arguments: Sequence[str], options: Mapping[str, Optional]) -> list[str]:
    """`arguments`, each of `options` with its value."""
    return list(_completed(arguments, options))


def _completed(arguments: Sequence[str], options: Mapping[str, Optional]) -> Iterator[str]:
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word == "--":
            yield from (word, *words)
            return
        option = options.get(word)
        if option is None:
            yield word
        elif words and option.fits(words[0]):
            yield f"{word}={words.pop(0)}"
        else:
            yield f"{word}={option.alone}"


def _is_wait(word: str) -> bool:
    from afterbay.units import parse_duration

    if word == FOREVER:
        return True
    try:
        parse_duration(word)
    except ValueError:
        return False
    return True


def _is_port(word: str) -> bool:
    return word.isascii() and word.isdecimal() and int(word) <= 65535


WAIT = Optional(_is_wait, FOREVER)
PORT = Optional(_is_port, "8765")
