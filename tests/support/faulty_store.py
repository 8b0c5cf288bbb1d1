"""A store that fails where a test says so, and one whose writes may come late."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from afterbay_nodes.sinks import storage_sink
from afterbay_nodes.storage.store import ObjectInfo, ObjectStore, Part, Seen

Hook = Callable[[str, str, str], None]
"""hook(call, key, "before" | "after"): raises to fail the call there."""


class FaultyStore:
    """Passes everything to `inner`, asking `hook` before and after each write."""

    def __init__(self, inner: ObjectStore, hook: Hook, late_writers: bool) -> None:
        self.inner, self.hook, self._late = inner, hook, late_writers

    @property
    def display(self) -> str:
        return self.inner.display

    @property
    def late_writers(self) -> bool:
        return self._late

    def check(self) -> None:
        self.inner.check()

    def sweep(self) -> None:
        self.inner.sweep()

    def put_if_absent(self, key: str, parts: Sequence[Part], size: int) -> None:
        self.hook("put_if_absent", key, "before")
        self.inner.put_if_absent(key, parts, size)
        self.hook("put_if_absent", key, "after")

    def replace(self, key: str, data: bytes, previous: str | None) -> str:
        self.hook("replace", key, "before")
        version = self.inner.replace(key, data, previous)
        self.hook("replace", key, "after")
        return version

    def see(self, key: str, limit: int = 1 << 20) -> Seen:
        return self.inner.see(key, limit)

    def get(self, key: str, limit: int = 1 << 20) -> bytes:
        return self.inner.get(key, limit)

    def open_read(self, key: str) -> Iterator[memoryview]:
        return self.inner.open_read(key)

    def head(self, key: str) -> ObjectInfo | None:
        return self.inner.head(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self.inner.list(prefix)

    def delete(self, keys: Sequence[str]) -> None:
        self.hook("delete", keys[0] if keys else "", "before")
        self.inner.delete(keys)
        self.hook("delete", keys[0] if keys else "", "after")

    def prune(self, doomed: Callable[[str], bool]) -> None:
        self.inner.prune(doomed)

    def close(self) -> None:
        self.inner.close()


def install(monkeypatch: pytest.MonkeyPatch, hook: Hook, *, late_writers: bool = False) -> None:
    """Every store that a sink opens from now on asks `hook`."""
    original = storage_sink.open_store
    monkeypatch.setattr(
        storage_sink, "open_store", lambda *args, **kwargs: FaultyStore(original(*args, **kwargs), hook, late_writers)
    )
