"""Tables whose columns after a DDL are a guess, until a row tells."""

from __future__ import annotations

from collections.abc import Iterable


class Doubts:
    """For each dispatcher in doubt: since which commit-ts, and at which a row ended the doubt.

    A run resumed at W must know what was in doubt at W, even if a row above W has ended it since: that row comes again.
    """

    def __init__(self, restored: Iterable[str], commit_ts: int) -> None:
        self._now: dict[str, int] = dict.fromkeys(restored, commit_ts)
        self._past: list[tuple[str, int, int]] = []  # (dispatcher, since, ended)

    def __contains__(self, dispatcher: str) -> bool:
        return dispatcher in self._now

    def begin(self, dispatcher: str, commit_ts: int) -> None:
        """The columns after the DDL at `commit_ts` are a guess."""
        self._now.setdefault(dispatcher, commit_ts)

    def end(self, dispatcher: str, commit_ts: int) -> None:
        """A row or DDL at `commit_ts` told the columns."""
        since = self._now.pop(dispatcher, None)
        if since is not None:
            self._past.append((dispatcher, since, commit_ts))

    def at(self, watermark: int) -> list[str]:
        """What is in doubt at `watermark`, by name. Forgets what ended at or below it."""
        self._past = [item for item in self._past if item[2] > watermark]
        found = {dispatcher for dispatcher, since in self._now.items() if since <= watermark}
        return sorted(found | {dispatcher for dispatcher, since, _ in self._past if since <= watermark})
