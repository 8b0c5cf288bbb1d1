"""Tables whose columns after a DDL are a guess, until a row tells."""

from __future__ import annotations

from collections.abc import Iterable


class Doubts:
    """For each dispatcher in doubt: since which commit-ts, and at which a row ended the doubt.

    A run resumed at W must know what was in doubt at W, even if a row above W has ended it since: that row comes again.
    """

    def __init__(self, restored: Iterable[str], commit_ts: int) -> None:
        self._since: dict[str, int] = dict.fromkeys(restored, commit_ts)
        self._ended: dict[str, int] = {}

    def __contains__(self, dispatcher: str) -> bool:
        return dispatcher in self._since and dispatcher not in self._ended

    def begin(self, dispatcher: str, commit_ts: int) -> None:
        """The columns after the DDL at `commit_ts` are a guess."""
        if self._ended.pop(dispatcher, None) is not None or dispatcher not in self._since:
            self._since[dispatcher] = commit_ts

    def end(self, dispatcher: str, commit_ts: int) -> None:
        """A row or DDL at `commit_ts` told the columns."""
        if dispatcher in self._since:
            self._ended.setdefault(dispatcher, commit_ts)

    def at(self, watermark: int) -> list[str]:
        """What is in doubt at `watermark`, by name. Forgets what ended at or below it."""
        for dispatcher, ended in list(self._ended.items()):
            if ended <= watermark:
                del self._ended[dispatcher], self._since[dispatcher]
        return sorted(dispatcher for dispatcher, since in self._since.items() if since <= watermark)
