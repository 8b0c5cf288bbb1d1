"""Whose root it is: a fresh state takes an empty one, and a state that has stored something finds it there again.

Positions are relative to the root. In another root (another disk, one that is not mounted, another current directory,
a folder that was emptied) a run would go on behind files that nobody has: readers would get a gap that nothing tells
(I1). So a start looks for the newest files that the state knows; a few of them, for the newest are where a run goes on,
and ten thousand questions to a store would cost more than they tell. A root that is ahead of the state tells of another
pipeline, or of an older copy of the state: what it has would be stored again (I6), behind newer changes (I4).

Two fresh states may find one root empty at the same moment. The one that puts the mark has it::

    claim, with the mark, durable -> mark put if absent -> the state notes that it is there -> plain checkpoint of 0

A crash in between leaves the mark in the state: the next start puts it again, or finds its own.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from afterbay.errors import EnvironmentRefused
from afterbay.positions import StoredPosition
from afterbay.state.store import State
from afterbay_nodes.sinks.writer import plain_directory
from afterbay_nodes.storage.advance import UNSEEN
from afterbay_nodes.storage.layout import METADATA, DataKey, Layout
from afterbay_nodes.storage.metadata import new_owner, put_mark, read_metadata
from afterbay_nodes.storage.numbering import LONGEST_INDEX, OLDER_HINT, STATE_OLDER, write_index
from afterbay_nodes.storage.store import NotFound, ObjectStore

log = logging.getLogger("afterbay.cloud_storage")

MOST_LOOKED_FOR = 4
"""Tables whose newest file is looked for: two questions each."""

_LOST_HINT = (
    "is it another disk, or one that is not mounted? bring the files back, or name the root that has them (a relative "
    "`uri` is relative to the current directory); to begin anew, use a state directory of its own and an empty root"
)


def take_root(
    store: ObjectStore, layout: Layout, state: State, sink: str, partitions: Sequence[str], *, adopt: bool
) -> None:
    """Claims the root for a fresh state, which must be empty unless `adopt`; else checks that it is the one we know.

    `partitions`: those that reach the sink. Raises EnvironmentRefused (`cloud_storage.root_not_empty`,
    `cloud_storage.root_lost`, `cloud_storage.state_older`, `cloud_storage.file_damaged`).
    """
    if sink not in state.restart.claimed:
        _claim(store, state, sink, adopt=adopt)
    elif sink not in state.restart.marks:
        _Known(store, layout, state, sink).recognise(partitions)
    mark = state.restart.marks.get(sink)
    if mark is None:
        return
    if not put_mark(store, mark):
        state.disclaim(sink)
        raise _not_empty(store, state, METADATA)
    state.marked(sink)


def _claim(store: ObjectStore, state: State, sink: str, *, adopt: bool) -> None:
    first = next(iter(store.list("")), None)
    if first is None:
        state.claim(sink, mark=new_owner())
        return
    if not adopt:
        raise _not_empty(store, state, first.key)
    shown = read_metadata(store)
    log.warning(
        "%s is adopted with what it holds (for example '%s'): the state %s knows nothing of it, so changes that it "
        "holds and that the source sends again are stored a second time",
        store.display,
        first.key,
        state.directory,
    )
    state.claim(sink, adopted=shown or 0, mark=new_owner() if shown is None else "")


def _not_empty(store: ObjectStore, state: State, key: str) -> EnvironmentRefused:
    return EnvironmentRefused(
        "cloud_storage.root_not_empty",
        f"the state {state.directory} knows nothing of {store.display}, which holds files already "
        f"(for example '{key}')",
        hint="use the state directory that belongs to this root, an empty root, or --adopt to write behind "
        "what is there (changes that it holds may then be stored a second time)",
    )


@dataclass(frozen=True, slots=True)
class _Behind:
    """An index that names an older file than the state, whose file is there."""

    directory: str
    stem: str
    number: int
    extension: str


class _Known:
    """A root that the sink has claimed before."""

    def __init__(self, store: ObjectStore, layout: Layout, state: State, sink: str) -> None:
        self._store = store
        self._layout = layout
        self._state = state
        self._sink = sink

    def recognise(self, partitions: Sequence[str]) -> None:
        """Refuses a root that is not the one of the state, and one that is ahead of it, before anything is done."""
        shown = self._refuse_ahead(partitions)
        stored = self._state.restart.totals[self._sink]
        if not stored.files and not stored.ddls:
            if shown is None:
                self._state.claim(self._sink, mark=new_owner())  # emptied, and still ours to take
            return
        newest = heapq.nlargest(MOST_LOOKED_FOR, self._expected(), key=lambda position: position.row)
        behind = [found for position in newest if (found := self._look(position)) is not None]
        if not newest and next(iter(self._store.list("")), None) is None:
            raise self._lost("any file")  # a table's schema files stay, whatever happens to its data
        for index in behind:
            log.warning("the index of '%s' in %s was behind: written again", index.directory, self._store.display)
            write_index(self._store, self._layout, index.directory, index.stem, index.number, index.extension, UNSEEN)

    def _refuse_ahead(self, partitions: Sequence[str]) -> int | None:
        """What the root shows. It follows the state's checkpoint, and an adopted root may be ahead from the start."""
        shown = read_metadata(self._store)
        restart = self._state.restart
        points = [restart.checkpoints.get(partition) for partition in partitions]
        reached = min((-1 if point is None else point.commit_ts for point in points), default=-1)
        if shown is not None and shown > max(reached, restart.adopted.get(self._sink, 0)):
            has = f"has reached {reached}" if reached >= 0 else "has no checkpoint yet"
            raise EnvironmentRefused(
                STATE_OLDER,
                f"'{METADATA}' in {self._store.display} says that all up to {shown} is stored, and the state "
                f"{self._state.directory} {has}: going on would store changes a second time (I6), out of order (I4)",
                hint=f"{OLDER_HINT}; if '{METADATA}' was changed by hand, remove it: it is written anew",
            )
        return shown

    def _expected(self) -> Iterator[StoredPosition]:
        """Positions whose files must be there: not expired, and of tables that were not dropped since."""
        restart = self._state.restart
        expired_before = restart.cleaned.get(self._sink, "")
        for (owner, partition, dispatcher), position in restart.positions.items():
            if owner != self._sink or not position.directory:
                continue  # another sink's, or stored by a version that did not note the file
            tables = restart.schemas.get(partition)
            if tables and dispatcher not in tables:
                continue
            day = self._layout.day_of(plain_directory(position.directory))
            if not day or day >= expired_before:
                yield position

    def _look(self, position: StoredPosition) -> _Behind | None:
        """Refuses unless the file of `position` is there with an index: this file's, or a later one's.

        An index that is behind while the file is there is given back: readers do not see the file until it is mended.
        """
        store, layout = self._store, self._layout
        directory, _, stem = position.directory.partition("|")
        stem = stem or "CDC"
        index = layout.index_file(directory, stem)
        try:
            name = store.get(index, LONGEST_INDEX).decode(errors="replace").removesuffix("\n")
        except NotFound:
            raise self._lost(f"'{index}'") from None
        found = layout.parse(f"{directory}/{name}")
        if not isinstance(found, DataKey) or found.stem != stem:
            return None  # damage, which whoever writes there next refuses
        given = self._state.directory_number(self._sink, position.directory) or position.number
        if found.number > given:
            raise EnvironmentRefused(
                STATE_OLDER,
                f"the index '{index}' in {store.display} names {name}, and the state {self._state.directory} has given "
                f"out no number above {given} there: going on would store changes a second time (I6)",
                hint=OLDER_HINT,
            )
        number = max(found.number, position.number)
        key = layout.data_file(directory, stem, number, found.extension)
        there = store.head(key)
        if there is None:
            raise self._lost(f"'{key}'")
        if number == position.number and position.size >= 0 and there.size != position.size:
            raise EnvironmentRefused(
                "cloud_storage.file_damaged",
                f"'{key}' in {store.display} has {there.size} bytes, and {position.size} were stored",
                hint="it was cut off or written over: bring it back; or begin anew with a state directory of its own "
                "and an empty root",
            )
        return _Behind(directory, stem, number, found.extension) if found.number < number else None

    def _lost(self, what: str) -> EnvironmentRefused:
        stored = self._state.restart.totals[self._sink]
        return EnvironmentRefused(
            "cloud_storage.root_lost",
            f"{self._store.display} does not hold {what} of what the state {self._state.directory} has stored there "
            f"({stored.files} files with {stored.rows} rows)",
            hint=_LOST_HINT,
        )
