"""Where a run resumed at a watermark has to read on.

A watermark W says that every change at or below W was sent, but changes above W may stand before it in the log. A run
resumed at W must read those again, so its cursor is the first line above W that was read, or the place right after
the watermark where there is none. What it reads again at or below W is a repeat.
"""

from __future__ import annotations

from afterbay_nodes.sources.log_reader import Mark

_MOST = 4096


class ResumeMarks:
    """The lines whose commit-ts is above that of every line before them: the only ones that can be a cursor.

    Bounded (I8): past `_MOST` of them every second one is merged into the one before it, which only means that a
    resumed run reads a little more again.
    """

    def __init__(self, highest: int) -> None:
        """`highest`: the commit-ts of the resume point, or -1."""
        self._rising: list[tuple[int, Mark]] = []
        self.highest = highest

    def saw(self, commit_ts: int, mark: Mark) -> None:
        """A row or DDL at `commit_ts` begins at `mark`. To be called where `commit_ts` is above `highest`."""
        self.highest = commit_ts
        self._rising.append((commit_ts, mark))
        if len(self._rising) > _MOST:
            pairs = zip(self._rising[::2], self._rising[1::2], strict=False)
            odd = self._rising[len(self._rising) // 2 * 2 :]
            self._rising = [(later[0], earlier[1]) for earlier, later in pairs] + odd

    def resume_at(self, watermark: int, here: Mark) -> Mark:
        """The cursor for `watermark`, which ends at `here`. Forgets what is at or below it."""
        self.highest = max(self.highest, watermark)
        at = 0
        while at < len(self._rising) and self._rising[at][0] <= watermark:
            at += 1
        del self._rising[:at]
        return self._rising[0][1] if self._rising else here
