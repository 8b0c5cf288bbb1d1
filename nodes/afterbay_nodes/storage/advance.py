"""Objects that only ever go forward, an index and the checkpoint: no late write takes one back (I1).

A write that got no answer may arrive minutes later, from this process or from one that died. Each is therefore made
under the condition that the object is still the version that its writer last saw or wrote (`ObjectStore.replace`).
Contents never come back, so neither does a version, and a late write can only

* be sent again by the same call: both have the same condition, and the first that arrives ends it for the other;
* be of a dead process and arrive before we look: it is what we see, and our next write replaces it;
* be of a dead process and arrive between our look and our write: ours is refused, we look again, and it is behind us;
* arrive after our first write: it is refused by the store.
"""

from __future__ import annotations

from collections.abc import Callable

from afterbay.errors import RunFailed
from afterbay_nodes.storage.store import Changed, NotFound, ObjectStore

UNSEEN = ""
"""The version of an object that this run has neither seen nor written."""

LONGEST = 4096
MOST_SURPRISES = 8
"""Late writes that may arrive during one of ours: a dead process had few requests on the way for one object."""


def advance(store: ObjectStore, key: str, data: bytes, version: str | None, behind: Callable[[bytes], bool]) -> str:
    """Replaces the object by `data`; gives its version. `version`: as last seen, None: there is none, or UNSEEN.

    `behind` tells of other content whether `data` goes on from it. Raises RunFailed `store.ahead` if it does not.
    """
    for _ in range(MOST_SURPRISES):
        if version == UNSEEN:
            try:
                found = store.see(key, LONGEST)
            except NotFound:
                version = None
            else:
                if found.data == data:
                    return found.version
                if not behind(found.data):
                    break
                version = found.version
        try:
            return store.replace(key, data, version)
        except Changed:
            version = UNSEEN
    raise RunFailed(
        "store.ahead",
        f"'{key}' in {store.display} is ahead of this run, which was to write {data[:100]!r} there",
        hint="another pipeline writes to this root, or the state is older than the root: give each pipeline a root of "
        "its own, and a root the state that belongs to it",
    )
