"""The checkpoint as readers of the store see it: `metadata`, `{"checkpoint-ts":N}`. It never goes back (I1).

It is also the mark that a root is taken, from the moment in which somebody takes it: a checkpoint of 0. While that is
made it names who made it; the plain form follows as soon as the state knows that the mark is its own.
"""

from __future__ import annotations

import json
import re
import secrets
import threading

from afterbay.clock import Clock
from afterbay.errors import RunFailed
from afterbay_nodes.storage.advance import LONGEST, UNSEEN, advance
from afterbay_nodes.storage.layout import METADATA
from afterbay_nodes.storage.store import AlreadyExists, NotFound, ObjectStore

INTERVAL = 2.0

_MARK = re.compile(rb'\{"checkpoint-ts":0,"owner":"[0-9a-f]{32}"\}')


def metadata_bytes(commit_ts: int) -> bytes:
    """The file's content."""
    return f'{{"checkpoint-ts":{commit_ts}}}'.encode()


def new_owner() -> str:
    """A name that nobody else has."""
    return secrets.token_hex(16)


def put_mark(store: ObjectStore, owner: str) -> bool:
    """Marks the root as taken by `owner`, a name that nobody else has. False: somebody else has taken it (I6).

    True as well if the mark is there already, from a process that died before it could say so.
    """
    mark = json.dumps({"checkpoint-ts": 0, "owner": owner}, separators=(",", ":")).encode()
    try:
        store.put_if_absent(METADATA, [mark], len(mark))
    except AlreadyExists:
        return store.get(METADATA, LONGEST) == mark
    return True


def is_mark(content: bytes) -> bool:
    """True for the form that `metadata` has while a root is being taken."""
    return _MARK.fullmatch(content) is not None


def read_metadata(store: ObjectStore) -> int | None:
    """The checkpoint that the store shows, None if it shows none. Raises RunFailed for other content."""
    try:
        return _checkpoint_in(store.get(METADATA, LONGEST), store)
    except NotFound:
        return None


def _checkpoint_in(content: bytes, store: ObjectStore) -> int:
    try:
        commit_ts = json.loads(content)["checkpoint-ts"]
        if type(commit_ts) is not int or not 0 <= commit_ts < 1 << 64:
            raise ValueError("checkpoint-ts is not an unsigned 64-bit number")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunFailed(
            "metadata.unreadable",
            f"'{METADATA}' in {store.display} holds no checkpoint: {content[:100]!r}",
            hint='it holds {"checkpoint-ts":N}; restore it, or remove it and the next checkpoint is written anew',
        ) from error
    return commit_ts


class MetadataFile:
    """Writes the store's checkpoint, at most every two seconds. Owns one lock for its numbers and one for the write.

    `advance` is quick and may be called by any thread; `write_due` and `finish` do I/O.
    """

    def __init__(self, store: ObjectStore, clock: Clock, interval: float = INTERVAL) -> None:
        self._store = store
        self._clock = clock
        self._interval = interval
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._wanted = -1
        self._written = -1
        self._next = clock.monotonic()
        self._version: str | None = UNSEEN  # changed by whoever holds `_writing`

    def load(self) -> int | None:
        """Reads what the store shows, None for nothing: nothing lower will be written. A mark gets the plain form."""
        try:
            content = self._store.get(METADATA, LONGEST)
        except NotFound:
            return None
        shown = _checkpoint_in(content, self._store)
        with self._lock:
            self._written = max(self._written, shown)
        if shown == 0 and content != metadata_bytes(0):
            with self._writing:
                self._version = advance(
                    self._store, METADATA, metadata_bytes(0), UNSEEN, lambda found: found == content
                )
        return shown

    def advance(self, commit_ts: int) -> None:
        """The checkpoint row of `commit_ts` is durable."""
        with self._lock:
            self._wanted = max(self._wanted, commit_ts)

    def write_due(self) -> float | None:
        """Writes if there is news and the interval is over. Seconds until the next write, None if there is no news."""
        with self._lock:
            if self._wanted <= self._written:
                return None
            left = self._next - self._clock.monotonic()
        if left > 0:
            return left
        self.finish()
        return None

    def finish(self) -> None:
        """Writes the newest checkpoint now, if it is not written yet."""
        with self._writing:
            with self._lock:
                commit_ts = self._wanted
                if commit_ts <= self._written:
                    return
            version = self._version
            self._version = UNSEEN  # until it is known what became of the write
            self._version = advance(
                self._store,
                METADATA,
                metadata_bytes(commit_ts),
                version,
                lambda content: _checkpoint_in(content, self._store) < commit_ts,
            )
            with self._lock:
                self._written = commit_ts
                self._next = self._clock.monotonic() + self._interval
