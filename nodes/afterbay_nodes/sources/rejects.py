"""The rejects file: bad lines put aside, each as a JSON object with its place and the reason."""

from __future__ import annotations

import json
import os
from pathlib import Path

from afterbay.errors import EnvironmentRefused, Place


class Rejects:
    """Appends to one file, which it opens at the first bad line and owns. Used by one thread.

    A run that resumes meets the bad lines above its checkpoint again and appends them again.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._unsynced = False

    def add(self, file: str, number: int, reason: str, line: bytes) -> None:
        """Appends one line's record, in one write."""
        text = line.decode("utf-8", "backslashreplace")
        record = {"place": f"{file}:{number}", "file": file, "line": number, "reason": reason, "text": text}
        data = json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        try:
            if self._descriptor is None:
                Path(self._path).parent.mkdir(parents=True, exist_ok=True)
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            raise self._refused(error) from error
        self._unsynced = True

    def sync(self) -> None:
        """Makes what was appended durable: before a promise covers it (I1)."""
        if self._unsynced and self._descriptor is not None:
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                raise self._refused(error) from error
            self._unsynced = False

    def close(self) -> None:
        """Closes the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _refused(self, error: OSError) -> EnvironmentRefused:
        return EnvironmentRefused(
            "change_log.rejects",
            f"the rejects file cannot be written: {error.strerror}",
            place=Place(file=self._path),
            hint="`rejects` is a file in a folder that can be written",
        )
