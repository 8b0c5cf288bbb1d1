"""What replaces conditions where a store does not know them: one writer a name at a time, within this process.

A name is looked up before it is written. Two threads that looked at the same time would both find it free.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class NamesInUse:
    """Owns the names that are being written, and the condition on which others wait for them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._names: set[str] = set()

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Nobody else of this process writes `name` meanwhile. Waits for as long as the one before takes."""
        with self._changed:
            while name in self._names:
                self._changed.wait()  # the one before has deadlines
            self._names.add(name)
        try:
            yield
        finally:
            with self._changed:
                self._names.discard(name)
                self._changed.notify_all()
