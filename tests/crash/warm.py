"""Runs of `afterbay` under strace, each in a process of its own that need not import anything first.

One process has imported all that a run needs and forks a child for each run. The child waits until strace is attached,
then runs the command as a user's shell would: what strace sees is a run's calls alone, and a run costs a tenth of what
a fresh interpreter would.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

from afterbay.cli import main
from tests.support.cli import REPOSITORY
from tests.support.nasty_log import small_log
from tests.support.nasty_pipeline import csv_pipeline
from tests.support.store_servers import absent

SECONDS = 60
_SET_PTRACER, _ANY = 0x59616D61, ctypes.c_ulong(-1)


def strace() -> str:
    """The program; a test that needs it is skipped where it is not installed, and fails under CI."""
    program = shutil.which("strace")
    if program is None:
        absent("strace", "Debian's package strace is not installed")
        raise AssertionError("not reached")
    return program


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder in memory, where the system has one: thousands of syncs, none of which tells anything."""
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        yield Path(folder)


class WarmRuns:
    """Owns the process that forks. One run at a time."""

    def __init__(self) -> None:
        self._strace = strace()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.warm"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> WarmRuns:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process as process:
            if kind is not None:
                process.kill()

    def run(self, options: Sequence[str], *arguments: str | Path, cwd: Path, said: Path) -> int:
        """Runs `afterbay` with these arguments under strace with these options. Gives the exit code, -9 of a SIGKILL.

        What the run says is in the file `said`.
        """
        pid = int(self._ask({"arguments": [str(item) for item in arguments], "cwd": str(cwd), "said": str(said)}))
        watcher = subprocess.Popen(
            [self._strace, "-f", "-p", str(pid), *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        with watcher:
            assert watcher.stderr is not None
            attached = watcher.stderr.readline()
            assert "attached" in attached, attached + watcher.stderr.read()
            ended = int(self._ask({"go": pid}))
            watcher.communicate(timeout=SECONDS)
        return ended

    def _ask(self, question: object) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


def _child(arguments: Sequence[str], cwd: str, said: str, ready: int, gate: int) -> int:
    ctypes.CDLL(None).prctl(_SET_PTRACER, _ANY, 0, 0, 0)  # where only a parent may trace
    os.chdir(cwd)
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(ready)
    if not os.read(gate, 1):
        return 125  # nobody waits for it any more
    sys.argv = ["afterbay", *arguments]
    return main()


def _serve() -> None:
    with memory_folder() as folder:
        log = small_log(6, 1)
        pipeline = csv_pipeline(folder, log.write(folder / "events.jsonl"))
        sys.argv = ["afterbay", "run", str(pipeline.file), "--quiet"]
        assert main() == 0  # every module that a run needs is there now, and every thread has ended
    for line in sys.stdin:
        run = json.loads(line)
        gate, opens = os.pipe()
        waiting, ready = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(opens)
            code = 126
            try:
                code = _child(run["arguments"], run["cwd"], run["said"], ready, gate)
            finally:
                sys.stdout.flush()
                os._exit(code)
        os.close(gate)
        os.close(ready)
        os.read(waiting, 1)
        os.close(waiting)
        print(pid, flush=True)
        sys.stdin.readline()
        os.write(opens, b"g")
        os.close(opens)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    _serve()
