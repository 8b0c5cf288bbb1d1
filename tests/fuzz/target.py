"""What a fuzz target is, and the bounds that every one of its examples keeps."""

from __future__ import annotations

import logging
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from afterbay.errors import AfterbayError
from afterbay.printable import visible, visible_lines

MOST_SECONDS = 20.0
"""CPU seconds of one example. They are small: this is a hundred times what one takes."""

LONGEST_ERROR = 20_000
"""Characters of an error, all its findings together."""

MOST_MEMORY = 400 << 20
"""Bytes that the process may grow by in one example."""


@dataclass(frozen=True)
class Target:
    """A reader and what it is given. `check` raises AssertionError, or whatever the reader lets through."""

    examples: st.SearchStrategy[Any]
    check: Callable[[Any], str]
    """Gives the outcome in a word: an error's code, or "right"."""

    def run(self, example: Any) -> str:
        """One example, within the bounds."""
        memory, begun = _peak(), time.thread_time()
        with _logged() as lines:
            outcome = self.check(example)
        assert all(visible(line) == line for line in lines), f"a log line that is not one: {lines}"
        assert time.thread_time() - begun < MOST_SECONDS, "it took too long"
        assert _peak() - memory < MOST_MEMORY, "it took too much memory"
        return outcome


def refusal(read: Callable[[], Any]) -> str | None:
    """The code of the error that `read` ends with, None if it ends well. Other errors pass: they are findings.

    What an error says can be shown: no name or value of the input steers a terminal or makes a second log line.
    """
    found: list[AfterbayError] = []
    try:
        read()
    except AfterbayError as error:
        found.append(error)
    for error in found:
        told = str(error)
        assert visible_lines(told) == told, f"it would steer a terminal: {told[:200]!r}"
        assert all("\n" not in item.message for item in error.diagnostics), f"two lines: {told[:200]!r}"
        assert len(told) < LONGEST_ERROR, f"an error of {len(told)} characters"
        assert all(item.code and item.code == item.code.lower() for item in error.diagnostics)
        return error.code
    return None


@contextmanager
def _logged() -> Iterator[list[str]]:
    """What is logged meanwhile, as it would be written."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield lines
    finally:
        root.removeHandler(handler)


def _peak() -> int:
    """The most memory that the process had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
