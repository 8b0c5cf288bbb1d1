"""A store in memory that counts what it is asked, for tests of what uses a store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

from afterbay_nodes.storage.store import (
    SMALL_OBJECT,
    AlreadyExists,
    Changed,
    NotFound,
    ObjectInfo,
    Part,
    Seen,
    flat,
    levels,
)


class MemoryStore:
    late_writers = False
    display = "memory://"

    def __init__(self, **objects: bytes) -> None:
        self.objects: dict[str, bytes] = dict(objects)
        self.asked: list[tuple[str, str]] = []

    def check(self) -> None: ...

    def sweep(self) -> None: ...

    def close(self) -> None: ...

    def put_if_absent(self, key: str, parts: Sequence[Part], size: int) -> None:
        levels(key)
        self.asked.append(("put_if_absent", key))
        if key in self.objects:
            raise AlreadyExists(key, self.display)
        self.objects[key] = b"".join(bytes(view) for view in flat(parts, size, key))

    def replace(self, key: str, data: bytes, previous: str | None) -> str:
        """As S3: the version is a digest of the content."""
        self.asked.append(("replace", key))
        now = self.objects.get(key)
        if now != data and previous != (None if now is None else _version(now)):
            raise Changed(key, self.display)
        self.objects[key] = data
        return _version(data)

    def see(self, key: str, limit: int = SMALL_OBJECT) -> Seen:
        self.asked.append(("see", key))
        if key not in self.objects:
            raise NotFound(key, self.display)
        return Seen(self.objects[key], _version(self.objects[key]))

    def get(self, key: str, limit: int = SMALL_OBJECT) -> bytes:
        self.asked.append(("get", key))
        if key not in self.objects:
            raise NotFound(key, self.display)
        return self.objects[key]

    def open_read(self, key: str) -> Iterator[memoryview]:
        yield memoryview(self.get(key))

    def head(self, key: str) -> ObjectInfo | None:
        self.asked.append(("head", key))
        return ObjectInfo(key, len(self.objects[key])) if key in self.objects else None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self.asked.append(("list", prefix))
        return iter([ObjectInfo(k, len(v)) for k, v in sorted(self.objects.items()) if k.startswith(prefix)])

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.objects.pop(key, None)

    def prune(self, doomed: Callable[[str], bool]) -> None: ...

    def count(self, operation: str) -> int:
        return sum(1 for asked, _ in self.asked if asked == operation)


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
