"""Path states: version directory, date and last number of each series of files, in memory for a while.

A state is pinned while a flush of it is pending or under way, and is never dropped then. Dropped later, it is
rebuilt from the stored position and the store, and no number is used twice. A date never goes back (the clock may).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from afterbay.clock import Clock
from afterbay.positions import StoredPosition
from afterbay.schema import RowPosition, TableSchema
from afterbay_nodes.storage.advance import UNSEEN
from afterbay_nodes.storage.dates import DateSeparator
from afterbay_nodes.storage.layout import DataKey, IndexKey, Layout
from afterbay_nodes.storage.numbering import first_number, index_content, next_number, write_index
from afterbay_nodes.storage.store import ObjectStore
from afterbay_nodes.storage.versions import choose_version

PathKey = tuple[str, str]
"""Version directory of the schema in force, and series: what a state is kept for."""


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Where the next data file goes, and what its index will say."""

    directory: str
    number: int
    key: str
    index_key: str
    index_content: bytes


@dataclass(slots=True)
class PathState:
    """Where the files of one series go. Changed only by the thread that runs the one flush under way of it."""

    version: int | None = None  # the directory's; None: not resolved yet
    day: str = ""
    directory: str = ""
    number: int | None = None  # the last one given out in `directory` by this run; None: none yet
    index: str | None = UNSEEN  # the version of the index in `directory`, see `advance`

    def resolve(
        self,
        store: ObjectStore,
        layout: Layout,
        schema: TableSchema,
        *,
        first: RowPosition,
        last: RowPosition,
        stored: StoredPosition | None,
        stem: str,
    ) -> bool:
        """Finds version, date and number if they are not known. False: the rows [first, last] are to be discarded.

        `stored` is the newest position of the rows' dispatcher. May list and write a schema file.
        """
        if self.version is not None:
            return True
        version = choose_version(
            store, layout, schema, first=first, last=last, stored=None if stored is None else stored.row
        )
        if version is None:
            return False
        base = layout.version_directory(schema, version)
        if stored is not None and (stored.directory == base or stored.directory.startswith(f"{base}/")):
            self.day = layout.day_of(stored.directory)
            self.directory = stored.directory
        if not self.directory or layout.shares(schema):
            # Another partition may have taken the series to a later date than this one's own position says.
            self.day = max(self.day, newest_day(store, layout, base, stem))
        self.version = version
        return True

    def next_file(
        self,
        store: ObjectStore,
        layout: Layout,
        schema: TableSchema,
        stem: str,
        extension: str,
        today: str,
        given: Callable[[str], int | None],
    ) -> FilePlace:
        """Takes the next number, in the directory of `today` or of the newest file, whichever is later.

        `given(directory)`: the last number that was given out there before this run, see `first_number`.
        """
        assert self.version is not None, "resolve comes first"
        self.day = max(self.day, today)
        directory = layout.data_directory(schema, self.version, self.day)
        if directory != self.directory:
            self.directory, self.number, self.index = directory, None, UNSEEN
        if self.number is None:
            self.number, self.index = first_number(store, layout, directory, stem, extension, given(directory))
        else:
            self.number = next_number(store, layout, directory, stem, extension, self.number)
        name = layout.file_name(stem, self.number, extension)
        return FilePlace(
            directory,
            self.number,
            f"{directory}/{name}",
            layout.index_file(directory, stem),
            index_content(name),
        )

    def publish(self, store: ObjectStore, layout: Layout, place: FilePlace, stem: str, extension: str) -> None:
        """The file at `place`, the last one taken, is whole: the index names it from now on."""
        self.index = write_index(store, layout, place.directory, stem, place.number, extension, self.index)


def newest_day(store: ObjectStore, layout: Layout, version_directory: str, stem: str) -> str:
    """The latest date level that a series has files in, "" if none."""
    if layout.date_separator is DateSeparator.NONE:
        return ""
    newest = ""
    for item in store.list(f"{version_directory}/"):
        found = layout.parse(item.key)
        if isinstance(found, DataKey | IndexKey) and found.stem == stem:
            newest = max(newest, found.day)
    return newest


class _Held:
    """A state and who needs it. Its lock guards all but `key`; `gone`: it was dropped, look for another one."""

    __slots__ = ("gone", "key", "lock", "pins", "queued", "since", "state", "uses")

    def __init__(self, key: PathKey) -> None:
        self.key = key
        self.lock = threading.Lock()
        self.state = PathState()
        self.pins = 0
        self.uses = 0  # how often it became idle
        self.since = 0.0  # when it last did, monotonic seconds
        self.queued = False  # it has its one place in the queue
        self.gone = False


class PathStates:
    """The path states of a sink. Thread-safe; no lock is held during I/O.

    Idle states live `ttl` seconds (less than twice that at most), and there are at most `limit` of them (I8); pinned
    ones are as many as there are tables with something pending.

    Threads meet only at a state that both need: one lock for all of them would be taken and lost at every call of
    sixteen threads. Each state owns a lock, under which it is pinned, unpinned and dropped, so that a pinned state is
    never dropped and a dropped one never pinned. Look-ups are single, atomic calls of the dict. Idle states stand in a
    queue once, by when they became idle; what was used since gets another turn. One lock is for whoever drops.
    """

    def __init__(self, clock: Clock, *, ttl: float = 600.0, limit: int = 16384) -> None:
        self._clock = clock
        self._ttl = ttl
        self._limit = limit
        self._states: dict[PathKey, _Held] = {}
        self._idle: deque[tuple[_Held, int, float]] = deque()  # (state, its `uses`, its `since`) when it was queued
        self._dropping = threading.Lock()
        self._next_look = clock.monotonic()

    def __len__(self) -> int:
        return len(self._states)

    def pin(self, key: PathKey) -> PathState:
        """The state of `key`, unresolved if it is new. It stays until each pin was taken back by `unpin`."""
        while True:
            held = self._states.get(key) or self._states.setdefault(key, _Held(key))
            with held.lock:
                if not held.gone:
                    held.pins += 1
                    return held.state

    def unpin(self, key: PathKey) -> None:
        """Nothing of `key` is pending for this caller any more."""
        now = self._clock.monotonic()
        held = self._states[key]
        with held.lock:
            held.pins -= 1
            if held.pins:
                return
            held.uses += 1
            held.since = now
            if not held.queued:
                held.queued = True
                self._idle.append((held, held.uses, now))
        if now >= self._next_look or len(self._idle) > self._limit:
            self._expire(now)

    def expire(self) -> None:
        """Drops idle states whose time is over."""
        self._expire(self._clock.monotonic())

    def _expire(self, now: float) -> None:
        with self._dropping:
            self._next_look = now + self._ttl / 4
            while self._idle:
                held, uses, since = self._idle[0]
                if since + self._ttl > now and len(self._idle) <= self._limit:
                    return
                self._idle.popleft()
                with held.lock:
                    if held.pins:
                        held.queued = False  # it comes back when it is idle again
                    elif held.uses != uses:
                        self._idle.append((held, held.uses, held.since))
                    else:
                        held.gone = True
                        del self._states[held.key]


def path_key(layout: Layout, schema: TableSchema, stem: str) -> PathKey:
    """The key of the series that rows of `schema` belong to."""
    return layout.version_directory(schema, schema.version), stem


def turn_key(layout: Layout, schema: TableSchema, stem: str) -> PathKey:
    """What is flushed one at a time: a series in all its versions, because a version may go to another's directory."""
    return layout.version_directory(schema, 0), stem
