"""Google Cloud Storage and Azure Blob Storage as object store, by obstore.

A new object is one request with a condition ("none is there"), whatever its size: both stores take objects of that size
at once, and neither obstore nor Google takes a condition where an object is completed from parts. The bytes go from
the caller's buffers to the socket without a copy. A try whose answer was lost may have succeeded: a later refusal is
compared byte by byte with what was to be written before it counts as somebody else's object.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Literal, Protocol

import obstore

from afterbay.errors import EnvironmentRefused, RunFailed
from afterbay_nodes.storage.obstore_calls import ObstoreCalls
from afterbay_nodes.storage.obstore_errors import Fault, Kind, judge
from afterbay_nodes.storage.retry import Retry
from afterbay_nodes.storage.s3_body import PartsBody
from afterbay_nodes.storage.store import (
    SMALL_OBJECT,
    AlreadyExists,
    NotFound,
    ObjectInfo,
    Part,
    Seen,
    StoreOptions,
    flat,
    levels,
    made_before,
)
from afterbay_nodes.storage.traits import Traits

LONGEST_KEY = 1024
SMALL_BODY = 8 << 20
"""Bytes up to which a body has the deadline of one operation; a larger one, that of all tries of it."""
CHUNK = 1 << 20
PAGE = 1000
DELETES = 32
PROBE = ".afterbay-probe-"
"""How the objects are called that `check` makes and removes: no name of the protocol begins with a dot."""


class Place(Protocol):
    """What the options of a URI say: where, and how to reach it."""

    @property
    def display(self) -> str:
        """The URI without secrets."""
        ...

    @property
    def root(self) -> str:
        """The prefix of all keys, without `/` at its ends."""
        ...

    @property
    def versioned_by(self) -> Literal["e_tag", "version"]:
        """The field of obstore's answers by which the store tells one version of an object from another."""
        ...

    @property
    def attributes(self) -> Mapping[str, str]:
        """What every new object gets."""
        ...

    def connect(self, client: Mapping[str, Any], retries: Mapping[str, Any]) -> Any:
        """The store of obstore. Raises EnvironmentRefused."""
        ...


