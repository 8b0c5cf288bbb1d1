"""Did you mean: the closest known word."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` is most likely a slip of, or None. Case, `-` and `_` do not count."""
    plain = {_plain(item): item for item in sorted(known, reverse=True)}
    found = get_close_matches(_plain(word)[:100], list(plain), n=1, cutoff=0.6)
    return plain[found[0]] if found else None


def listed(words: Iterable[str], most: int = 40) -> str:
    """The words for a sentence: sorted, separated by commas, cut after `most`."""
    ordered = sorted(words)
    shown = ", ".join(ordered[:most])
    return f"{shown}, … ({len(ordered)} in all)" if len(ordered) > most else shown


def did_you_mean(word: str, known: Iterable[str], *, otherwise: str) -> str:
    """A hint: the closest known word, or all of them after the words of `otherwise`."""
    names = list(known)
    guess = closest(word, names)
    if guess is not None:
        return f"did you mean '{guess}'?"
    return f"{otherwise}: {listed(names)}" if names else f"{otherwise}: none"


def _plain(word: str) -> str:
    return word.casefold().replace("-", "_")
