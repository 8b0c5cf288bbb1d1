"""What a sink needs of an object store, and nothing more.

Keys are relative paths with `/` between levels (``shop/orders/445/CDC1.csv``), below a root that the store
knows. A store never shows a half-written object, never replaces one by `put_if_absent`, and returns only when
what it wrote would survive the loss of power (I1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

import pyarrow as pa

from afterbay.errors import RunFailed

Part: TypeAlias = bytes | memoryview | pa.Buffer

SMALL_OBJECT = 64 << 20
"""Bytes that `get` returns at most unless told otherwise: it is for index files, schema files and metadata."""

LONGEST_LEVEL = 255
"""Bytes that one level of a key may have: what common file systems allow a name."""


class ObjectInfo(NamedTuple):
    """An object that is there: its key and size in bytes."""

    key: str
    size: int


class Seen(NamedTuple):
    """What an object held when it was read, and which version of it that was: an opaque name for `replace`."""

    data: bytes
    version: str


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How a store works. Seconds; `connections` bounds the requests side by side.

    `part_concurrency` is how many parts of one large object travel side by side; `read_timeout` is the longest
    silence on a connection; `operation_deadline` ends one try, `tries_deadline` all tries of one operation.
    """

    part_concurrency: int = 1
    connections: int = 16
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    operation_deadline: float = 300.0
    tries_deadline: float = 900.0
    check_deadline: float = 20.0


class AlreadyExists(RunFailed):
    """`put_if_absent` met an object of that name. It was left as it is."""

    def __init__(self, key: str, where: str) -> None:
        super().__init__(
            "store.exists",
            f"'{key}' exists already in {where}; it is never overwritten",
            hint="two pipelines must not share a root",
        )
        self.key = key


class NotFound(RunFailed):
    """There is no object of that name."""

    def __init__(self, key: str, where: str) -> None:
        super().__init__("store.missing", f"'{key}' does not exist in {where}")
        self.key = key


class Changed(RunFailed):
    """`replace` met another version of the object than the one that it was to replace. It was left as it is."""

    def __init__(self, key: str, where: str) -> None:
        super().__init__(
            "store.changed",
            f"'{key}' in {where} is not what this run last saw or wrote there",
            hint="two pipelines must not share a root",
        )
        self.key = key


class ObjectStore(Protocol):
    """An object store. Every method may be called from any thread, and blocks until it is done.

    Failures that may pass (store full, slow, out of reach) are retried inside, up to the deadline of
    `StoreOptions`; what is raised is final: `RunFailed` with operation, key and reason, or `Cancelled`.
    """

    @property
    def display(self) -> str:
        """The store's URI without secrets, for messages."""
        ...

    @property
    def late_writers(self) -> bool:
        """True if a write of a dead process may still arrive: a number is then used again only behind a fence."""
        ...

    def check(self) -> None:
        """Makes the root if that is possible; raises EnvironmentRefused unless it can be read and written."""
        ...

    def sweep(self) -> None:
        """Removes what a dead process left unfinished. Only for the one process that owns the root."""
        ...

    def put_if_absent(self, key: str, parts: Sequence[Part], size: int) -> None:
        """Stores the concatenation of `parts` (`size` bytes) as a new object. Raises AlreadyExists.

        The parts are read in place, perhaps more than once, and not copied.
        """
        ...

    def replace(self, key: str, data: bytes, previous: str | None) -> str:
        """Stores `data`, if the object is still the version `previous` (None: if there is none). Gives the new one.

        It is one step: a reader sees the old bytes or the new ones. A write that was given up, by this process or a
        dead one, can therefore not arrive later over a newer one. An object that holds `data` already counts as done,
        whoever wrote it. Raises Changed if it is another version. A store whose writes never come late, or which
        knows no conditions, does not ask.
        """
        ...

    def see(self, key: str, limit: int = SMALL_OBJECT) -> Seen:
        """As `get`, with the version that `replace` takes."""
        ...

    def get(self, key: str, limit: int = SMALL_OBJECT) -> bytes:
        """The whole object. Raises NotFound; RunFailed if it is larger than `limit` bytes."""
        ...

    def open_read(self, key: str) -> Iterator[memoryview]:
        """The object in chunks of at most 1 MiB, each valid until the next is asked for. Raises NotFound."""
        ...

    def head(self, key: str) -> ObjectInfo | None:
        """The object's size, or None if there is none."""
        ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """All objects whose key begins with `prefix`, in the store's order; a folder's come together."""
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Removes objects; a missing one is no error."""
        ...

    def prune(self, doomed: Callable[[str], bool]) -> None:
        """Removes the empty folders that `doomed` says yes to, and those above them that become empty.

        Nothing to do where a folder is no more than the beginning of a key.
        """
        ...

    def close(self) -> None:
        """Gives connections and files back. Called once, when no call is under way."""
        ...


def levels(key: str) -> list[str]:
    """The levels of a key. Refuses keys that could leave the root or that no store can hold."""
    found = key.split("/")
    reason = None
    try:
        sizes = [len(level.encode()) for level in found]
    except UnicodeEncodeError:
        reason = "it is not valid Unicode"
    else:
        if "" in found:
            reason = "it is empty, absolute or has an empty level"
        elif "." in found or ".." in found:
            reason = "it has a level '.' or '..'"
        elif "\x00" in key:
            reason = "it has a NUL character"
        elif max(sizes) > LONGEST_LEVEL:
            reason = f"a level is longer than {LONGEST_LEVEL} bytes"
    if reason is not None:
        raise RunFailed(
            "store.key",
            f"the key {key!r} is refused: {reason}",
            hint="names from a database are escaped by the layout before they become keys",
        )
    return found


def flat(parts: Sequence[Part], size: int, key: str) -> list[memoryview]:
    """The parts as byte views without empty ones. A sum other than `size` is refused before anything is written."""
    views = [view for view in (memoryview(part).cast("B") for part in parts) if view.nbytes]
    total = sum(view.nbytes for view in views)
    if total != size:
        raise RunFailed("store.size", f"'{key}' was announced with {size} bytes and has {total}")
    return views


def made_before(store: ObjectStore, key: str, data: bytes) -> str:
    """The version of what a conditional write was to make and was refused for: an earlier try may have made it.

    Raises `Changed` if another's content is there, or none.
    """
    try:
        found = store.see(key)
    except NotFound:
        raise Changed(key, store.display) from None
    if found.data != data:
        raise Changed(key, store.display)
    return found.version
