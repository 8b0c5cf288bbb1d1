"""An option whose value may be left out: `--wait`, `--wait 30s`, `--wait=30s`.

typer's options have a value or have none. So the words of a call are completed before they are parsed: an option that
is followed by nothing, or by something that cannot be its value, gets the one that it stands for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

FOREVER = "forever"


def with_wait(arguments: Sequence[str]) -> list[str]:
    """`arguments`, each `--wait` with its value."""
    return list(_completed(arguments))


def _completed(arguments: Sequence[str]) -> Iterator[str]:
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word == "--":
            yield from (word, *words)
            return
        if word != "--wait":
            yield word
        elif words and _is_wait(words[0]):
            yield f"{word}={words.pop(0)}"
        else:
            yield f"{word}={FOREVER}"


def _is_wait(word: str) -> bool:
    from afterbay.units import parse_duration

    if word == FOREVER:
        return True
    try:
        parse_duration(word)
    except ValueError:
        return False
    return True