class ObstoreStore:
    """One bucket or container and root. Owns the client, its connections, and the loop that its requests run on."""

    late_writers = True

    def __init__(self, place: Place, options: StoreOptions, retry: Retry) -> None:
        self.display = place.display
        self._place = place
        self._root = f"{place.root}/" if place.root else ""
        self._options = options
        self._retry = retry
        self._attributes = dict(place.attributes) or None
        client = {
            "connect_timeout": timedelta(seconds=options.connect_timeout),
            "timeout": timedelta(seconds=options.tries_deadline),
            "pool_max_idle_per_host": str(options.connections),
        }
        # It never retries by itself: the one ladder does.
        once = {"max_retries": 0, "retry_timeout": timedelta(seconds=options.operation_deadline)}
        self._store = place.connect(client, once)
        self._calls = ObstoreCalls("obstore", retry.cancel)

    def check(self) -> None:
        """See `ObjectStore.check`. Refuses a server that makes an object although one of that name is there."""
        brief = self._retry.within(self._options.check_deadline)
        try:
            brief.run("list", "", lambda: self._page(obstore.list(self._store, self._folder(""), chunk_size=1)), judge)
            conditional = brief.run("put", PROBE, self._probe, judge)
        except RunFailed as error:
            raise EnvironmentRefused("store.unreachable", error.diagnostics[0].message, hint=error.hint) from error
        if not conditional:
            raise EnvironmentRefused(
                "store.unconditional",
                f"{self.display} replaces objects that it was asked to keep",
                hint="the endpoint is no such store, or something in between drops the conditions of requests",
            )

    def traits(self) -> Traits:
        """See `storage.traits`. What `check` has let pass knows both conditions; obstore tells no server's time."""
        return Traits(conditional=True, compares=True, time=None)

    def sweep(self) -> None:
        """Removes probes that a dead process left. An object that was not finished was never there."""
        self.delete([info.key for info in self._objects(PROBE)])

    def put_if_absent(self, key: str, parts: Sequence[Part], size: int) -> None:
        """See `ObjectStore.put_if_absent`."""
        views = flat(parts, size, key)
        name = self._name(key)
        sent = False

        def attempt() -> None:
            nonlocal sent
            repeat, sent = sent, True
            try:
                self._send(name, views, size, "create")
            except Fault as fault:
                if fault.kind is not Kind.TAKEN:
                    raise
                if not self._settle(key, views, repeat):
                    raise Fault(Kind.PASSING, "the name was taken, and is free again") from None

        self._retry.run("put", key, attempt, judge)

    def replace(self, key: str, data: bytes, previous: str | None) -> str:
        """See `ObjectStore.replace`. The version is the ETag, or the generation.

        A refusal is settled by what is there: our bytes may have arrived although the answer did not.
        """
        name = self._name(key)
        views = flat([data], len(data), key)
        condition = "create" if previous is None else {self._place.versioned_by: previous}

        def attempt() -> str | None:
            try:
                return self._send(name, views, len(data), condition)
            except Fault as fault:
                if fault.kind in (Kind.TAKEN, Kind.MISSING):
                    return None
                raise

        version = self._retry.run("put", key, attempt, judge)
        return made_before(self, key, data) if version is None else version

    def get(self, key: str, limit: int = SMALL_OBJECT) -> bytes:
        """See `ObjectStore.get`."""
        return self.see(key, limit).data

    def see(self, key: str, limit: int = SMALL_OBJECT) -> Seen:
        """See `ObjectStore.see`."""

        def read() -> Seen:
            answer = self._get(key, {})
            size = int(answer.meta["size"])
            if size > limit:
                raise RunFailed("store.large", f"'{key}' in {self.display} has {size} bytes, over {limit}")
            data = self._calls.run(answer.bytes_async, self._options.operation_deadline) if size else b""
            return Seen(bytes(data), self._version(answer.meta))

        return self._retry.run("get", key, read, judge)

    def open_read(self, key: str) -> Iterator[memoryview]:
        """See `ObjectStore.open_read`. A broken connection goes on where it was, in the same object or not at all."""
        reading = _Reading()

        def chunk() -> memoryview | None:
            if reading.stream is None:
                if reading.at == reading.size:
                    return None
                more = {"range": {"offset": reading.at}, "if_match": reading.tag} if reading.at else {}
                answer = self._get(key, more)
                reading.size, reading.tag = int(answer.meta["size"]), answer.meta["e_tag"]
                if not reading.size:
                    return None
                reading.stream = answer.stream(min_chunk_size=CHUNK // 4)
            try:
                found = self._calls.run(partial(_next, reading.stream), self._options.read_timeout)
                if found is None and reading.at < reading.size:
                    raise Fault(Kind.PASSING, f"the answer ended after {reading.at} of {reading.size} bytes")
            except BaseException:
                reading.stream = None
                raise
            return None if found is None else memoryview(found)

        while (found := self._retry.run("get", key, chunk, judge)) is not None:
            reading.at += found.nbytes
            for start in range(0, found.nbytes, CHUNK):
                yield found[start : start + CHUNK]

    def head(self, key: str) -> ObjectInfo | None:
        """See `ObjectStore.head`."""
        name = self._name(key)

        def look() -> ObjectInfo | None:
            try:
                found = self._ask(lambda: obstore.head_async(self._store, name))
            except Fault as fault:
                if fault.kind is Kind.MISSING:
                    return None
                raise
            return ObjectInfo(key, int(found["size"]))

        return self._retry.run("head", key, look, judge)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `ObjectStore.list`."""
        return (info for info in self._objects(prefix) if not info.key.startswith(PROBE))

    def delete(self, keys: Sequence[str]) -> None:
        """See `ObjectStore.delete`."""
        names = [self._name(key) for key in keys]
        for start in range(0, len(names), DELETES):
            batch = names[start : start + DELETES]
            self._retry.run("delete", keys[start], partial(self._ask, partial(self._remove, batch)), judge)

    def prune(self, doomed: Callable[[str], bool]) -> None:
        """See `ObjectStore.prune`: there are no folders."""

    def close(self) -> None:
        """See `ObjectStore.close`."""
        self._calls.close()

    def _name(self, key: str) -> str:
        levels(key)
        name = self._root + key
        reason = None
        if len(name.encode()) > LONGEST_KEY:
            reason = f"with the root it is over {LONGEST_KEY} bytes"
        elif "\\" in key or not key.isprintable():
            reason = "it has a '\\' or a character that cannot be printed"  # would be another name on its way
        if reason is not None:
            raise RunFailed("store.key", f"the key {key!r} is refused: {reason}")
        return name

    def _folder(self, prefix: str) -> str | None:
        """The last whole level at the end of which obstore can begin a listing of `prefix`."""
        return (self._root + prefix).rpartition("/")[0] or None

    def _ask(self, ask: Callable[[], Any]) -> Any:
        return self._calls.run(ask, self._options.read_timeout)

    def _send(self, name: str, views: Sequence[memoryview], size: int, condition: Any) -> str:
        options = self._options
        seconds = options.operation_deadline if size <= SMALL_BODY else options.tries_deadline
        answer = self._calls.run(
            lambda: obstore.put_async(
                self._store,
                name,
                list(views) or b"",
                mode=condition,
                attributes=self._attributes,
                use_multipart=False,
            ),
            seconds,
        )
        return self._version(answer)

    def _get(self, key: str, more: Mapping[str, Any]) -> Any:
        name = self._name(key)
        try:
            return self._ask(lambda: obstore.get_async(self._store, name, options=dict(more)))  # type: ignore[arg-type]
        except Fault as fault:
            if fault.kind is Kind.MISSING:
                raise NotFound(key, self.display) from None
            raise

    def _version(self, answer: Any) -> str:
        return str(answer[self._place.versioned_by])

    def _page(self, stream: Any) -> Sequence[Mapping[str, Any]] | None:
        found: Sequence[Mapping[str, Any]] | None = self._ask(partial(_next, stream))
        return found

    def _objects(self, prefix: str) -> Iterator[ObjectInfo]:
        """A listing that breaks begins anew, and passes over what it has shown: in doubt, an object is shown twice."""
        folder, wanted, seen, again = self._folder(prefix), self._root + prefix, "", False
        stream: Any = None

        def page() -> Sequence[Mapping[str, Any]] | None:
            nonlocal stream, again
            if stream is None:
                stream, again = obstore.list(self._store, folder, chunk_size=PAGE), bool(seen)
            try:
                return self._page(stream)
            except BaseException:
                stream = None
                raise

        while (items := self._retry.run("list", prefix, page, judge)) is not None:
            for item in items:
                name = str(item["path"])
                if again and _before(name, seen):
                    continue
                seen, again = name, False
                if name.startswith(wanted) and len(name) > len(self._root):
                    yield ObjectInfo(name[len(self._root) :], int(item["size"]))

    async def _remove(self, names: Sequence[str]) -> None:
        """One request an object: a bulk request stops at the first that is missing."""

        async def remove(name: str) -> None:
            with suppress(FileNotFoundError):
                await obstore.delete_async(self._store, name)

        await asyncio.gather(*map(remove, names))

    def _probe(self) -> bool:
        """Whether the store refuses a second creation of one name."""
        name = self._root + PROBE + secrets.token_hex(8)
        try:
            self._send(name, [], 0, "create")
            self._send(name, [], 0, "create")
        except Fault as fault:
            if fault.kind is Kind.TAKEN:
                return True
            raise
        finally:
            self._ask(partial(self._remove, [name]))
        return False

    def _settle(self, key: str, views: Sequence[memoryview], repeat: bool) -> bool:
        """False if nothing has the name, True if an earlier try of the same call put our bytes there.

        Raises AlreadyExists if the object is somebody else's.
        """
        found = self.head(key)
        if found is None:
            return False
        if repeat and found.size == sum(view.nbytes for view in views):
            expected = PartsBody(views, self._retry.cancel.check)
            if all(chunk == expected.read(chunk.nbytes) for chunk in self.open_read(key)):
                return True
        raise AlreadyExists(key, self.display)


@dataclass(slots=True)
class _Reading:
    """How far an object has been read."""

    at: int = 0
    size: int = -1
    tag: str | None = None
    stream: Any = field(default=None)


def _before(name: str, seen: str) -> bool:
    """True if a listing has shown `name` when it shows `seen`, whether it goes by characters or by folders."""
    return name <= seen and name.split("/") <= seen.split("/")


async def _next(stream: Any) -> Any:
    """The next of a stream of obstore, None at its end."""
    try:
        return await stream.__anext__()
    except StopAsyncIteration:
        return None
