"""Whether an open log file still is what was read of it.

A log may be rotated while it is read: cut off and filled again (copytruncate), or another file put under its name. What
came in between is lost to a reader that goes on at its offset, so such a file is refused (I5). A file that only grows
has, right before the offset, the bytes that were read last; that is looked at with each read, whatever its size and its
time say.
"""

from __future__ import annotations

import os
from pathlib import Path

from afterbay.errors import Place, RunFailed
from afterbay_nodes.sources.log_files import Stream, Unpacked

_TAIL = 1024  # bytes before the offset that are compared


class LogWatch:
    """Watches one open file, which it does not own. Used by one thread.

    Compressed files do not grow while they are open: only their size is compared.
    """

    def __init__(self, name: str, stream: Stream) -> None:
        self._name = name
        self._descriptor = stream.fileno()
        self._whole = os.fstat(self._descriptor).st_size if isinstance(stream, Unpacked) else None
        self._offset = 0
        self._tail = b""

    def goes_on(self, offset: int, before: bytes) -> None:
        """The next read is at `offset`, and `before` is what stands right before it."""
        self._offset = offset
        self._tail = before[-_TAIL:]

    def read(self, block: bytes) -> None:
        """`block` was read, b"" at the end: what stood before it must still be there. Raises RunFailed."""
        self._compare()
        if block:
            self.goes_on(self._offset + len(block), block if len(block) >= _TAIL else self._tail + block)

    def _compare(self) -> None:
        if self._whole is not None:
            if os.fstat(self._descriptor).st_size != self._whole:
                raise self._changed(
                    "a compressed file changed while it was read", "let a newer file go on with the log"
                )
        elif os.pread(self._descriptor, len(self._tail), self._offset - len(self._tail)) != self._tail:
            size = os.fstat(self._descriptor).st_size
            what = "was cut off" if size < self._offset else "was cut off and filled again, or overwritten,"
            raise self._changed(
                f"the file {what} while it was read: it has {size} bytes, and byte {self._offset} was reached",
                "rotate a log by beginning a new file (no copytruncate), whose name sorts behind",
            )

    def name(self) -> bool:
        """False if the name is gone. Raises RunFailed if another file has it."""
        try:
            now = Path(self._name).stat()
        except FileNotFoundError:
            return False
        then = os.fstat(self._descriptor)
        if (now.st_dev, now.st_ino) != (then.st_dev, then.st_ino):
            raise self._changed(
                "another file was put in the place of this one while it was followed",
                "give a new file of the log a name of its own, which sorts behind",
            )
        return True

    def gone(self) -> RunFailed:
        """The error for a name that is gone, with no newer file."""
        return self._changed("the file went away while it was followed", "let a newer file go on with the log")

    def _changed(self, what: str, hint: str) -> RunFailed:
        return RunFailed(
            "change_log.changed",
            what,
            place=Place(file=self._name),
            hint=f"{hint}; bring the file back as it was (it may only grow), or start with a fresh state",
        )
