"""A server of a package as a process of its own: its output is read, and it stops with this process at the latest."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Self

# A shell stands between: when this process ends, however that happens, its stdin ends and it kills the server.
_WATCHED = '"$@" </dev/null & server=$!; read -r _; kill -9 $server 2>/dev/null; wait $server'
PATIENCE = 60.0
LINES = 40


class ServerProcess:
    """One server while it is entered. Owns its folder, its process, and the thread that reads what it prints.

    `command(folder)` is what runs. It is ready when a line matches `ready`; the match is `said`.
    """

    def __init__(self, command: Callable[[Path], Sequence[str]], ready: str) -> None:
        self._command = command
        self._pattern = re.compile(ready)

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="afterbay-store-"))
        self._said: Future[re.Match[str]] = Future()
        self._tail: deque[str] = deque(maxlen=LINES)
        self._shell = subprocess.Popen(
            ["sh", "-c", _WATCHED, "sh", *self._command(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._folder,
            env={**os.environ, "TMPDIR": str(self._folder), "HOME": str(self._folder)},
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, name="server-output")
        self._reader.start()
        try:
            self.said = self._said.result(PATIENCE)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    def _stop(self) -> None:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.close()
        self._shell.wait(PATIENCE)
        self._reader.join(PATIENCE)
        self._shell.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self) -> None:
        """Reads until the server ends: one that is not read stops at a full pipe."""
        assert self._shell.stdout is not None
        for line in self._shell.stdout:
            self._tail.append(line)
            found = self._pattern.search(line)
            if found and not self._said.done():
                self._said.set_result(found)
        if not self._said.done():
            self._said.set_exception(RuntimeError("the server ended before it was ready:\n" + "".join(self._tail)))
