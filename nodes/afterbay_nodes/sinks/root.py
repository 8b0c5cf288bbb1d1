"""Whose root it is: a fresh state takes an empty one, and a state that has stored something finds it there again.

Positions are relative to the root. In another root (another disk, one that is not mounted, another current directory,
a folder that was emptied) a run would go on behind files that nobody has: readers would get a gap that nothing tells
(I1). So a start looks for the newest files that the state knows; a few of them, for the newest are where a run goes on,
and ten thousand questions to a store would cost more than they tell.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterator

from afterbay.errors import EnvironmentRefused
from afterbay.node import StoredPosition
from afterbay.state.store import State
from afterbay_nodes.sinks.writer import plain_directory
from afterbay_nodes.storage.layout import DataKey, Layout
from afterbay_nodes.storage.numbering import LONGEST_INDEX
from afterbay_nodes.storage.store import NotFound, ObjectStore

log = logging.getLogger("afterbay.cloud_storage")

MOST_LOOKED_FOR = 4
"""Tables whose newest file is looked for: two questions each."""


def take_root(store: ObjectStore, layout: Layout, state: State, sink: str, *, adopt: bool) -> None:
    """Claims the root for a fresh state, which must be empty unless `adopt`; else checks that it is the one we know.

    Raises EnvironmentRefused (`cloud_storage.root_not_empty`, `cloud_storage.root_lost`).
    """
    if sink in state.restart.claimed:
        _recognise(store, layout, state, sink)
        return
    first = next(iter(store.list("")), None)
    if first is not None:
        if not adopt:
            raise EnvironmentRefused(
                "cloud_storage.root_not_empty",
                f"the state {state.directory} knows nothing of {store.display}, which holds files already "
                f"(for example '{first.key}')",
                hint="use the state directory that belongs to this root, an empty root, or --adopt to write behind "
                "what is there (changes that it holds may then be stored a second time)",
            )
        log.warning(
            "%s is adopted with what it holds (for example '%s'): the state %s knows nothing of it, so changes that it "
            "holds and that the source sends again are stored a second time",
            store.display,
            first.key,
            state.directory,
        )
    state.claim(sink)


def _recognise(store: ObjectStore, layout: Layout, state: State, sink: str) -> None:
    stored = state.restart.totals[sink]
    if not stored.files and not stored.ddls:
        return
    newest = heapq.nlargest(MOST_LOOKED_FOR, _expected(layout, state, sink), key=lambda position: position.row)
    lost = next((f"'{key}'" for position in newest if (key := _missing(store, layout, position)) is not None), None)
    if not newest and next(iter(store.list("")), None) is None:
        lost = "any file"  # a table's schema files stay, whatever happens to its data
    if lost is not None:
        raise EnvironmentRefused(
            "cloud_storage.root_lost",
            f"{store.display} does not hold {lost} of what the state {state.directory} has stored there "
            f"({stored.files} files with {stored.rows} rows)",
            hint="is it another disk, or one that is not mounted? bring the files back, or name the root that has them "
            "(a relative `uri` is relative to the current directory); to begin anew, use a state directory of its own "
            "and an empty root",
        )


def _expected(layout: Layout, state: State, sink: str) -> Iterator[StoredPosition]:
    """Positions whose files must be there: not expired, and of tables that were not dropped since."""
    restart = state.restart
    expired_before = restart.cleaned.get(sink, "")
    for (owner, partition, dispatcher), position in restart.positions.items():
        if owner != sink or not position.directory:
            continue  # another sink's, or stored by a version that did not note the file
        tables = restart.schemas.get(partition)
        if tables and dispatcher not in tables:
            continue
        day = layout.day_of(plain_directory(position.directory))
        if not day or day >= expired_before:
            yield position


def _missing(store: ObjectStore, layout: Layout, position: StoredPosition) -> str | None:
    """The key that is missing of the file of `position`, which has an index: this file's, or a later one's."""
    directory, _, stem = position.directory.partition("|")
    stem = stem or "CDC"
    index = layout.index_file(directory, stem)
    try:
        name = store.get(index, LONGEST_INDEX).decode(errors="replace").removesuffix("\n")
    except NotFound:
        return index
    found = layout.parse(f"{directory}/{name}")
    if not isinstance(found, DataKey) or found.stem != stem:
        return None  # damage, which whoever writes there next refuses
    if found.number < position.number:
        return layout.data_file(directory, stem, position.number, found.extension)
    newest = f"{directory}/{name}"
    return newest if store.head(newest) is None else None
