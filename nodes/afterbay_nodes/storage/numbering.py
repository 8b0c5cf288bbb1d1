"""File numbers: contiguous from 1 in every data directory, and never given out twice.

The index file says which number was the last; a free name says that the next one may be used. A number that a
file has is passed over, never overwritten.
"""

from __future__ import annotations

from afterbay.errors import RunFailed
from afterbay_nodes.storage.advance import advance
from afterbay_nodes.storage.layout import Layout
from afterbay_nodes.storage.store import NotFound, ObjectStore

LONGEST_INDEX = 1024


def index_content(name: str) -> bytes:
    """What an index file says: the base name of the newest complete data file."""
    return f"{name}\n".encode()


def read_index(store: ObjectStore, layout: Layout, directory: str, stem: str, extension: str) -> int:
    """The number that the index names, 0 if there is no index. Raises RunFailed for content that names none."""
    try:
        content = store.get(layout.index_file(directory, stem), LONGEST_INDEX)
    except NotFound:
        return 0
    return _number_in(content, store, layout, directory, stem, extension)


def write_index(
    store: ObjectStore, layout: Layout, directory: str, stem: str, number: int, extension: str, version: str | None
) -> str:
    """The index names the file `number` from now on, unless it does already. `version` and result: see `advance`."""

    def behind(content: bytes) -> bool:
        return _number_in(content, store, layout, directory, stem, extension) < number

    content = index_content(layout.file_name(stem, number, extension))
    return advance(store, layout.index_file(directory, stem), content, version, behind)


def _number_in(content: bytes, store: ObjectStore, layout: Layout, directory: str, stem: str, extension: str) -> int:
    try:
        name = content.decode()
    except UnicodeDecodeError:
        name = ""
    number = layout.file_number(name.removesuffix("\n"), stem, extension)
    if number is None:
        raise RunFailed(
            "index.unreadable",
            f"the index '{layout.index_file(directory, stem)}' in {store.display} names no file of this pipeline: "
            f"{content[:100]!r}",
            hint=f"it holds the name of the newest {extension} file and a line feed; restore it, or remove it if no "
            "data file is beside it",
        )
    return number


def next_number(store: ObjectStore, layout: Layout, directory: str, stem: str, extension: str, last: int | None) -> int:
    """The next free number of a series. `last` is the newest one known, None if the index was not read yet.

    A taken name means that `last` is out of date: the index is read again, once, and may jump ahead. What is taken
    then is passed over by one listing instead of one question a number, which ends however many there are.
    """
    read_now = last is None
    number = (read_index(store, layout, directory, stem, extension) if last is None else last) + 1
    if _is_free(store, layout, directory, stem, number, extension):
        return number
    if not read_now:
        ahead = read_index(store, layout, directory, stem, extension) + 1
        if ahead > number:
            number = ahead
            if _is_free(store, layout, directory, stem, number, extension):
                return number
    taken = {
        layout.file_number(item.key.rpartition("/")[2], stem, extension) for item in store.list(f"{directory}/{stem}")
    }
    while number in taken:
        number += 1
    return number


def _is_free(store: ObjectStore, layout: Layout, directory: str, stem: str, number: int, extension: str) -> bool:
    return store.head(layout.data_file(directory, stem, number, extension)) is None
