"""One life of a pipeline: a process that runs it, from its start to its end or death."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.faults import LifePlan
from tests.support.faulty_process import environment

TICK = 0.02
STOP = 6.0  # seconds that a drain may take
LONGEST = 20.0  # seconds after which a life under faults is drained from outside
LAST = 180.0  # … and one that is left alone
PATIENCE = 45.0  # seconds beyond the drain's, until a process that does not end is a violation
HUNG = 1.0  # seconds that a thread hangs before the run is drained


@dataclass(frozen=True, slots=True)
class Death:
    """How a life ended. `code` is the error's, if it told one; `met` the faults of the process that happened.

    `stuck`: it did not end in time; `signalled`: it was told to by SIGTERM. `memory` and `spools` are the most bytes
    seen: of the process, and by spool folder.
    """

    exit_code: int
    code: str
    met: tuple[str, ...]
    seconds: float
    stuck: bool
    signalled: bool
    damaged: bool
    memory: int
    spools: dict[str, int]
    said: str

    @property
    def killed(self) -> bool:
        """True if it was killed, by itself or from outside."""
        return self.exit_code == -signal.SIGKILL


class Life:
    """Runs `plan` in `folder`, where pipeline and state are. `meanwhile(seconds)` is called all along; below 0 it has
    not begun.
    """

    def __init__(self, folder: Path, pipeline: Path, plan: LifePlan, meanwhile: Callable[[float], None]) -> None:
        self._folder = folder
        self._pipeline = pipeline
        self._plan = plan
        self._meanwhile = meanwhile
        self._memory = 0
        self._spools: dict[str, int] = {}
        self._damaged = False
        self._signalled = False
        self._begun = folder / "begun.txt"

    def live(self) -> Death:
        """Until it has ended."""
        fired, out = self._folder / "fired.txt", self._folder / "stdout.txt"
        errors = self._folder / "stderr.txt"
        for left in (fired, self._begun):
            left.unlink(missing_ok=True)
        command = self._plan.orders.command(self._folder, "run", self._pipeline)
        command += ["--json", "--quiet", "--stop-timeout", f"{STOP:.0f}s"]
        command += ["--until", "forever"] if self._plan.follow else []
        began = time.monotonic()
        with out.open("wb") as told, errors.open("wb") as said:
            process = subprocess.Popen(
                command, cwd=self._folder, env=environment(), stdin=subprocess.DEVNULL, stdout=told, stderr=said
            )
            try:
                stuck = self._watch(process, fired, began)
            finally:
                process.kill()
                process.wait()
        met = tuple(fired.read_text().splitlines()) if fired.exists() else ()
        return Death(
            exit_code=process.returncode,
            code=_code(out.read_bytes()),
            met=met,
            seconds=time.monotonic() - began,
            stuck=stuck,
            signalled=self._signalled,
            damaged=self._damaged,
            memory=self._memory,
            spools=self._spools,
            said=errors.read_text(errors="replace")[-4000:],
        )

    def _watch(self, process: subprocess.Popen[bytes], fired: Path, began: float) -> bool:
        """Ends it as planned. -> whether it had to be killed because it did not end."""
        ending, hung_at = self._plan.ending, 0.0
        begun: float | None = None
        longest = LAST if self._plan.peaceful else LONGEST
        drained_at = again_at = 0.0
        while process.poll() is None:
            now = time.monotonic() - began
            self._look(process.pid)
            if begun is None and (self._plan.ending.early or self._begun.exists()):
                begun = now
            at = -1.0 if begun is None else now - begun  # on the plan's clock; below 0: not yet
            self._meanwhile(at)
            if self._plan.damage and not self._damaged:
                self._damaged = self._damage()
            if ending.signal == "KILL" and at >= ending.seconds:
                return False
            if not hung_at and fired.exists() and fired.read_bytes().startswith(b"hang"):
                hung_at = now
            ends = ending.signal == "TERM" and at >= ending.seconds
            if not drained_at and (ends or now > longest or (hung_at and now > hung_at + HUNG)):
                drained_at = now
                self._signalled = True
                process.send_signal(signal.SIGTERM)
            # A run that has not begun cannot be drained: the second signal ends the start.
            if drained_at and not again_at and now > drained_at + STOP + 2:
                again_at = now
                process.send_signal(signal.SIGTERM)
            if drained_at and now > drained_at + STOP + PATIENCE:
                return True
            time.sleep(TICK)
        return False

    def _look(self, pid: int) -> None:
        try:
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return  # it is ending
        self._memory = max(self._memory, pages * os.sysconf("SC_PAGE_SIZE"))
        sizes: dict[str, int] = {}
        for path in (self._folder / "state").glob("nodes/*/**/segment-*.spool"):
            node = path.relative_to(self._folder / "state" / "nodes").parts[0]
            try:
                sizes[node] = sizes.get(node, 0) + path.stat().st_size
            except FileNotFoundError:
                continue
        for node, size in sizes.items():
            self._spools[node] = max(self._spools.get(node, 0), size)

    def _damage(self) -> bool:
        """Does to a spool what its plan says, once there is one."""
        if self._plan.damage == "catalog":
            found = sorted((self._folder / "state").glob("nodes/*/**/spool.db"))
            if not found:
                return False
            found[0].write_bytes(b"no database at all" * 100)
            return True
        found = sorted((self._folder / "state").glob("nodes/*/**/segment-*.spool"))
        if not found:
            return False
        found[-1].unlink(missing_ok=True)
        return True


def _code(out: bytes) -> str:
    """The code of the error that was told, if one was."""
    try:
        told = json.loads(out)
    except ValueError:
        return ""
    return str(told.get("error", "")) if isinstance(told, dict) else ""
