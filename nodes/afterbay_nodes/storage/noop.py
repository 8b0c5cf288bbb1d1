"""A store that keeps nothing: for measuring everything before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from afterbay_nodes.storage.store import SMALL_OBJECT, NotFound, ObjectInfo, Part, Seen, flat, levels


class NoopStore:
    """Takes every object and forgets it. Reads find nothing. Thread-safe: it has no state."""

    late_writers = False
    display = "noop://"

    def check(self) -> None:
        """Always in reach."""

    def sweep(self) -> None:
        """Nothing is left behind."""

    def put_if_absent(self, key: str, parts: Sequence[Part], size: int) -> None:
        """Checks key and size as a real store does."""
        levels(key)
        flat(parts, size, key)

    def replace(self, key: str, data: bytes, previous: str | None) -> str:
        """Checks the key."""
        levels(key)
        return "-"

    def see(self, key: str, limit: int = SMALL_OBJECT) -> Seen:
        """Raises NotFound."""
        raise NotFound(key, self.display)

    def get(self, key: str, limit: int = SMALL_OBJECT) -> bytes:
        """Raises NotFound."""
        raise NotFound(key, self.display)

    def open_read(self, key: str) -> Iterator[memoryview]:
        """Raises NotFound."""
        raise NotFound(key, self.display)

    def head(self, key: str) -> ObjectInfo | None:
        """None."""
        levels(key)
        return None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Nothing."""
        return iter(())

    def delete(self, keys: Sequence[str]) -> None:
        """Nothing to remove."""

    def prune(self, doomed: Callable[[str], bool]) -> None:
        """No folders."""

    def close(self) -> None:
        """Nothing to give back."""
