"""What was promised because the input ended, not because a watermark said so, and what is found behind such an end.

A watermark is the writer's word that nothing at or below it is still to come. The end of the input is only where the
reading ended: a log that grows afterwards may tell more of the last transaction, or of another table below it. Behind
the position where the end was met nothing was read before, so such a line is no repeat; and stored in order it cannot
be any more, for the checkpoint says that all at or below it is stored (I1, I4). So it is refused (I5).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from afterbay.positions import ResumePoint
from afterbay.schema import Json, TableName
from afterbay_nodes.sources.canal_json import BadLine

_KEY = "watermark"  # in a cursor whose promise came from an end: the last watermark before it, -1 if there was none
_log = logging.getLogger("afterbay.change_log")


class EndedPromise:
    """Knows the last watermark, and what an end promised above it. Used by one thread.

    A cursor without the key promises what a watermark said; so do those of versions that did not write it.
    """

    def __init__(self, resume: ResumePoint | None, *, stream: bool) -> None:
        """`stream`: the input has no positions, so that nobody can tell what of it was read before."""
        self._stream = stream
        self._warned = False
        self._promised = self._told = -1
        if resume is not None:
            told = resume.cursor.get(_KEY)
            self._promised = resume.commit_ts
            self._told = told if isinstance(told, int) else resume.commit_ts

    def watermark(self, commit_ts: int) -> None:
        """A watermark was read: at or below it all is told."""
        self._told = max(self._told, commit_ts)

    def check(self, commit_ts: int, table: TableName) -> None:
        """For what is taken for a repeat. Raises BadLine if it was never read; warns where that cannot be told."""
        if not self._told < commit_ts <= self._promised:
            return
        if not self._stream:
            raise BadLine(
                "change_log.late",
                f"a change at {commit_ts} was appended after a run had read to the end of the log and promised "
                f"{self._promised}: it is new, but the checkpoint says that all up to {self._promised} is stored",
                table,
                hint="let a log end with a TIDB_WATERMARK message, or behind complete transactions of all tables, "
                "before a run reads to its end, or follow it with `--until forever`; to get this change, start anew "
                "with a fresh state and an empty root; `on_bad_line: reject` puts it aside",
            )
        if not self._warned:
            self._warned = True
            _log.warning(
                "changes at or below %d are dropped as repeats, though only the end of an earlier stream promised "
                "that, no watermark: if they were not in it, they are lost (first: table %s at %d)",
                self._promised,
                table,
                commit_ts,
            )

    def to_cursor(self, promised: int) -> Mapping[str, Json]:
        """What the cursor of an end says besides its place."""
        return {_KEY: self._told} if promised > self._told else {}
