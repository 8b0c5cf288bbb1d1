"""Remarks on tables that a checkpoint has to keep, because the schemas in the state do not say them."""

from __future__ import annotations

from collections.abc import Iterable


class Remarks:
    """One remark on dispatchers: for each, since which commit-ts it holds, and at which it ended.

    A run resumed at W must know what held at W, even if a row or DDL above W has ended it since: that one comes again.
    """

    def __init__(self, restored: Iterable[str], commit_ts: int) -> None:
        self._now: dict[str, int] = dict.fromkeys(restored, commit_ts)
        self._past: list[tuple[str, int, int]] = []  # (dispatcher, since, ended)

    def __contains__(self, dispatcher: str) -> bool:
        return dispatcher in self._now

    def begin(self, dispatcher: str, commit_ts: int) -> None:
        """The remark holds from `commit_ts` on."""
        self._now.setdefault(dispatcher, commit_ts)

    def end(self, dispatcher: str, commit_ts: int) -> None:
        """It no longer holds from `commit_ts` on."""
        since = self._now.pop(dispatcher, None)
        if since is not None:
            self._past.append((dispatcher, since, commit_ts))

    def at(self, watermark: int) -> list[str]:
        """On which dispatchers it holds at `watermark`, by name. Forgets what ended at or below it."""
        self._past = [item for item in self._past if item[2] > watermark]
        found = {dispatcher for dispatcher, since in self._now.items() if since <= watermark}
        return sorted(found | {dispatcher for dispatcher, since, _ in self._past if since <= watermark})
