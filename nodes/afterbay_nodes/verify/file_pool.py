"""Files of one table that several dispatchers wrote beside each other: whose a file is, its first change tells."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable

from afterbay_nodes.verify.file_check import FileFacts

_Kind = tuple[str, int, bool | None, str, bool]


class FilePool:
    """Files that no stream has taken yet, by the digest of their first change. One thread.

    Files of one kind (version, what they carry) get the same digest for the same change; `damaged` ones have none.
    """

    def __init__(self, files: Iterable[FileFacts]) -> None:
        self._models: dict[_Kind, FileFacts] = {}
        self._by_head: dict[tuple[_Kind, bytes], deque[FileFacts]] = defaultdict(deque)
        self.is_damaged = False
        for facts in files:
            if facts.digest is None:
                self.is_damaged = True
            elif facts.digest.changes:
                kind = _kind(facts)
                self._models.setdefault(kind, facts)
                self._by_head[kind, facts.digest.head].append(facts)

    def take(self, head: Callable[[FileFacts], bytes | None]) -> FileFacts | None:
        """The first file that begins with a change; `head` gives its digest as a file like the given one would have it,
        None if it cannot be in such a file.
        """
        for kind, model in self._models.items():
            wanted = head(model)
            found = self._by_head.get((kind, wanted)) if wanted is not None else None
            if found:
                return found.popleft()
        return None


def _kind(facts: FileFacts) -> _Kind:
    step, digest = facts.step, facts.digest
    return step.owner, step.version, facts.dated, step.extension, digest is not None and digest.with_before
