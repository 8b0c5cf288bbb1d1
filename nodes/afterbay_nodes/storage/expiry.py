"""Which objects are expired: data and index files whose date level lies before a day. Schema files never are.

An object is judged by the level that the layout has for dates, never by a name that looks like a date.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from afterbay_nodes.storage.layout import DataKey, IndexKey, Layout
from afterbay_nodes.storage.store import ObjectInfo

BATCH = 1000
"""Data files that are removed together: what one request to S3 takes."""


@dataclass(slots=True)
class Expired:
    """Some expired objects. The indexes go first: a reader never meets an index to a missing file."""

    indexes: list[str] = field(default_factory=list)
    data: list[ObjectInfo] = field(default_factory=list)

    @property
    def full(self) -> bool:
        """True when it is time to remove them."""
        return len(self.data) >= BATCH or len(self.indexes) >= BATCH


def expired(objects: Iterable[ObjectInfo], layout: Layout, before: str) -> Iterator[Expired]:
    """What of `objects` lies before the day `before`, batch by batch; every series' index with its first data file.

    A directory's objects come together, as stores list them. Holds one batch, and the series of one directory.
    """
    batch = Expired()
    directory, series = "", set[str]()
    for item in objects:
        found = layout.parse(item.key)
        if not isinstance(found, DataKey | IndexKey) or not found.day or found.day >= before:
            continue
        is_data = isinstance(found, DataKey)
        here = item.key.rsplit("/", 1 if is_data else 2)[0]
        if here != directory:
            directory, series = here, set()
        if found.stem not in series:
            series.add(found.stem)
            batch.indexes.append(layout.index_file(here, found.stem))
        if is_data:
            batch.data.append(item)
        if batch.full:
            yield batch
            batch = Expired()
    if batch.indexes or batch.data:
        yield batch
