"""Fences for a root whose last run left no word of what it had under way: an empty file where a late one would come.

A run has at most one file under way in a directory, under the number behind the newest one there. With an empty file of
that name, what the network still holds of a dead run is refused by the store; without one it could come to lie beside
the replay of its rows (I6).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from afterbay_nodes.bucket.bucket import READERS
from afterbay_nodes.sinks.writer import series_directory
from afterbay_nodes.storage.advance import UNSEEN
from afterbay_nodes.storage.layout import DataKey, Layout
from afterbay_nodes.storage.numbering import write_index
from afterbay_nodes.storage.store import AlreadyExists, ObjectStore

Placed = tuple[str, DataKey]
"""A file's directory, and the parts of its key."""


def newest_of_series(files: Iterable[Placed]) -> list[Placed]:
    """The newest file of each table, partition and stem: behind it a dead run may have had one more under way."""
    newest: dict[tuple[str, str, str], Placed] = {}
    for directory, key in files:
        series = (key.table, key.partition, key.stem)
        known = newest.get(series)
        if known is None or place(known[1]) < place(key):
            newest[series] = (directory, key)
    return list(newest.values())


def place(key: DataKey) -> tuple[int, str, int]:
    """Rises with the order in which a table's files are written: versions, days and numbers never go back."""
    return (key.version, key.day, key.number)


def fence(store: ObjectStore, layout: Layout, newest: Sequence[Placed]) -> list[str]:
    """Puts an empty file behind each of `newest`, with its index. The series in which the late file was there first."""

    def put(of: Placed) -> str | None:
        directory, key = of
        number = key.number + 1
        try:
            store.put_if_absent(layout.data_file(directory, key.stem, number, key.extension), [], 0)
        except AlreadyExists:
            return series_directory(directory, key.stem)
        write_index(store, layout, directory, key.stem, number, key.extension, UNSEEN)
        return None

    if not newest:
        return []
    with ThreadPoolExecutor(min(READERS, len(newest)), thread_name_prefix="fence") as pool:
        return [refused for refused in pool.map(put, newest) if refused is not None]
