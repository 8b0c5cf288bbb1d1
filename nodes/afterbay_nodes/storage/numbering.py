"""File numbers: contiguous from 1 in every data directory, and never given out twice.

The state knows the last number of each directory that it has written to, and a root that was empty when it was taken
holds no other file: what the store has beyond that was written by somebody else, or by a later state of this pipeline.
Either way the changes that are about to be stored may be in it, so the run is refused (I6). Only in an adopted root are
there directories that the state does not know: there the index says which number was the last, and a number that a file
has is passed over, never overwritten.
"""

from __future__ import annotations

from afterbay.errors import RunFailed
from afterbay_nodes.storage.advance import advance
from afterbay_nodes.storage.layout import Layout
from afterbay_nodes.storage.store import NotFound, ObjectStore

LONGEST_INDEX = 1024

STATE_OLDER = "cloud_storage.state_older"
OLDER_HINT = (
    "was an older copy of the state restored, or does another pipeline write here? run with the newest state of this "
    "root; if it is lost, begin anew with another state directory and an empty root (or, on this root, with --adopt: "
    "changes that it holds are then stored a second time)"
)


def index_content(name: str) -> bytes:
    """What an index file says: the base name of the newest complete data file."""
    return f"{name}\n".encode()


def read_index(store: ObjectStore, layout: Layout, directory: str, stem: str, extension: str) -> tuple[int, str | None]:
    """The number that the index names, 0 if there is no index, and its version for `write_index`.

    Raises RunFailed for content that names no number.
    """
    try:
        found = store.see(layout.index_file(directory, stem), LONGEST_INDEX)
    except NotFound:
        return 0, None
    return _number_in(found.data, store, layout, directory, stem, extension), found.version


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


def first_number(
    store: ObjectStore, layout: Layout, directory: str, stem: str, extension: str, given: int | None
) -> tuple[int, str | None]:
    """The first number of a run in a directory, and the version of the index.

    `given` is the last number that the state has given out there, None if only the store can tell: one listing then
    passes over what is taken, instead of one question a number, which ends however many there are.
    Raises RunFailed (`cloud_storage.state_older`).
    """
    indexed, version = read_index(store, layout, directory, stem, extension)
    if given is not None:
        if indexed > given:
            name = layout.file_name(stem, indexed, extension)
            raise older(store, f"the index '{layout.index_file(directory, stem)}' names {name}", given)
        return next_number(store, layout, directory, stem, extension, given), version
    number = indexed + 1
    if store.head(layout.data_file(directory, stem, number, extension)) is not None:
        taken = {
            layout.file_number(item.key.rpartition("/")[2], stem, extension)
            for item in store.list(f"{directory}/{stem}")
        }
        while number in taken:
            number += 1
    return number, version


def next_number(store: ObjectStore, layout: Layout, directory: str, stem: str, extension: str, last: int) -> int:
    """The number behind `last`, the newest one that was given out. Raises RunFailed if somebody has its name."""
    key = layout.data_file(directory, stem, last + 1, extension)
    if store.head(key) is not None:
        raise older(store, f"'{key}' exists", last)
    return last + 1


def older(store: ObjectStore, found: str, given: int) -> RunFailed:
    """The error for a file that the state has not given a number to."""
    return RunFailed(
        STATE_OLDER,
        f"{found} in {store.display}, and the state has given out no number above {given} in that directory: going on "
        "would store changes again that are stored already (I6)",
        hint=OLDER_HINT,
    )
